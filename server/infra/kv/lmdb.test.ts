import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { open as openLmdb } from 'lmdb';
import { expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { keyValueConformance, type KeyValueStoreUnderTest } from './conformance.ts';
import { openLmdbKeyValueStore } from './lmdb.ts';

async function open(): Promise<KeyValueStoreUnderTest> {
  const location = await mkdtemp(join(tmpdir(), 'kv-'));
  const clock = manualClock(1_800_000_000_000);
  const openStore = () => openLmdbKeyValueStore({ folder: location, clock });
  const opened: KeyValueStoreUnderTest = {
    store: await openStore(),
    location,
    clock,
    async reopen() {
      await opened.store.close();
      opened.store = await openStore();
      return opened.store;
    },
    async cleanUp() {
      await opened.store.close();
      await rm(location, { recursive: true });
    },
  };
  return opened;
}

keyValueConformance('on LMDB', { open, module: new URL('./lmdb-under-test.ts', import.meta.url) });

test('expired items do not pile up on the disk', async () => {
  const { store, clock, location, cleanUp } = await open();
  const table = store.table<number>('things');
  for (let number = 0; number < 400; number++) {
    await table.put(`key-${number}`, number, { expiresAtMs: clock.nowMs() + 10 });
    clock.advance(1);
  }
  const raw = openLmdb({ path: location, noSubdir: false, overlappingSync: false, maxDbs: 8 });
  for (const name of ['items', 'expiries']) expect(raw.openDB({ name, keyEncoding: 'binary' }).getCount()).toBeLessThan(20);
  await raw.close();
  await cleanUp();
});
