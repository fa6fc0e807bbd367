/** A circuit breaker whose state all processes of the orchestrator share. */
import type { Clock } from '../../infra/clock/port.ts';
import type { KeyValueTable } from '../../infra/kv/port.ts';
import type { Logger } from '../../infra/observability/port.ts';
import { admission, type BreakerLimits, type BreakerRecord, type BreakerState, isClosedBySuccess, stateOf, withFailure, withProbe } from './domain/breaker.ts';

/** How old the shared record may be that a call goes by. */
const freshForMs = 200;
/** A payment never waits longer for the store; then this process goes by what it knows itself. */
const storeWithinMs = 250;
const attempts = 8;

export interface BreakerOptions extends BreakerLimits {
  /** The provider. */
  name: string;
  records: KeyValueTable<BreakerRecord>;
  clock: Clock;
  logger: Logger;
}

const late = Symbol('late');

export class SharedBreaker {
  readonly #options: BreakerOptions;
  /** The record as this process knows it; its own alone while the store is away. */
  #known: BreakerRecord | undefined;
  #readAtMs = Number.NEGATIVE_INFINITY;

  constructor(options: BreakerOptions) {
    this.#options = options;
  }

  get state(): BreakerState {
    return stateOf(this.#known, this.#options.clock.nowMs());
  }

  /** The state with what other processes have seen. */
  async currentState(): Promise<BreakerState> {
    await this.#refresh();
    return this.state;
  }

  /** @returns whether a call may be made, and whether it is the one that tries if the provider works again */
  async admit(): Promise<'call' | 'probe' | 'refuse'> {
    const { clock } = this.#options;
    await this.#refresh();
    const admitted = admission(this.#known, clock.nowMs());
    if (admitted !== 'probe') return admitted;
    return (await this.#change((record) => (record && admission(record, clock.nowMs()) === 'probe' ? withProbe(record, clock.nowMs(), this.#options) : undefined))) ? 'probe' : 'refuse';
  }

  async failed(probing: boolean): Promise<void> {
    await this.#change((record) => withFailure(record, this.#options.clock.nowMs(), this.#options, probing));
  }

  async succeeded(probing: boolean): Promise<void> {
    // While all is well nothing is written.
    if (!isClosedBySuccess(this.#known, probing)) return;
    await this.#change((record) => (isClosedBySuccess(record, probing) ? 'closed' : undefined));
  }

  async #refresh(): Promise<void> {
    if (performance.now() - this.#readAtMs < freshForMs) return;
    this.#readAtMs = performance.now();
    await this.#withStore(async () => {
      const item = await this.#options.records.get(this.#options.name);
      this.#known = item?.value;
    });
  }

  /**
   * Changes the record for all processes; for this one alone while the store is away.
   * @param next the record after the change; undefined when there is nothing to change
   * @returns whether the change was made
   */
  async #change(next: (record: BreakerRecord | undefined) => BreakerRecord | 'closed' | undefined): Promise<boolean> {
    const changed = await this.#withStore(() => this.#changeShared(next));
    if (changed !== late) return changed;
    const alone = next(this.#known);
    if (alone === undefined) return false;
    this.#known = alone === 'closed' ? undefined : alone;
    return true;
  }

  async #changeShared(next: (record: BreakerRecord | undefined) => BreakerRecord | 'closed' | undefined): Promise<boolean> {
    const { records, name } = this.#options;
    for (let attempt = 0; attempt < attempts; attempt++) {
      const item = await records.get(name);
      const record = next(item?.value);
      this.#known = item?.value;
      if (record === undefined) return false;
      if (record === 'closed') {
        if (item && !(await records.delete(name, { condition: { version: item.version } }))) continue;
        this.#known = undefined;
        return true;
      }
      const version = await records.put(name, record, { condition: item ? { version: item.version } : { absent: true } });
      if (version === undefined) continue;
      this.#known = record;
      return true;
    }
    // Others have changed it all the time: they know what there is to know.
    return false;
  }

  /** @returns `late` when the store has not answered in time, or has refused */
  async #withStore<Result>(work: () => Promise<Result>): Promise<Result | typeof late> {
    let timer: NodeJS.Timeout | undefined;
    const limit = new Promise<typeof late>((resolve) => {
      timer = setTimeout(() => resolve(late), storeWithinMs);
    });
    const done = work().catch((error: unknown): typeof late => {
      this.#options.logger.warn({ error, provider: this.#options.name }, 'the state of a breaker cannot be shared: this process goes by its own');
      return late;
    });
    try {
      return await Promise.race([done, limit]);
    } finally {
      clearTimeout(timer);
    }
  }
}
