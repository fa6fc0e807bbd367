import { expect, test } from 'vitest';
import type { Vehicle } from '../api/contract';
import { byDistance, countFilters, fits, noFilters, priceSteps } from './filters';

const vehicle = (more: Partial<Vehicle>): Vehicle => ({
  id: 'v', cityId: 'c', type: 'scooter', model: 'M', status: 'available', position: { lat: 0, lon: 0 }, batteryPercent: 60, rangeMetres: 9_000,
  bayId: null, locked: true, pluggedIn: false, pricePerMinuteMinor: 25, unlockFeeMinor: 100, currency: 'EUR', seenAt: null, ...more,
});

test('only what can be rented fits', () => {
  expect(fits(vehicle({}), noFilters)).toBe(true);
  expect(fits(vehicle({ status: 'in-use' }), noFilters)).toBe(false);
});

test('type, battery and price all have to fit', () => {
  expect(fits(vehicle({}), { ...noFilters, type: 'van' })).toBe(false);
  expect(fits(vehicle({}), { ...noFilters, minBatteryPercent: 60 })).toBe(true);
  expect(fits(vehicle({}), { ...noFilters, minBatteryPercent: 61 })).toBe(false);
  expect(fits(vehicle({}), { ...noFilters, maxPricePerMinuteMinor: 24 })).toBe(false);
  expect(countFilters({ type: 'van', minBatteryPercent: 30, maxPricePerMinuteMinor: 20 })).toBe(2);
});

test('the nearest comes first', () => {
  const list = byDistance([vehicle({ id: 'far', position: { lat: 1, lon: 0 } }), vehicle({ id: 'near' })], { lat: 0, lon: 0 });
  expect(list.map(({ vehicle: { id } }) => id)).toEqual(['near', 'far']);
});

test('price steps leave out the dearest, which would filter nothing', () => {
  expect(priceSteps([vehicle({ pricePerMinuteMinor: 19 }), vehicle({ pricePerMinuteMinor: 33 })])).toEqual([19]);
  expect(priceSteps([])).toEqual([]);
});
