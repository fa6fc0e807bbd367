/** The contract suite of the key-value store: every adapter must pass it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import type { KeyValueItem, KeyValueStore } from './port.ts';

/** A store for one test, which starts empty. */
export interface KeyValueStoreUnderTest {
  store: KeyValueStore;
  /** For `openAt` in another process. */
  location: string;
  clock: ReturnType<typeof manualClock>;
  reopen(): Promise<KeyValueStore>;
  cleanUp(): Promise<void>;
}

export interface KeyValueAdapter {
  open(): Promise<KeyValueStoreUnderTest>;
  /** A module whose `openAt(location)` opens the store once more; child processes import it. */
  module: URL;
}

const incrementing = `
  for (let done = 0; done < 100;) {
    const item = await table.get('counter');
    if ((await table.put('counter', item.value + 1, { condition: { version: item.version } })) !== undefined) done++;
  }
  await store.close();
  console.log(100);`;

const writingForEver = `
  for (let number = 0; ; number += 10) {
    await Promise.all(Array.from({ length: 10 }, (_, further) => table.put('key-' + (number + further), { number: number + further })));
    console.log(number + 10);
  }`;

/** Runs a script on the `table` of things in another process. */
function elsewhere(module: URL, location: string, script: string) {
  const begin = `const store = await (await import(${JSON.stringify(module.href)})).openAt(${JSON.stringify(location)}); const table = store.table('things');`;
  const child = spawn(process.execPath, ['--input-type=module', '-e', begin + script], { stdio: ['ignore', 'pipe', 'inherit'] });
  const gone = new Promise((resolve) => child.once('close', resolve));
  return { lines: createInterface(child.stdout), kill: () => (child.kill('SIGKILL'), gone) };
}

type Current = () => KeyValueStoreUnderTest;

const keysOf = (items: readonly KeyValueItem[]): string[] => items.map(({ key }) => key);
const inByteOrder = (keys: readonly string[]): string[] => [...keys].sort((one, other) => Buffer.compare(Buffer.from(one), Buffer.from(other)));

function readingAndWriting(current: Current): void {
  test('what was put is got back, as JSON, and nothing else', async () => {
    const table = current().store.table<unknown>('things');
    const value = { text: 'Größe ✓', list: [1, null, true], nested: { empty: {} } };
    const version = await table.put('one', value);
    expect(await table.get('one')).toEqual({ key: 'one', value, version });
    expect(await table.get('two')).toBeUndefined();
    expect(await table.getMany(['two', 'one', 'one'])).toEqual([undefined, { key: 'one', value, version }, { key: 'one', value, version }]);
    expect(await table.getMany([])).toEqual([]);
    expect(await current().store.table('others').get('one')).toBeUndefined();
    // A reader that changes what it got changes nothing in the store.
    (await table.get('one').then((item) => item?.value as typeof value)).list.push(2);
    expect((await table.get('one'))?.value).toEqual(value);
  });

  test('versions count up with every write of a key', async () => {
    const table = current().store.table<number>('things');
    const versions: (number | undefined)[] = [];
    for (let write = 0; write < 5; write++) versions.push(await table.put('one', write));
    expect(versions).toEqual([...new Set(versions)].sort((one, other) => Number(one) - Number(other)));
    expect(await table.get('one')).toEqual({ key: 'one', value: 4, version: versions[4] });
  });

  test('deleting removes; deleting what is absent is fine', async () => {
    const table = current().store.table<number>('things');
    await table.put('one', 1);
    expect(await table.delete('one')).toBe(true);
    expect(await table.delete('one')).toBe(true);
    expect(await table.get('one')).toBeUndefined();
    expect(await table.list()).toEqual([]);
  });

  test('resolved writes are there after reopening, with their versions', async () => {
    const table = current().store.table<number>('things');
    const versions = await Promise.all(Array.from({ length: 100 }, (_, index) => table.put(`key-${index}`, index)));
    const again = (await current().reopen()).table<number>('things');
    for (const [index, version] of versions.entries()) expect(await again.get(`key-${index}`)).toEqual({ key: `key-${index}`, value: index, version });
    expect(await again.put('key-0', 7)).toBeGreaterThan(versions[0] ?? 0);
  });

  test('what cannot be a key, a value or a table is refused', async () => {
    const table = current().store.table<unknown>('things');
    for (const key of ['', '\ud800', 'x'.repeat(1025)]) await expect(table.put(key, 1)).rejects.toThrow(RangeError);
    await expect(table.put('one', undefined)).rejects.toThrow(TypeError);
    await expect(table.put('one', 'ä'.repeat(175_000))).rejects.toThrow(RangeError);
    await expect(table.put('one', 1n)).rejects.toThrow(TypeError);
    await expect(table.put('one', 1, { expiresAtMs: Number.NaN })).rejects.toThrow(RangeError);
    await expect(table.list({ limit: 0 })).rejects.toThrow(RangeError);
    for (const name of ['', 'Things', 'a/b', 'a\0b']) expect(() => current().store.table(name)).toThrow(RangeError);
    expect(await table.list()).toEqual([]);
    const largest = `${'ä'.repeat(174_990)}`;
    await table.put('x'.repeat(1024), largest);
    expect(await table.list()).toMatchObject([{ key: 'x'.repeat(1024), value: largest }]);
  });
}

