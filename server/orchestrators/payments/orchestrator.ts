/** Which provider is asked, when another one may be, and how an uncertain attempt is cleared up. */
import type { Clock } from '../../infra/clock/port.ts';
import type { Logger, Metrics, Span, Tracer } from '../../infra/observability/port.ts';
import { Problem } from '../../wire/problem.ts';
import type { Outcome, Provider, StoredMethod } from './contract.ts';
import type { BreakerState } from './domain/breaker.ts';
import { type ChargeRequest, type LookupOutcome, MethodRefused, type ModificationRequest, type PaymentProvider, ProviderDown, type ProviderOutcome } from './port.ts';
import type { GuardedProvider } from './resilience.ts';
import type { AttemptKind, AttemptRow, AttemptStore } from './store.ts';

export type AuthoriseRequest = Omit<ChargeRequest, 'method'> & { methods: readonly StoredMethod[] };
export type Modification = ModificationRequest & { provider: Provider };

export interface OrchestratorOptions {
  /** In the order in which they are asked. */
  providers: readonly GuardedProvider[];
  store: AttemptStore;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
  /** An attempt that somebody may still be working on is not looked up before this. */
  graceMs: number;
  /** Whether a card that one provider keeps is shown to the others, too: only test cards are known to both. */
  shareTokens: boolean;
}

type Ask = (provider: PaymentProvider) => Promise<ProviderOutcome>;

const unavailable = (amountMinor: number): Outcome => ({ result: 'unavailable', provider: null, providerReference: null, amountMinor });

export class Orchestrator {
  readonly #options: OrchestratorOptions;

  constructor(options: OrchestratorOptions) {
    this.#options = options;
  }

