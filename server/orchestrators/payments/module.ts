/** Wiring of the payment orchestrator: which providers are set up, and their limits. */
import { defineModule, type ModuleContext } from '../../module.ts';
import { AdyenProvider } from './adyen.ts';
import { SharedBreaker } from './breaker.ts';
import { paymentsOrchestratorContract } from './contract.ts';
import type { BreakerRecord } from './domain/breaker.ts';
import { orchestratorHandlers } from './handlers.ts';
import { Orchestrator } from './orchestrator.ts';
import type { PaymentProvider } from './port.ts';
import { GuardedProvider } from './resilience.ts';
import { AttemptStore } from './store.ts';
import { StripeProvider } from './stripe.ts';

const breakAfterFailures = 5;
const halfOpenAfterMs = 5_000;
const dayMs = 24 * 3600 * 1000;
/** Whoever asked has written the outcome down long before; references to people are not kept for longer. */
const retentionMs = 30 * dayMs;

/** Stripe first, then Adyen; those that are configured. @throws Error when there is none outside of demo mode */
function configuredProviders({ configuration, clock }: ModuleContext): PaymentProvider[] {
  const { demo, MOBILITY_PAYMENT_TIMEOUT_MS: timeoutMs } = configuration;
  const stripeKey = configuration.MOBILITY_STRIPE_KEY ?? (demo && configuration.MOBILITY_STRIPE_URL ? 'sk_test_sandbox' : undefined);
  const adyenKey = configuration.MOBILITY_ADYEN_KEY ?? (demo && configuration.MOBILITY_ADYEN_URL ? 'sandbox' : undefined);
  const providers: PaymentProvider[] = [];
  if (stripeKey) providers.push(new StripeProvider({ key: stripeKey, ...(configuration.MOBILITY_STRIPE_URL && { url: configuration.MOBILITY_STRIPE_URL }), timeoutMs }));
  if (adyenKey && configuration.MOBILITY_ADYEN_URL) {
    providers.push(new AdyenProvider({
      key: adyenKey, url: configuration.MOBILITY_ADYEN_URL, merchantAccount: configuration.MOBILITY_ADYEN_MERCHANT, timeoutMs,
      returnUrl: configuration.publicUrl, nowMs: () => clock.nowMs(),
    }));
  }
  if (providers.length === 0 && !demo) throw new Error('no payment provider is set up: set MOBILITY_STRIPE_KEY, or MOBILITY_ADYEN_KEY with MOBILITY_ADYEN_URL');
  return providers;
}

export const paymentsOrchestratorModule = defineModule<typeof paymentsOrchestratorContract.operations>({
  name: 'payments-orchestrator',
  contract: paymentsOrchestratorContract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { configuration, database, kv, clock, logger, metrics, tracer } = context;
    const timeoutMs = configuration.MOBILITY_PAYMENT_TIMEOUT_MS;
    const adapters = configuredProviders(context);
    const store = new AttemptStore(database);
    database.onTimer('attempt-cleaning', async ({ kind, key }) => {
      await store.forgetFinal(new Date(clock.nowMs() - retentionMs));
      await database.transaction(async (transaction) => transaction.schedule({ kind, key, dueAt: new Date(clock.nowMs() + dayMs) }));
    });
    await database.transaction(async (transaction) => transaction.schedule({ kind: 'attempt-cleaning', key: 'daily', dueAt: clock.now() }));
    const records = kv.table<BreakerRecord>('payment-breakers');
    const orchestrator = new Orchestrator({
      providers: adapters.map((adapter) => {
        const breaker = new SharedBreaker({ name: adapter.name, records, clock, logger, breakAfterFailures, halfOpenAfterMs, probeForMs: timeoutMs + 1_000 });
        return new GuardedProvider(adapter, breaker, { timeoutMs });
      }),
      store, clock, logger, metrics, tracer, shareTokens: configuration.demo,
      // Longer than a call takes. A lookup that comes too early is harmless: the call that it races loses.
      graceMs: timeoutMs + 1_000,
    });
    metrics.gauge('mobility_payment_provider_available', '1 while the breaker of a provider is closed', async () =>
      (await orchestrator.health()).map(({ provider, breaker }) => ({ labels: { provider }, value: breaker === 'closed' ? 1 : 0 })));
    return {
      handlers: orchestratorHandlers(orchestrator),
      async stop() {
        await Promise.all(adapters.map((adapter) => adapter.close()));
      },
    };
  },
});
