/** What the workers of the contract suite and the test that kills them agree on. */
import { z } from 'zod';
import { defineEvent } from '../../wire/contract.ts';

export const counted = defineEvent('crowd.counted', 'for tests', z.object({ n: z.number() }));
export const countedTopic = 'crowd';
export const subjects = ['a', 'b', 'c', 'd', 'e'];
/** Timers whose keys begin so take longer than a claim holds. */
export const slowKey = 'slow';

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
