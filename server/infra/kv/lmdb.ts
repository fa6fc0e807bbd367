import { mkdir } from 'node:fs/promises';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Clock } from '../clock/port.ts';
import { checkedKey, checkedLimit, checkedTableName, checkedTime, jsonOf } from './checks.ts';
import type { KeyValueItem, KeyValueStore, KeyValueTable, WriteCondition } from './port.ts';

interface StoredItem {
  json: string;
  version: number;
  expiresAtMs?: number;
}

/** Each write removes up to so many expired items, so that what expires does not pile up. */
const sweptPerWrite = 8;

const expiryBytes = 6;

function expiryKey(expiresAtMs: number, itemKey: Uint8Array): Uint8Array {
  const key = Buffer.alloc(expiryBytes + itemKey.length);
  key.writeUIntBE(Math.min(Math.max(0, Math.ceil(expiresAtMs)), 2 ** 48 - 1), 0, expiryBytes);
  key.set(itemKey, expiryBytes);
  return key;
}

/** The tables of the store in LMDB; every method but `read` must be called inside `write`. */
class Storage {
  readonly #root: RootDatabase;
  readonly #clock: Clock;
  readonly #items: Database<StoredItem, Uint8Array>;
  /** The sweep's list: the expiry in six bytes, then the item's key. */
  readonly #expiries: Database<boolean, Uint8Array>;
  readonly #sequence: Database<number, string>;

  constructor(root: RootDatabase, clock: Clock) {
    this.#root = root;
    this.#clock = clock;
    this.#items = root.openDB({ name: 'items', keyEncoding: 'binary' });
    this.#expiries = root.openDB({ name: 'expiries', keyEncoding: 'binary' });
    this.#sequence = root.openDB({ name: 'sequence' });
  }

  /** All of `work` or nothing. Writes that are asked for at the same time share one flush to the disk. */
  write<Result>(work: () => Result): Promise<Result> {
    return this.#root.childTransaction(work);
  }

  /** What is committed, also by other processes, and has not expired. */
  read(key: Uint8Array): StoredItem | undefined {
    return this.#unlessExpired(this.#items.get(key));
  }

  *range(start: Uint8Array, end: Uint8Array): Generator<{ key: Uint8Array; item: StoredItem }> {
    for (const { key, value } of this.#items.getRange({ start, end })) {
      const item = this.#unlessExpired(value);
      if (item) yield { key, item };
    }
  }

  put(key: Uint8Array, json: string, expiresAtMs: number | undefined): number {
    const version = (this.#sequence.get('version') ?? 0) + 1;
    this.remove(key);
    this.#sequence.putSync('version', version);
    this.#items.putSync(key, { json, version, ...(expiresAtMs !== undefined && { expiresAtMs }) });
    if (expiresAtMs !== undefined) this.#expiries.putSync(expiryKey(expiresAtMs, key), true);
    this.#sweep();
    return version;
  }

  remove(key: Uint8Array): void {
    const before = this.#items.get(key);
    if (!before) return;
    if (before.expiresAtMs !== undefined) this.#expiries.removeSync(expiryKey(before.expiresAtMs, key));
    this.#items.removeSync(key);
  }

  #sweep(): void {
    const due = this.#expiries.getKeys({ end: expiryKey(this.#clock.nowMs(), new Uint8Array()), limit: sweptPerWrite });
    for (const key of [...due]) this.remove(key.subarray(expiryBytes));
  }

  #unlessExpired(item: StoredItem | undefined): StoredItem | undefined {
    return item?.expiresAtMs !== undefined && item.expiresAtMs <= this.#clock.nowMs() ? undefined : item;
  }
}

class LmdbTable<Value> implements KeyValueTable<Value> {
  readonly #storage: Storage;
  readonly #prefix: string;

  constructor(storage: Storage, name: string) {
    this.#storage = storage;
    this.#prefix = `${name}\0`;
  }

  async get(key: string): Promise<KeyValueItem<Value> | undefined> {
    const stored = this.#storage.read(this.#keyBytes(key));
    return stored && this.#item(key, stored);
  }

  async getMany(keys: readonly string[]): Promise<(KeyValueItem<Value> | undefined)[]> {
    return Promise.all(keys.map((key) => this.get(key)));
  }

  async put(key: string, value: Value, options: { condition?: WriteCondition; expiresAtMs?: number } = {}): Promise<number | undefined> {
    const bytes = this.#keyBytes(key);
    const json = jsonOf(value);
    const { condition } = options;
    const expiresAtMs = checkedTime(options.expiresAtMs);
    return this.#storage.write(() => {
      if (condition && !holds(condition, this.#storage.read(bytes))) return undefined;
      return this.#storage.put(bytes, json, expiresAtMs);
    });
  }

  async delete(key: string, options: { condition?: { version: number } } = {}): Promise<boolean> {
    const bytes = this.#keyBytes(key);
    const { condition } = options;
    return this.#storage.write(() => {
      if (condition && !holds(condition, this.#storage.read(bytes))) return false;
      this.#storage.remove(bytes);
      return true;
    });
  }

  async list(options: { prefix?: string; after?: string; limit?: number } = {}): Promise<KeyValueItem<Value>[]> {
    const { prefix = '', after } = options;
    const limit = checkedLimit(options.limit);
    const first = Buffer.from(this.#prefix + prefix);
    const afterBytes = after === undefined ? undefined : Buffer.concat([Buffer.from(this.#prefix + after), Buffer.of(0)]);
    const start = afterBytes && Buffer.compare(afterBytes, first) > 0 ? afterBytes : first;
    // No UTF-8 text has the byte 0xff: all that begins with the prefix is below.
    const end = Buffer.concat([first, Buffer.of(0xff)]);
    const items: KeyValueItem<Value>[] = [];
    if (Buffer.compare(start, end) >= 0) return items;
    for (const { key, item } of this.#storage.range(start, end)) {
      items.push(this.#item(Buffer.from(key).toString().slice(this.#prefix.length), item));
      if (items.length === limit) break;
    }
    return items;
  }

  #item(key: string, stored: StoredItem): KeyValueItem<Value> {
    return { key, value: JSON.parse(stored.json) as Value, version: stored.version };
  }

  #keyBytes(key: string): Uint8Array {
    return Buffer.from(this.#prefix + checkedKey(key));
  }
}

function holds(condition: WriteCondition, stored: StoredItem | undefined): boolean {
  return 'absent' in condition ? stored === undefined : stored?.version === condition.version;
}

/**
 * Opens a key-value store in a folder, which several processes may share. Keys have 1 to 1024 bytes.
 * Versions come from one sequence: a key that was deleted and written again never has an old version.
 */
export async function openLmdbKeyValueStore(options: { folder: string; clock: Clock }): Promise<KeyValueStore> {
  await mkdir(options.folder, { recursive: true });
  // Without overlapping syncs a commit resolves when it is on the disk.
  const root = open({ path: options.folder, noSubdir: false, overlappingSync: false, maxDbs: 8 });
  const storage = new Storage(root, options.clock);
  return {
    table<Value>(name: string): KeyValueTable<Value> {
      return new LmdbTable<Value>(storage, checkedTableName(name));
    },
    close: () => root.close(),
  };
}
