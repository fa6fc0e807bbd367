/**
 * A key-value store for small records that are read and written by key.
 *
 * Promises: a resolved write survives a power cut; writes with a condition are atomic, also between
 * processes; an expired item is never returned; `list` is ordered by key (UTF-8 byte order).
 * A store outside of this process that does not answer, or not in time, is a Problem `unavailable`: what was to be
 * written then may have been written or not, but never by half. It is found again without a restart.
 */
export interface KeyValueItem<Value = unknown> {
  key: string;
  value: Value;
  /** Counts up with every write of this key, also past a deletion, not always by one; for conditional writes. */
  version: number;
}

export type WriteCondition = { absent: true } | { version: number };

/** Keys are text of 1 to 1024 bytes, values JSON of at most 350,000. Anything else is refused with a RangeError or TypeError. */
export interface KeyValueTable<Value = unknown> {
  get(key: string): Promise<KeyValueItem<Value> | undefined>;
  getMany(keys: readonly string[]): Promise<(KeyValueItem<Value> | undefined)[]>;
  /** What has expired counts as absent. @returns the new version, or `undefined` when the condition did not hold (nothing was written). */
  put(key: string, value: Value, options?: { condition?: WriteCondition; expiresAtMs?: number }): Promise<number | undefined>;
  /** @returns false when the condition did not hold. Deleting what is absent is fine. */
  delete(key: string, options?: { condition?: { version: number } }): Promise<boolean>;
  /** @param options.limit 1000 unless given; the next page begins `after` the last key of this one */
  list(options?: { prefix?: string; after?: string; limit?: number }): Promise<KeyValueItem<Value>[]>;
}

export interface KeyValueStore {
  /** Values are JSON. @param name lower case letters, digits and dashes. */
  table<Value>(name: string): KeyValueTable<Value>;
  close(): Promise<void>;
}
