import { expect, test } from 'vitest';
import { startDays, startTimes } from './start';

const now = new Date(2026, 10, 22, 14, 10);

test('starts lie between a quarter of an hour and a week ahead', () => {
  const all = startDays(now).flatMap((day) => startTimes(day, now));
  expect(all[0]).toEqual(new Date(2026, 10, 22, 14, 30));
  expect(all.at(-1)).toEqual(new Date(2026, 10, 29, 14, 0));
  expect(all.every((time) => time.getMinutes() % 30 === 0)).toBe(true);
});

test('a day without half hours left has none', () => {
  expect(startTimes(new Date(2026, 10, 22), new Date(2026, 10, 22, 23, 50))).toEqual([]);
});
