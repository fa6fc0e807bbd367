/**
 * A key-value store for small records that are read and written by key.
 *
 * Promises: a resolved write survives a power cut; writes with a condition are atomic, also between
 * processes; an expired item is never returned; `list` is ordered by key (UTF-8 byte order).
 */
export interface KeyValueItem<Value = unknown> {
  key: string;
  value: Value;
  /** Counts up with every write of this key; for conditional writes. */
  version: number;
}

export type WriteCondition = { absent: true } | { version: number };

export interface KeyValueTable<Value = unknown> {
  get(key: string): Promise<KeyValueItem<Value> | undefined>;
  getMany(keys: readonly string[]): Promise<(KeyValueItem<Value> | undefined)[]>;
  /** @returns the new version, or `undefined` when the condition did not hold (nothing was written). */
  put(key: string, value: Value, options?: { condition?: WriteCondition; expiresAtMs?: number }): Promise<number | undefined>;
  /** @returns false when the condition did not hold. Deleting what is absent is fine. */
  delete(key: string, options?: { condition?: { version: number } }): Promise<boolean>;
  list(options?: { prefix?: string; after?: string; limit?: number }): Promise<KeyValueItem<Value>[]>;
}

export interface KeyValueStore {
  /** Values are JSON. @param name lower case letters, digits and dashes. */
  table<Value>(name: string): KeyValueTable<Value>;
  close(): Promise<void>;
}
