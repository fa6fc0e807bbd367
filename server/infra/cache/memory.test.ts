import { expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { cacheConformance } from './conformance.ts';
import { memoryCache } from './memory.ts';

cacheConformance('in memory', async () => {
  const clock = manualClock(0);
  const cache = memoryCache({ maximumEntries: 100, clock });
  return { cache, pass: async (byMs) => clock.advance(byMs), cleanUp: () => cache.close() };
});

test('the cache in memory is bounded: what was used longest ago makes room', async () => {
  const cache = memoryCache({ maximumEntries: 3, clock: manualClock(0) });
  for (const key of ['a', 'b', 'c']) await cache.set(key, key, 1000);
  await cache.get('a');
  await cache.increment('hits', 1, 1000);
  await cache.set('c', 'again', 1000);
  await cache.set('d', 'd', 1000);
  const kept = await Promise.all(['a', 'b', 'c', 'd', 'hits'].map((key) => cache.get(key)));
  expect(kept).toEqual([undefined, undefined, 'again', 'd', 1]);
  expect(() => memoryCache({ maximumEntries: 0, clock: manualClock(0) })).toThrow(RangeError);
});