function conditions(current: Current, module: URL): void {
  test('a write with a condition happens only when it holds', async () => {
    const table = current().store.table<string>('things');
    const first = await table.put('one', 'a', { condition: { absent: true } });
    expect(first).toBeTypeOf('number');
    expect(await table.put('one', 'b', { condition: { absent: true } })).toBeUndefined();
    expect(await table.put('one', 'b', { condition: { version: Number(first) + 1 } })).toBeUndefined();
    expect(await table.get('one')).toEqual({ key: 'one', value: 'a', version: first });
    const second = await table.put('one', 'c', { condition: { version: Number(first) } });
    expect(await table.get('one')).toEqual({ key: 'one', value: 'c', version: second });
    expect(await table.delete('one', { condition: { version: Number(first) } })).toBe(false);
    expect(await table.delete('one', { condition: { version: Number(second) } })).toBe(true);
    expect(await table.delete('one', { condition: { version: Number(second) } })).toBe(false);
    expect(await table.put('two', 'a', { condition: { version: 1 } })).toBeUndefined();
    expect(await table.list()).toEqual([]);
  });

  test('a version of a deleted item does not come again', async () => {
    const table = current().store.table<string>('things');
    const before = await table.put('one', 'a');
    await table.delete('one');
    await table.put('one', 'b');
    expect(await table.put('one', 'c', { condition: { version: Number(before) } })).toBeUndefined();
  });

  test('of many writers with the same condition one wins', async () => {
    const table = current().store.table<number>('things');
    const created = await Promise.all(Array.from({ length: 50 }, (_, writer) => table.put('one', writer, { condition: { absent: true } })));
    const [winner] = created.filter((version) => version !== undefined);
    expect(created.filter((version) => version !== undefined)).toHaveLength(1);
    expect(await table.get('one')).toEqual({ key: 'one', value: created.indexOf(winner), version: winner });
    const updated = await Promise.all(Array.from({ length: 50 }, (_, writer) => table.put('one', writer, { condition: { version: Number(winner) } })));
    expect(updated.filter((version) => version !== undefined)).toHaveLength(1);
  });

  test('conditions hold between processes: no increment is lost', async () => {
    const table = current().store.table<number>('things');
    await table.put('counter', 0);
    const child = elsewhere(module, current().location, incrementing);
    const counted = new Promise<number>((resolve) => child.lines.once('line', (line) => resolve(Number(line))));
    for (let done = 0; done < 100; ) {
      const item = await table.get('counter');
      if (item && (await table.put('counter', item.value + 1, { condition: { version: item.version } })) !== undefined) done++;
    }
    expect(await counted).toBe(100);
    expect((await table.get('counter'))?.value).toBe(200);
  });
}

function surviving(current: Current, module: URL): void {
  test('after a kill in the middle of writes every resolved one is there', async () => {
    const child = elsewhere(module, current().location, writingForEver);
    let resolved = 0;
    child.lines.on('line', (line) => {
      resolved = Number(line);
    });
    await expect.poll(() => resolved, { timeout: 45_000, interval: 2 }).toBeGreaterThan(500);
    await child.kill();
    const table = (await current().reopen()).table<{ number: number }>('things');
    const items = await table.getMany(Array.from({ length: resolved }, (_, number) => `key-${number}`));
    expect(items.map((item) => item?.value.number)).toEqual(Array.from({ length: resolved }, (_, number) => number));
    expect(await table.put('after', { number: 0 })).toBeGreaterThan(resolved);
  });
}

