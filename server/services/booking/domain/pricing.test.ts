import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Tariff } from '../../vehicle/contract.ts';
import { scooterTariff } from '../testing/fixtures.ts';
import { includedTaxMinor, price, segmentsMinor } from './pricing.ts';

const ride = (ridingMinutes: number, more: Partial<Parameters<typeof price>[2]> = {}) => ({ ridingMinutes, pausedMinutes: 0, reservedMinutes: 0, distanceMetres: 0, ...more });
const inTime = { outsideBay: false, notPluggedIn: false, lateMinutes: 0 };

describe('what time costs', () => {
  test('BOOKING-15: a started minute counts', () => {
    expect(price(scooterTariff, 1, ride(10)).totalMinor).toBe(100 + 250);
    expect(price(scooterTariff, 1, ride(10.01)).totalMinor).toBe(100 + 275);
  });

  test('BOOKING-15: segments as in GBFS: an hourly rate, then a cheaper one, then a single charge', () => {
    const tariff: Tariff = {
      ...scooterTariff,
      segments: [{ startMinute: 0, endMinute: 120, intervalMinutes: 60, rateMinor: 12_600 }, { startMinute: 120, intervalMinutes: 30, rateMinor: 5_000 }, { startMinute: 300, intervalMinutes: 0, rateMinor: 777 }],
    };
    expect(segmentsMinor(tariff, 0)).toBe(0);
    expect(segmentsMinor(tariff, 1)).toBe(12_600);
    expect(segmentsMinor(tariff, 60)).toBe(12_600);
    expect(segmentsMinor(tariff, 61)).toBe(25_200);
    expect(segmentsMinor(tariff, 121)).toBe(30_200);
    expect(segmentsMinor(tariff, 301)).toBe(25_200 + 7 * 5_000 + 777);
  });

  test('BOOKING-15: a pause has its own price, or that of riding', () => {
    expect(price(scooterTariff, 1, ride(10, { pausedMinutes: 5 })).totalMinor).toBe(100 + 250 + 50);
    const { pausePerMinuteMinor: _none, ...tariff } = scooterTariff;
    expect(price(tariff, 1, ride(10, { pausedMinutes: 5 })).totalMinor).toBe(100 + 375);
  });

  test('BOOKING-15: the multiplier and the daily cap are lines of their own', () => {
    expect(price(scooterTariff, 1.5, ride(10)).lines).toContainEqual({ kind: 'multiplier', description: 'Demand in this zone × 1.5', amountMinor: 125 });
    const capped = price({ ...scooterTariff, dailyCapMinor: 2_000 }, 1, ride(25 * 60));
    expect(capped.totalMinor).toBe(100 + 2 * 2_000);
    expect(capped.lines.find((line) => line.kind === 'cap')?.amountMinor).toBe(4_000 - 1500 * 25);
  });

  test('BOOKING-15: the lines add up, nothing is a fraction, and more time or distance never costs less', () => {
    const minutes = fc.double({ min: 0, max: 20_000, noNaN: true });
    fc.assert(
      fc.property(minutes, minutes, fc.double({ min: 0.5, max: 2.5, noNaN: true }), fc.integer({ min: 0, max: 1_000_000 }), fc.option(fc.integer({ min: 100, max: 10_000 })), (shorter, longer, multiplier, distanceMetres, cap) => {
        const tariff = { ...scooterTariff, perKilometreMinor: 19, ...(cap !== null && { dailyCapMinor: cap }) };
        const [less, more] = [Math.min(shorter, longer), Math.max(shorter, longer)].map((length) => price(tariff, multiplier, ride(length, { distanceMetres }), inTime));
        for (const result of [less, more]) {
          expect(result?.lines.reduce((sum, line) => sum + line.amountMinor, 0)).toBe(result?.totalMinor);
          expect(result?.lines.every((line) => Number.isSafeInteger(line.amountMinor))).toBe(true);
        }
        expect(more?.totalMinor).toBeGreaterThanOrEqual(less?.totalMinor ?? 0);
      }),
    );
  });

  test('BOOKING-15: the tax is within the total', () => {
    expect(includedTaxMinor(11_900, 19)).toBe(1_900);
    expect(includedTaxMinor(11_900, 0)).toBe(0);
  });
});

describe('what the return costs', () => {
  const fines = (facts: Partial<typeof inTime>) => price(scooterTariff, 1, ride(10), { ...inTime, ...facts }).lines.filter((line) => line.kind.startsWith('fine'));

  test('BOOKING-14: outside a bay, not plugged in, and late each cost their fine', () => {
    expect(fines({})).toEqual([]);
    expect(fines({ outsideBay: true })).toMatchObject([{ kind: 'fine-parking', amountMinor: 1000 }]);
    expect(fines({ notPluggedIn: true })).toMatchObject([{ kind: 'fine-plug', amountMinor: 2500 }]);
    expect(fines({ lateMinutes: 10 })).toEqual([]);
    expect(fines({ lateMinutes: 30 })).toMatchObject([{ kind: 'fine-late', amountMinor: 1500 + 30 * 50 }]);
  });
});
