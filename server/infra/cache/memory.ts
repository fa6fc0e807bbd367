import type { Clock } from '../clock/port.ts';
import type { Cache } from './port.ts';

interface Entry {
  /** JSON: a caller cannot change what another one reads, as with a cache across the network. */
  json: string;
  expiresAtMs: number;
}

class MemoryCache implements Cache {
  /** In the order of use: the first one was used longest ago. */
  readonly #entries = new Map<string, Entry>();
  readonly #maximumEntries: number;
  readonly #clock: Clock;

  constructor(maximumEntries: number, clock: Clock) {
    this.#maximumEntries = maximumEntries;
    this.#clock = clock;
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const entry = this.#live(key);
    return entry ? (JSON.parse(entry.json) as Value) : undefined;
  }

  async set(key: string, value: unknown, lifetimeMs: number): Promise<void> {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError('a value that is kept in the cache must be JSON');
    this.#keep(key, { json, expiresAtMs: this.#clock.nowMs() + checkedLifetime(lifetimeMs) });
  }

  async delete(key: string): Promise<void> {
    this.#entries.delete(key);
  }

  async increment(key: string, by: number, lifetimeMs: number): Promise<{ value: number; expiresInMs: number }> {
    const nowMs = this.#clock.nowMs();
    const entry = this.#live(key);
    const before: unknown = entry ? JSON.parse(entry.json) : 0;
    if (typeof before !== 'number') throw new TypeError(`the value of ${key} is not a counter`);
    const expiresAtMs = entry?.expiresAtMs ?? nowMs + checkedLifetime(lifetimeMs);
    this.#keep(key, { json: JSON.stringify(before + by), expiresAtMs });
    return { value: before + by, expiresInMs: expiresAtMs - nowMs };
  }

  async close(): Promise<void> {
    this.#entries.clear();
  }

  /** The entry when it has not expired; it becomes the one that was used last. */
  #live(key: string): Entry | undefined {
    const entry = this.#entries.get(key);
    if (!entry) return undefined;
    this.#entries.delete(key);
    if (entry.expiresAtMs <= this.#clock.nowMs()) return undefined;
    this.#entries.set(key, entry);
    return entry;
  }

  #keep(key: string, entry: Entry): void {
    this.#entries.delete(key);
    this.#entries.set(key, entry);
    if (this.#entries.size <= this.#maximumEntries) return;
    const [longestUnused] = this.#entries.keys();
    if (longestUnused !== undefined) this.#entries.delete(longestUnused);
  }
}

function checkedLifetime(lifetimeMs: number): number {
  if (!(lifetimeMs > 0)) throw new RangeError(`a lifetime must be more than 0 ms, not ${lifetimeMs}`);
  return lifetimeMs;
}

/**
 * A cache in the memory of this process. What was used longest ago makes room for what is new.
 * @param options.maximumEntries how many it holds; 100,000 unless given
 */
export function memoryCache(options: { maximumEntries?: number; clock: Clock }): Cache {
  const { maximumEntries = 100_000, clock } = options;
  if (!Number.isInteger(maximumEntries) || maximumEntries < 1) throw new RangeError(`maximumEntries must be a whole number above 0, not ${maximumEntries}`);
  return new MemoryCache(maximumEntries, clock);
}
