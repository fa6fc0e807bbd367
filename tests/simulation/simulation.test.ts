/**
 * Riders, vehicles, staff and trouble from a seed, on a virtual clock: the same seed gives the same run, and after each the
 * invariants hold. Seeds that have found something stay here, with what they found.
 */
import { expect, test } from 'vitest';
import { simulate } from './simulate.ts';

const steps = 250;
/** Seconds where the machine is free; statements wait for a busy disk. */
const limitMs = 240_000;

test('the same seed gives the same run, another seed another', async () => {
  const first = await simulate(11, 60);
  const again = await simulate(11, 60);
  expect(again.lines).toEqual(first.lines);
  expect(again.digest).toBe(first.digest);
  expect((await simulate(12, 60)).digest).not.toBe(first.digest);
}, limitMs);

test.each([
  [2, 'a vehicle that moved when its ride ended stayed open'],
  [116, 'a vehicle that came back from half a day without a network stayed open for a booking that had been given up'],
  [103, 'a booking was cancelled although its vehicle had been opened out of reach of any network'],
])('seed %i: %s', async (seed) => {
  const { broken, bookings } = await simulate(seed, steps);
  expect(broken, `replay: npm run simulate -- --seed ${seed} --steps ${steps} --log`).toEqual([]);
  expect(Object.keys(bookings).length).toBeGreaterThan(0);
}, limitMs);
