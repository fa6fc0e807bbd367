/**
 * A bounded cache with expiry. It may forget anything at any time and is never the only copy.
 *
 * Promises:
 * - `increment` is atomic within one cache, so limits that count in it hold for all who share it.
 * - It never holds a request up and never fails one: while a cache of its own process is away (Redis restarts, hangs,
 *   cannot be reached), every call ends within half a second, and after the first ones at once. Then `get` finds
 *   nothing, `set` and `delete` are dropped, and `increment` counts in the memory of this process, from 0. So a limit
 *   still holds for each process, and is looser by at most the number of processes, until the cache is back.
 * - What was dropped is not made up for: after an outage a value can be there that was deleted meanwhile, for no
 *   longer than its lifetime.
 */
export interface Cache {
  get<Value>(key: string): Promise<Value | undefined>;
  /** @param value JSON, other than undefined @param lifetimeMs above 0 */
  set(key: string, value: unknown, lifetimeMs: number): Promise<void>;
  delete(key: string): Promise<void>;
  /** Adds to a counter that begins at 0 and vanishes `lifetimeMs` after its first increment. */
  increment(key: string, by: number, lifetimeMs: number): Promise<{ value: number; expiresInMs: number }>;
  close(): Promise<void>;
}
