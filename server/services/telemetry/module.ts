import { defineModule } from '../../module.ts';
import { telemetryContract } from './contract.ts';

type Operations = typeof telemetryContract.operations;

export const telemetryModule = defineModule<Operations>({
  name: 'telemetry',
  contract: telemetryContract,
  needs: ['vehicle'],
  start: async () => ({}),
});
