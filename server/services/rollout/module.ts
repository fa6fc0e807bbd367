import { defineModule } from '../../module.ts';
import { rolloutContract } from './contract.ts';

type Operations = typeof rolloutContract.operations;

export const rolloutModule = defineModule<Operations>({
  name: 'rollout',
  contract: rolloutContract,
  needs: ['iot', 'telemetry', 'vehicle'],
  start: async () => ({}),
});
