/** The contract suite of the cache: every adapter must pass it. A cache may forget, but not within these few entries. */
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { Cache } from './port.ts';

/** An empty cache for one test, with room for 100 entries at least. */
export interface CacheUnderTest {
  cache: Cache;
  /** Lets time pass for the cache. */
  pass(byMs: number): Promise<void>;
  cleanUp(): Promise<void>;
}

/** Declares the tests of the contract for one adapter. */
export function cacheConformance(name: string, open: () => Promise<CacheUnderTest>): void {
  describe(`the cache ${name}`, () => {
    let underTest: CacheUnderTest;
    beforeEach(async () => {
      underTest = await open();
    });
    afterEach(() => underTest.cleanUp());

    test('keeps a value for its lifetime, and no longer', async () => {
      const { cache, pass } = underTest;
      await cache.set('one', { text: 'ä', list: [1] }, 1000);
      await cache.set('two', 0, 60_000);
      expect(await cache.get('one')).toEqual({ text: 'ä', list: [1] });
      expect(await cache.get('three')).toBeUndefined();
      await pass(1000);
      expect(await cache.get('one')).toBeUndefined();
      expect(await cache.get('two')).toBe(0);
    });

    test('keeps null, false and empty text apart from nothing', async () => {
      const { cache } = underTest;
      for (const value of [null, false, 0, '', []]) {
        await cache.set('one', value, 60_000);
        expect(await cache.get('one')).toEqual(value);
      }
    });

    test('a later value and its lifetime take the place of the earlier', async () => {
      const { cache, pass } = underTest;
      await cache.set('one', 1, 500);
      await cache.set('one', 2, 60_000);
      await pass(500);
      expect(await cache.get('one')).toBe(2);
      await cache.delete('one');
      await cache.delete('one');
      expect(await cache.get('one')).toBeUndefined();
    });

    test('a reader that changes what it got changes nothing in the cache', async () => {
      const { cache } = underTest;
      const given = { list: [1] };
      await cache.set('one', given, 60_000);
      given.list.push(2);
      (await cache.get<{ list: number[] }>('one'))?.list.push(3);
      expect(await cache.get('one')).toEqual({ list: [1] });
    });

    test('counts from 0, each increment once, until the lifetime of the first one ends', async () => {
      const { cache, pass } = underTest;
      const counted = await Promise.all(Array.from({ length: 50 }, () => cache.increment('hits', 2, 1000)));
      expect(counted.map(({ value }) => value).sort((one, other) => one - other)).toEqual(Array.from({ length: 50 }, (_, index) => 2 * (index + 1)));
      await pass(400);
      const { value, expiresInMs } = await cache.increment('hits', -1, 60_000);
      expect(value).toBe(99);
      expect(expiresInMs).toBeGreaterThan(0);
      expect(expiresInMs).toBeLessThanOrEqual(600);
      await pass(expiresInMs);
      expect(await cache.increment('hits', 1, 1000)).toMatchObject({ value: 1 });
    });

    test('refuses what it cannot keep, and leaves what was there', async () => {
      const { cache } = underTest;
      await cache.set('one', 'text', 60_000);
      await expect(cache.set('one', undefined, 1000)).rejects.toThrow(TypeError);
      await expect(cache.set('one', 1, 0)).rejects.toThrow(RangeError);
      await expect(cache.set('one', 1, Number.NaN)).rejects.toThrow(RangeError);
      await expect(cache.increment('one', 1, 1000)).rejects.toThrow(TypeError);
      await expect(cache.increment('hits', 1, -1)).rejects.toThrow(RangeError);
      expect(await cache.get('one')).toBe('text');
      expect(await cache.get('hits')).toBeUndefined();
    });
  });
}
