import fc from 'fast-check';
import { expect, test } from 'vitest';
import { expectedFines, ridingDueMinor } from './tariff';

const perMinute = [{ startMinute: 0, intervalMinutes: 1, rateMinor: 25 }];

test('each started minute is charged at its beginning', () => {
  expect(ridingDueMinor(perMinute, 0, 0.1)).toBe(25);
  expect(ridingDueMinor(perMinute, 0, 1)).toBe(25);
  expect(ridingDueMinor(perMinute, 0, 1.01)).toBe(50);
  expect(ridingDueMinor(perMinute, 0.1, 0.9)).toBe(0);
});

test('segments follow one another and an interval of nothing charges once', () => {
  const segments = [
    { startMinute: 0, endMinute: 30, intervalMinutes: 0, rateMinor: 500 },
    { startMinute: 30, intervalMinutes: 10, rateMinor: 100 },
  ];
  expect(ridingDueMinor(segments, 0, 29)).toBe(500);
  expect(ridingDueMinor(segments, 0, 31)).toBe(600);
  expect(ridingDueMinor(segments, 5, 41)).toBe(200);
});

test('what falls due in two stretches is what falls due in both together', () => {
  const segment = fc.record({ startMinute: fc.integer({ min: 0, max: 60 }), intervalMinutes: fc.integer({ min: 0, max: 30 }), rateMinor: fc.integer({ min: 0, max: 1000 }) });
  fc.assert(
    fc.property(fc.array(segment, { maxLength: 4 }), fc.integer({ min: 0, max: 5_000 }), fc.integer({ min: 0, max: 5_000 }), (segments, a, b) => {
      const [middle, end] = [Math.min(a, b) / 10, Math.max(a, b) / 10];
      expect(ridingDueMinor(segments, 0, middle) + ridingDueMinor(segments, middle, end)).toBe(ridingDueMinor(segments, 0, end));
    }),
  );
});

test('the zone multiplies', () => {
  expect(ridingDueMinor(perMinute, 0, 2, 1.4)).toBe(70);
});

const fines = { outsideBayMinor: 500, notPluggedInMinor: 1500, lateFixedMinor: 1000, latePerMinuteMinor: 50 };
const good = { inBay: true, baysOnly: true, pluggedIn: true, pluggable: true, lateByMinutes: 0 };

test('a vehicle that stands as it should costs nothing on top', () => {
  expect(expectedFines(good, fines)).toEqual([]);
  expect(expectedFines({ ...good, inBay: false, baysOnly: false }, fines)).toEqual([]);
  expect(expectedFines({ ...good, pluggedIn: false, pluggable: false }, fines)).toEqual([]);
});

test('outside, unplugged and late each cost', () => {
  expect(expectedFines({ ...good, inBay: false, pluggedIn: false, lateByMinutes: 2.5 }, fines)).toEqual([
    { kind: 'fine-parking', amountMinor: 500 },
    { kind: 'fine-plug', amountMinor: 1500 },
    { kind: 'fine-late', amountMinor: 1150 },
  ]);
});
