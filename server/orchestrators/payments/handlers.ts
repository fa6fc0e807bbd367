/** What the operations of the contract are to the orchestrator. */
import type { Handlers } from '../../wire/contract.ts';
import type { paymentsOrchestratorContract } from './contract.ts';
import type { Orchestrator } from './orchestrator.ts';

export const orchestratorHandlers = (orchestrator: Orchestrator): Handlers<typeof paymentsOrchestratorContract.operations> => ({
  attachMethod: ({ body }) => orchestrator.attachMethod(body),
  detachMethod: async ({ body }) => {
    await orchestrator.detachMethod(body.methods);
    return undefined;
  },
  authorise: ({ body }) => orchestrator.authorise(body),
  lookup: ({ body }) => orchestrator.lookup(body.attempt),
  capture: ({ body }) => orchestrator.modify('capture', body),
  void: ({ body }) => orchestrator.modify('void', { ...body, amountMinor: 0, currency: '' }),
  refund: ({ body }) => orchestrator.modify('refund', body),
  getProviderHealth: async () => ({ providers: await orchestrator.health() }),
});
