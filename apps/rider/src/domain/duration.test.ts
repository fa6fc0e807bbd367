import { expect, test } from 'vitest';
import { formatMinutes, formatStopwatch, splitDuration } from './duration';

const plain = (text: string): string => text.replaceAll(/\s/g, ' ');

test('a stopwatch shows hours only from an hour on', () => {
  expect(formatStopwatch(0)).toBe('0:00');
  expect(formatStopwatch(247_900)).toBe('4:07');
  expect(formatStopwatch(3_600_000)).toBe('1:00:00');
  expect(formatStopwatch(3_847_000)).toBe('1:04:07');
});

test('time that has run out counts as nothing', () => {
  expect(splitDuration(-5)).toEqual({ hours: 0, minutes: 0, seconds: 0 });
  expect(formatStopwatch(-1)).toBe('0:00');
});

test('minutes are told in their two largest units', () => {
  expect(plain(formatMinutes(45, 'en-GB'))).toBe('45 mins');
  expect(plain(formatMinutes(90, 'en-GB'))).toBe('1 hr 30 mins');
  expect(plain(formatMinutes(90, 'de-DE'))).toBe('1 Std. 30 Min.');
  expect(plain(formatMinutes(2 * 1440 + 61, 'en-GB'))).toBe('2 days 1 hr');
  expect(plain(formatMinutes(0, 'en-GB'))).toBe('0 mins');
});