  #guarded(name: Provider): GuardedProvider | undefined {
    return this.#options.providers.find(({ provider }) => provider.name === name);
  }

  /** @throws Problem `payment-method-invalid`, `payment-provider-down` */
  async attachMethod({ riderId, provider, token }: { riderId: string; provider: Provider; token: string }): Promise<{ methods: StoredMethod[]; brand: string; last4: string }> {
    const named = this.#guarded(provider);
    if (!named) throw new Problem('payment-provider-down', `${provider} is not set up here`);
    const attached = await named.run((adapter) => adapter.attach({ riderId, token })).catch((error: unknown) => {
      if (error instanceof MethodRefused) throw new Problem('payment-method-invalid', error.message, { cause: error });
      throw new Problem('payment-provider-down', `${provider} does not answer`, { cause: error });
    });
    const methods = [attached.method];
    if (this.#options.shareTokens) {
      for (const other of this.#options.providers.filter((candidate) => candidate !== named)) {
        const more = await other.run((adapter) => adapter.attach({ riderId, token })).catch((error: unknown) => {
          this.#options.logger.info({ error, provider: other.provider.name }, 'the card is known to one provider only');
        });
        if (more) methods.push(more.method);
      }
    }
    return { methods, brand: attached.brand, last4: attached.last4 };
  }

  /** @throws Problem `payment-provider-down` when one has not confirmed; detaching again is fine */
  async detachMethod(methods: readonly StoredMethod[]): Promise<void> {
    for (const method of methods) {
      await this.#guarded(method.provider)?.run((adapter) => adapter.detach(method)).catch((error: unknown) => {
        throw new Problem('payment-provider-down', `${method.provider} does not answer`, { cause: error });
      });
    }
  }

  async authorise(request: AuthoriseRequest): Promise<Outcome> {
    const candidates = this.#options.providers.flatMap((guarded) => {
      const method = request.methods.find(({ provider }) => provider === guarded.provider.name);
      return method ? [{ guarded, ask: ((adapter) => adapter.authorise({ ...request, method })) as Ask }] : [];
    });
    return this.#perform('authorise', request, candidates);
  }

  async modify(kind: 'capture' | 'void' | 'refund', request: Modification): Promise<Outcome> {
    const guarded = this.#guarded(request.provider);
    return this.#perform(kind, request, guarded ? [{ guarded, ask: (adapter) => adapter[kind](request) }] : []);
  }

  async #perform(kind: AttemptKind, request: { attempt: string; amountMinor: number }, candidates: readonly { guarded: GuardedProvider; ask: Ask }[]): Promise<Outcome> {
    const { store, clock, metrics } = this.#options;
    const [first] = candidates;
    if (!first) return unavailable(request.amountMinor);
    const { attempt, amountMinor } = request;
    // Durable before anything is sent: whoever comes after a cut knows whom to ask.
    if (!(await store.begin({ attempt, kind, request, provider: first.guarded.provider.name, now: clock.now() }))) return this.#recorded(attempt, amountMinor);
    let asked = first.guarded.provider.name;
    for (const { guarded, ask } of candidates) {
      const { name } = guarded.provider;
      if (name !== asked && !(await store.moveOn(attempt, asked, name, clock.now()))) return this.#recorded(attempt, amountMinor);
      asked = name;
      const begun = performance.now();
      try {
        const outcome = await this.#asking(kind, name, async (span) => {
          const given = await guarded.run(ask);
          span.set({ 'mobility.payment.result': given.result });
          return given;
        });
        this.#observe(kind, name, outcome.result, begun);
        return await this.#settle(attempt, name, outcome, amountMinor);
      } catch (error) {
        this.#observe(kind, name, error instanceof ProviderDown ? 'down' : 'unknown', begun);
        if (!(error instanceof ProviderDown)) return this.#uncertain(attempt, name, amountMinor, error);
      }
    }
    metrics.count('mobility_payment_attempts_unserved_total', 'Attempts that no provider took', { kind });
    await store.settle(attempt, asked, 'final', unavailable(amountMinor), clock.now());
    return this.#recorded(attempt, amountMinor);
  }

  #observe(kind: AttemptKind, provider: Provider, result: string, begun: number): void {
    this.#options.metrics.seconds('mobility_payment_provider_duration_seconds', 'How long a payment provider took', { kind, provider, result })((performance.now() - begun) / 1000);
  }

  /** A call that leaves the platform: providers are not told of the trace. */
  #asking<T>(kind: string, provider: Provider, work: (span: Span) => Promise<T>): Promise<T> {
    return this.#options.tracer.span(`${kind} ${provider}`, { kind: 'client', attributes: { 'peer.service': provider, 'mobility.payment.kind': kind } }, work);
  }

  async #settle(attempt: string, provider: Provider, outcome: ProviderOutcome, amountMinor: number): Promise<Outcome> {
    const recorded: Outcome = { ...outcome, provider };
    const state = outcome.result === 'action-required' ? 'action-required' : 'final';
    const settled = await this.#options.store.settle(attempt, provider, state, recorded, this.#options.clock.now());
    return settled ? recorded : this.#recorded(attempt, amountMinor);
  }

  async #uncertain(attempt: string, provider: Provider, amountMinor: number, error: unknown): Promise<Outcome> {
    this.#options.logger.warn({ error, attempt, provider }, 'a payment provider has not answered for certain');
    await this.#options.store.settle(attempt, provider, 'unknown', null, this.#options.clock.now());
    return this.#recorded(attempt, amountMinor);
  }

  /** What is known of an attempt, without asking anybody. */
  async #recorded(attempt: string, amountMinor: number): Promise<Outcome> {
    const row = await this.#options.store.find(attempt);
    if (row?.outcome && (row.state === 'final' || row.state === 'action-required')) return row.outcome;
    return { result: 'unknown', provider: row?.provider ?? null, providerReference: null, amountMinor };
  }

  /** Asks the provider that was asked last; those before it certainly did nothing. @throws Problem `not-found` */
  async lookup(attempt: string): Promise<Outcome> {
    const { store, clock, graceMs, logger } = this.#options;
    const row = await store.find(attempt);
    if (!row) throw new Problem('not-found', `there is no attempt ${attempt}`);
    const { amountMinor } = row.request as { amountMinor: number };
    const inWork = row.state === 'asking' && clock.nowMs() - row.updatedAt.getTime() < graceMs;
    const guarded = this.#guarded(row.provider);
    if (row.state === 'final' || inWork || !guarded) return this.#recorded(attempt, amountMinor);
    let answer: LookupOutcome;
    try {
      answer = await this.#asking(`lookup-${row.kind}`, row.provider, () => guarded.run((adapter) => askAgain(adapter, row)));
    } catch (error) {
      logger.warn({ error, attempt, provider: row.provider }, 'a payment provider cannot say yet how an attempt ended');
      return this.#recorded(attempt, amountMinor);
    }
    if (answer.result === 'undecided') return this.#recorded(attempt, amountMinor);
    if (answer.result === 'never-happened') {
      await store.settle(attempt, row.provider, 'final', { ...unavailable(amountMinor), provider: row.provider }, clock.now());
      return this.#recorded(attempt, amountMinor);
    }
    return this.#settle(attempt, row.provider, answer, amountMinor);
  }

  health(): Promise<{ provider: Provider; breaker: BreakerState }[]> {
    return Promise.all(this.#options.providers.map(async ({ provider, breaker }) => ({ provider: provider.name, breaker: await breaker.currentState() })));
  }
}

/** Charges are looked up; changes of a charge are sent again under the same key, which makes them once. */
async function askAgain(adapter: PaymentProvider, row: AttemptRow): Promise<LookupOutcome> {
  if (row.kind !== 'authorise') return adapter[row.kind](row.request as Modification);
  const request = row.request as AuthoriseRequest;
  const method = request.methods.find(({ provider }) => provider === row.provider);
  if (!method) throw new Error(`attempt ${row.attempt} has no method at ${row.provider}`);
  return adapter.lookup({ ...request, method, requestedAt: row.requestedAt, providerReference: row.outcome?.providerReference ?? null });
}
