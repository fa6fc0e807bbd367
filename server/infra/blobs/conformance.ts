/** The contract suite of the object store: every adapter must pass it. */
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Blobs } from './port.ts';

/** A store for one test, which starts empty. */
export interface BlobsUnderTest {
  blobs: Blobs;
  /** For `openAt` in another process. */
  location: string;
  reopen(): Promise<Blobs>;
  cleanUp(): Promise<void>;
}

export interface BlobsAdapter {
  open(): Promise<BlobsUnderTest>;
  /** A module whose `openAt(location)` opens the store once more; a child process imports it. */
  module: URL;
}

const textOf = (found: { bytes: Uint8Array } | undefined): string | undefined => found && Buffer.from(found.bytes).toString();
const bytes = (text: string): Uint8Array => Buffer.from(text);
const keysOf = (items: readonly { key: string }[]): string[] => items.map(({ key }) => key);

type Current = () => BlobsUnderTest;

function storing(current: Current): void {
  test('an object is read as it was put, also after reopening', async () => {
    const { blobs } = current();
    const body = Uint8Array.from({ length: 300_000 }, (_, index) => (index * index) % 251);
    expect(await blobs.putIfAbsent('photos/2026/one.jpg', body, 'image/jpeg')).toBe(true);
    expect(await blobs.putIfAbsent('empty', new Uint8Array(), 'text/plain')).toBe(true);
    const metadata = { key: 'photos/2026/one.jpg', contentType: 'image/jpeg', sizeBytes: 300_000 };
    for (const store of [blobs, await current().reopen()]) {
      expect(await store.head('photos/2026/one.jpg')).toEqual(metadata);
      const found = await store.get('photos/2026/one.jpg');
      expect(found?.metadata).toEqual(metadata);
      expect(Buffer.from(found?.bytes ?? []).equals(body)).toBe(true);
      expect(textOf(await store.get('empty'))).toBe('');
    }
  });

  test('what is not there is undefined; deleting it is fine', async () => {
    const { blobs } = current();
    await blobs.putIfAbsent('a/b', bytes('x'), 'text/plain');
    for (const key of ['b', 'a', 'a/b/c']) {
      expect(await blobs.get(key)).toBeUndefined();
      expect(await blobs.head(key)).toBeUndefined();
      await blobs.delete(key);
    }
    expect(keysOf(await blobs.list(''))).toEqual(['a/b']);
  });

  test('an object never changes: a second put leaves it as it is', async () => {
    const { blobs } = current();
    expect(await blobs.putIfAbsent('one', bytes('first'), 'text/plain')).toBe(true);
    expect(await blobs.putIfAbsent('one', bytes('second'), 'text/html')).toBe(false);
    const found = await blobs.get('one');
    expect([textOf(found), found?.metadata.contentType]).toEqual(['first', 'text/plain']);
    await blobs.delete('one');
    expect(await blobs.get('one')).toBeUndefined();
    expect(await blobs.putIfAbsent('one', bytes('third'), 'text/plain')).toBe(true);
  });

  test('of many who put the same key one wins, whole', async () => {
    const { blobs } = current();
    const puts = await Promise.all(Array.from({ length: 20 }, (_, writer) => blobs.putIfAbsent('one', bytes(`${writer} `.repeat(50_000)), `text/${writer}`)));
    const winner = puts.indexOf(true);
    expect(puts.filter(Boolean)).toHaveLength(1);
    const found = await blobs.get('one');
    expect(found?.metadata.contentType).toBe(`text/${winner}`);
    expect(textOf(found) === `${winner} `.repeat(50_000)).toBe(true);
    expect(keysOf(await blobs.list(''))).toEqual(['one']);
  });

  test('reads ranges of bytes, both ends included', async () => {
    const { blobs } = current();
    await blobs.putIfAbsent('one', bytes('0123456789'), 'text/plain');
    const range = async (first: number, last: number) => textOf(await blobs.get('one', { first, last }));
    expect(await range(0, 0)).toBe('0');
    expect(await range(3, 5)).toBe('345');
    expect(await range(8, 100)).toBe('89');
    expect((await blobs.get('one', { first: 3, last: 5 }))?.metadata.sizeBytes).toBe(10);
    for (const [first, last] of [[10, 10], [5, 4], [-1, 3], [0.5, 2], [0, Number.NaN]] as const) await expect(range(first, last)).rejects.toThrow(RangeError);
    expect(await blobs.get('two', { first: 0, last: 1 })).toBeUndefined();
  });
}

const wrongKeys = [
  '', '/', '/etc/passwd', '..', '../one', 'a/../../one', 'a/..', 'a/./b', '.', '.hidden', 'a//b', 'a/', '/a', 'a\\..\\b', 'C:\\one', 'a\0b', '%2e%2e/one',
  'a b', 'ä', 'a~', 'x'.repeat(201), 'x/'.repeat(460) + 'x', '~', 'a\n',
];

