import { defineModule } from '../../module.ts';
import { incidentContract } from './contract.ts';

type Operations = typeof incidentContract.operations;

export const incidentModule = defineModule<Operations>({
  name: 'incident',
  contract: incidentContract,
  needs: ['booking', 'telemetry', 'vehicle'],
  start: async () => ({}),
});
