/** Time limit, retry and circuit breaker around a provider. */
import { BrokenCircuitError, circuitBreaker, CircuitState, ConsecutiveBreaker, ExponentialBackoff, handleWhen, isBrokenCircuitError, retry, timeout, TimeoutStrategy, wrap } from 'cockatiel';
import { MethodRefused, type PaymentProvider, ProviderDown } from './port.ts';

export interface ResilienceOptions {
  timeoutMs: number;
  /** Failures in a row that open the breaker. */
  breakAfterFailures: number;
  /** How long an open breaker waits before it lets one call through. */
  halfOpenAfterMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

/** A provider that answers in time or not at all, and that is left alone while it is down. */
export class GuardedProvider {
  readonly provider: PaymentProvider;
  readonly #breaker;
  readonly #policy;

  constructor(provider: PaymentProvider, options: ResilienceOptions) {
    this.provider = provider;
    // A refused card says nothing about the provider.
    const failures = handleWhen((error) => !(error instanceof MethodRefused));
    this.#breaker = circuitBreaker(failures, { halfOpenAfter: options.halfOpenAfterMs, breaker: new ConsecutiveBreaker(options.breakAfterFailures) });
    // Only what certainly did nothing is tried again here; the rest is a matter of lookup.
    const again = retry(handleWhen((error) => error instanceof ProviderDown), { maxAttempts: 1, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 200 }) });
    this.#policy = wrap(again, this.#breaker, timeout(options.timeoutMs, TimeoutStrategy.Aggressive));
  }

  /**
   * @throws ProviderDown when the provider certainly did nothing, also while the breaker is open
   * @throws MethodRefused
   * @throws Error when nobody knows
   */
  async run<T>(work: (provider: PaymentProvider) => Promise<T>): Promise<T> {
    try {
      return await this.#policy.execute(() => work(this.provider));
    } catch (error) {
      if (error instanceof BrokenCircuitError || isBrokenCircuitError(error)) throw new ProviderDown(`the breaker of ${this.provider.name} is open`, { cause: error });
      throw error;
    }
  }

  get state(): BreakerState {
    switch (this.#breaker.state) {
      case CircuitState.Closed:
        return 'closed';
      case CircuitState.HalfOpen:
        return 'half-open';
      default:
        return 'open';
    }
  }
}
