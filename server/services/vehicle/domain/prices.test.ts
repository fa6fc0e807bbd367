import { expect, test } from 'vitest';
import { pricePerMinuteMinor } from './prices.ts';

test('VEHICLE-11: the price of a minute is that of the first riding minute', () => {
  const segment = { startMinute: 0, intervalMinutes: 1, rateMinor: 20 };
  expect(pricePerMinuteMinor({ segments: [segment] })).toBe(20);
  expect(pricePerMinuteMinor({ segments: [{ ...segment, intervalMinutes: 60, rateMinor: 1000 }] })).toBeCloseTo(16.667, 3);
  expect(pricePerMinuteMinor({ segments: [{ ...segment, intervalMinutes: 0, rateMinor: 900 }, { ...segment, startMinute: 30 }] })).toBe(20);
  expect(pricePerMinuteMinor({ segments: [segment, { ...segment, startMinute: 10, rateMinor: 5 }] })).toBe(20);
  expect(pricePerMinuteMinor({ segments: [] })).toBe(0);
});
