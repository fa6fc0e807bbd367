/** Time limit, retry and circuit breaker around a provider. */
import { ExponentialBackoff, handleWhen, retry, timeout, TimeoutStrategy } from 'cockatiel';
import type { SharedBreaker } from './breaker.ts';
import { MethodRefused, type PaymentProvider, ProviderDown } from './port.ts';

/** Nobody was asked. */
class BreakerOpen extends ProviderDown {
  override name = 'BreakerOpen';
}

/** A provider that answers in time or not at all, and that is left alone while it is down. */
export class GuardedProvider {
  readonly provider: PaymentProvider;
  readonly breaker: SharedBreaker;
  readonly #limit;
  readonly #again;

  constructor(provider: PaymentProvider, breaker: SharedBreaker, options: { timeoutMs: number }) {
    this.provider = provider;
    this.breaker = breaker;
    // Only what certainly did nothing is tried again here; the rest is a matter of lookup.
    this.#again = retry(handleWhen((error) => error instanceof ProviderDown && !(error instanceof BreakerOpen)), { maxAttempts: 1, backoff: new ExponentialBackoff({ initialDelay: 50, maxDelay: 200 }) });
    this.#limit = timeout(options.timeoutMs, TimeoutStrategy.Aggressive);
  }

  /**
   * @throws ProviderDown when the provider certainly did nothing, also while the breaker is open
   * @throws MethodRefused
   * @throws Error when nobody knows
   */
  run<T>(work: (provider: PaymentProvider) => Promise<T>): Promise<T> {
    return this.#again.execute(() => this.#attempt(work));
  }

  async #attempt<T>(work: (provider: PaymentProvider) => Promise<T>): Promise<T> {
    const admitted = await this.breaker.admit();
    if (admitted === 'refuse') throw new BreakerOpen(`the breaker of ${this.provider.name} is open`);
    const probing = admitted === 'probe';
    try {
      const result = await this.#limit.execute(() => work(this.provider));
      await this.breaker.succeeded(probing);
      return result;
    } catch (error) {
      // A refused card says nothing bad about the provider.
      await (error instanceof MethodRefused ? this.breaker.succeeded(probing) : this.breaker.failed(probing));
      throw error;
    }
  }
}
