import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { openLmdbKeyValueStore } from '../kv/lmdb.ts';
import type { KeyValueStore } from '../kv/port.ts';
import { keysConformance, type KeysUnderTest } from './conformance.ts';
import { sealedKeys } from './sealed.ts';

const newMaster = (): string => randomBytes(32).toString('base64');
const master = newMaster();
const clock = manualClock(1_800_000_000_000);

async function openStore(): Promise<{ kv: KeyValueStore; cleanUp(): Promise<void> }> {
  const folder = await mkdtemp(join(tmpdir(), 'keys-'));
  const kv = await openLmdbKeyValueStore({ folder, clock });
  return { kv, cleanUp: () => kv.close().then(() => rm(folder, { recursive: true })) };
}

keysConformance('sealed in the key-value store', async (): Promise<KeysUnderTest> => {
  const { kv, cleanUp } = await openStore();
  return { clock, process: () => sealedKeys({ kv, masters: [master], clock }), cleanUp };
});

describe('what is sealed', () => {
  let kv: KeyValueStore;
  let cleanUp: () => Promise<void>;
  beforeEach(async () => {
    ({ kv, cleanUp } = await openStore());
  });
  afterEach(() => cleanUp());
  const open = (...masters: string[]) => sealedKeys({ kv, masters, clock });

  test('cannot be read from the store', async () => {
    const keys = await open(master);
    const { privateJwk } = await keys.signingKey('tokens', 'ES256');
    const secret = await keys.secret('cookies');
    const stored = JSON.stringify(await kv.table('keys').list());
    expect(stored).toContain('tokens.ES256');
    for (const hidden of [privateJwk.d ?? '', secret]) {
      expect(stored).not.toContain(hidden);
      expect(stored).not.toContain(Buffer.from(hidden).toString('base64url'));
    }
    // The same text is never sealed alike twice.
    const items = await kv.table<string>('keys').list();
    expect(new Set(items.map(({ value }) => value.split('.')[2])).size).toBe(items.length);
  });

  test('is opened by its master alone, and the error does not show it', async () => {
    await (await open(master)).secret('cookies');
    await expect((await open(newMaster())).secret('cookies')).rejects.toThrow('sealed with another master key');
    for (const wrong of ['', 'short', randomBytes(16).toString('base64')]) await expect(open(wrong)).rejects.toThrow(RangeError);
    await expect(open()).rejects.toThrow(RangeError);
  });

  test('a new master takes over while the old one still opens', async () => {
    const secret = await (await open(master)).secret('cookies');
    const next = newMaster();
    const both = await open(next, master);
    expect(await both.secret('cookies')).toBe(secret);
    const later = await both.secret('peers');
    expect(await (await open(next)).secret('peers')).toBe(later);
  });

  test('cannot be changed, nor put in the place of another', async () => {
    const keys = await open(master);
    await Promise.all([keys.secret('cookies'), keys.secret('peers')]);
    const table = kv.table<string>('keys');
    const cookies = await table.get('cookies.secret');
    await table.put('peers.secret', cookies?.value ?? '');
    await expect((await open(master)).secret('peers')).rejects.toThrow('holds what was sealed as cookies.secret');
    const parts = (cookies?.value ?? '').split('.');
    const text = Buffer.from(parts[3] ?? '', 'base64url');
    text[0] = (text[0] ?? 0) ^ 1;
    await table.put('cookies.secret', [...parts.slice(0, 3), text.toString('base64url'), parts[4]].join('.'));
    await expect((await open(master)).secret('cookies')).rejects.toThrow('was changed since it was sealed');
  });

  test('who has read keys goes on while the store is away', async () => {
    let away = false;
    const table = kv.table<string>('keys');
    const failing = {
      close: async () => undefined,
      table: () => ({ put: table.put.bind(table), get: (key: string) => (away ? Promise.reject(new Error('as if')) : table.get(key)) }),
    } as unknown as KeyValueStore;
    const keys = await sealedKeys({ kv: failing, masters: [master], clock });
    const { keyId } = await keys.signingKey('tokens', 'ES256');
    away = true;
    clock.advance(3_600_000);
    expect((await keys.signingKey('tokens', 'ES256')).keyId).toBe(keyId);
    await expect(keys.secret('cookies')).rejects.toThrow('as if');
    await expect(keys.rotate('tokens', 'ES256', { acceptedForMs: 1 })).rejects.toThrow('as if');
    away = false;
    expect(await keys.secret('cookies')).toHaveLength(43);
  });
});