function naming(current: Current): void {
  test.each(wrongKeys)('the key %j is refused by every call, and nothing is written', async (key) => {
    const { blobs } = current();
    await expect(blobs.putIfAbsent(key, bytes('x'), 'text/plain')).rejects.toThrow(RangeError);
    await expect(blobs.get(key)).rejects.toThrow(RangeError);
    await expect(blobs.head(key)).rejects.toThrow(RangeError);
    await expect(blobs.delete(key)).rejects.toThrow(RangeError);
    expect(await blobs.list('')).toEqual([]);
  });

  test('refuses an object without a content type', async () => {
    await expect(current().blobs.putIfAbsent('one', bytes('x'), '')).rejects.toThrow(RangeError);
    expect(await current().blobs.list('')).toEqual([]);
  });

  test('lists in the order of the keys, with prefix, start and limit', async () => {
    const { blobs } = current();
    const keys = ['a', 'a-b', 'a.b', 'a/b', 'a/b/c', 'a/b-c', 'a0', 'B', 'b/x'];
    for (const key of keys) await blobs.putIfAbsent(key, bytes(key), 'text/plain');
    expect(await blobs.list('')).toEqual([...keys].sort().map((key) => ({ key, sizeBytes: key.length })));
    expect(keysOf(await blobs.list('a/'))).toEqual(['a/b', 'a/b-c', 'a/b/c']);
    expect(keysOf(await blobs.list('a/b'))).toEqual(['a/b', 'a/b-c', 'a/b/c']);
    expect(keysOf(await blobs.list('a', { after: 'a.b', limit: 2 }))).toEqual(['a/b', 'a/b-c']);
    expect(keysOf(await blobs.list('', { after: 'a/b/c' }))).toEqual(['a0', 'b/x']);
    expect(await blobs.list('../')).toEqual([]);
    expect(await blobs.list('nothing/')).toEqual([]);
    await expect(blobs.list('', { limit: 0 })).rejects.toThrow(RangeError);
  });

  test('pages together are the whole list, whatever the keys', async () => {
    const segment = fc.stringMatching(/^[a-c_+-][a-c.-]{0,2}$/);
    const key = fc.array(segment, { minLength: 1, maxLength: 3 }).map((segments) => segments.join('/'));
    await fc.assert(fc.asyncProperty(fc.uniqueArray(key, { minLength: 1, maxLength: 12 }), fc.nat({ max: 3 }), fc.integer({ min: 1, max: 4 }), async (keys, length, limit) => {
      const { blobs } = current();
      for (const name of keys) await blobs.putIfAbsent(name, bytes(name), 'text/plain');
      const prefix = (keys[0] ?? '').slice(0, length);
      const found: string[] = [];
      for (let page = await blobs.list(prefix, { limit }); page.length > 0; page = await blobs.list(prefix, { limit, after: found.at(-1) })) found.push(...keysOf(page));
      expect(found).toEqual(keys.filter((name) => name.startsWith(prefix)).sort());
      for (const name of keys) await blobs.delete(name);
    }), { numRuns: 25 });
  });
}

function surviving(current: Current, module: URL): void {
  test('after a kill in the middle of puts every resolved one is there, and none by half', async () => {
    const { location } = current();
    const script = `
      const blobs = await (await import(${JSON.stringify(module.href)})).openAt(${JSON.stringify(location)});
      for (let number = 0; ; number++) {
        await blobs.putIfAbsent('photos/' + number, Buffer.alloc(200_000, number % 256), 'image/jpeg');
        console.log(number + 1);
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const gone = new Promise((resolve) => child.once('close', resolve));
    let resolved = 0;
    createInterface(child.stdout).on('line', (line) => {
      resolved = Number(line);
    });
    await expect.poll(() => resolved, { timeout: 45_000, interval: 1 }).toBeGreaterThan(20);
    child.kill('SIGKILL');
    await gone;
    const blobs = await current().reopen();
    const found = await blobs.list('photos/');
    expect(found.length).toBeGreaterThanOrEqual(resolved);
    for (const { key, sizeBytes } of found) {
      expect(sizeBytes).toBe(200_000);
      const body = Buffer.from((await blobs.get(key))?.bytes ?? []);
      expect(body.equals(Buffer.alloc(200_000, Number(key.slice('photos/'.length)) % 256))).toBe(true);
    }
  });
}

/** Declares the tests of the contract for one adapter. */
export function blobsConformance(name: string, adapter: BlobsAdapter): void {
  describe(`the object store ${name}`, () => {
    let underTest: BlobsUnderTest;
    beforeEach(async () => {
      underTest = await adapter.open();
    });
    afterEach(() => underTest.cleanUp());
    const current = () => underTest;
    describe('stores', () => storing(current));
    describe('names', () => naming(current));
    describe('survives', () => surviving(current, adapter.module));
  });
}