function expiring(current: Current): void {
  test('an expired item is never returned, and counts as absent', async () => {
    const { store, clock } = current();
    const table = store.table<string>('things');
    const version = await table.put('one', 'a', { expiresAtMs: clock.nowMs() + 1000 });
    await table.put('two', 'b', { expiresAtMs: clock.nowMs() + 1001 });
    clock.advance(999);
    expect(await table.get('one')).toMatchObject({ value: 'a' });
    clock.advance(1);
    expect(await table.get('one')).toBeUndefined();
    expect(await table.getMany(['one', 'two'])).toMatchObject([undefined, { value: 'b' }]);
    expect(keysOf(await table.list())).toEqual(['two']);
    expect(await table.put('one', 'c', { condition: { version: Number(version) } })).toBeUndefined();
    expect(await table.delete('one', { condition: { version: Number(version) } })).toBe(false);
    expect(await table.put('one', 'd', { condition: { absent: true } })).toBeGreaterThan(Number(version));
    clock.advance(1_000_000);
    // The new write had no expiry.
    expect(await table.get('one')).toMatchObject({ value: 'd' });
  });

  test('a later write moves or lifts the expiry', async () => {
    const { store, clock } = current();
    const table = store.table<number>('things');
    await table.put('one', 1, { expiresAtMs: clock.nowMs() + 10 });
    await table.put('one', 2, { expiresAtMs: clock.nowMs() + 100 });
    await table.put('two', 1, { expiresAtMs: clock.nowMs() + 10 });
    await table.put('two', 2);
    clock.advance(50);
    for (let other = 0; other < 5; other++) await table.put(`other-${other}`, 0);
    expect(await table.getMany(['one', 'two'])).toMatchObject([{ value: 2 }, { value: 2 }]);
  });
}

function listing(current: Current): void {
  test('list is in the byte order of the keys, with prefix, start and limit', async () => {
    const { store } = current();
    const table = store.table<number>('things');
    const keys = ['a', 'a/', 'a/1', 'a/10', 'a/2', 'a-', 'b', 'B', 'ä', '\uffee', '🛴', 'a\0'];
    await Promise.all(keys.map((key, index) => table.put(key, index)));
    await store.table('things-2').put('a/3', 0);
    await store.table('thing').put('s', 0);
    expect(keysOf(await table.list())).toEqual(inByteOrder(keys));
    expect(keysOf(await table.list({ prefix: 'a/' }))).toEqual(['a/', 'a/1', 'a/10', 'a/2']);
    expect(keysOf(await table.list({ prefix: 'a/', after: 'a/1', limit: 1 }))).toEqual(['a/10']);
    expect(keysOf(await table.list({ after: 'b' }))).toEqual(['ä', '\uffee', '🛴']);
    expect(keysOf(await table.list({ prefix: 'a/', after: 'b' }))).toEqual([]);
    expect(keysOf(await table.list({ prefix: 'b', after: 'a' }))).toEqual(['b']);
    expect((await table.list({ prefix: '🛴' }))[0]).toMatchObject({ key: '🛴', value: keys.indexOf('🛴') });
  });

  test('pages together are the whole list, whatever the keys', async () => {
    let run = 0;
    const key = fc.string({ minLength: 1, maxLength: 12, unit: 'binary' }).filter((text) => text.isWellFormed());
    await fc.assert(fc.asyncProperty(fc.uniqueArray(key, { maxLength: 30 }), key, fc.integer({ min: 1, max: 7 }), async (keys, prefix, limit) => {
      const table = current().store.table<number>(`run-${run++}`);
      await Promise.all(keys.map((name) => table.put(name, 0)));
      for (const wanted of ['', prefix.slice(0, 1)].filter((text) => text.isWellFormed())) {
        const found: string[] = [];
        for (let page = await table.list({ prefix: wanted, limit }); page.length > 0; page = await table.list({ prefix: wanted, limit, after: found.at(-1) })) found.push(...keysOf(page));
        expect(found).toEqual(inByteOrder(keys.filter((name) => name.startsWith(wanted))));
      }
    }), { numRuns: 40 });
  });
}

/** Declares the tests of the contract for one adapter. */
export function keyValueConformance(name: string, adapter: KeyValueAdapter): void {
  describe(`the key-value store ${name}`, () => {
    let underTest: KeyValueStoreUnderTest;
    beforeEach(async () => {
      underTest = await adapter.open();
    });
    afterEach(() => underTest.cleanUp());
    const current = () => underTest;
    describe('reads and writes', () => readingAndWriting(current));
    describe('keeps conditions', () => conditions(current, adapter.module));
    describe('forgets what expires', () => expiring(current));
    describe('lists', () => listing(current));
    describe('survives', () => surviving(current, adapter.module));
  });
}
