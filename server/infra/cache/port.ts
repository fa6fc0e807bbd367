/**
 * A bounded cache with expiry. It may forget anything at any time and is never the only copy.
 *
 * Promise: `increment` is atomic within one cache, so limits that count in it hold for all who share it.
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
