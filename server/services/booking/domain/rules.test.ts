import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { Eligibility } from '../../user/contract.ts';
import type { RentableVehicle } from '../../vehicle/contract.ts';
import { rentableVehicle } from '../testing/fixtures.ts';
import { ageYears, isRefusal, plan, riderRefusal, vehicleRefusal } from './rules.ts';

const now = Date.parse('2026-11-22T10:00:00Z');
const minute = 60_000;
const hour = 60 * minute;
const day = 24 * hour;

const planned = (...wish: Parameters<typeof plan>) => {
  const result = plan(...wish);
  if (isRefusal(result)) throw new Error(result.detail);
  return result;
};
const refusedFor = (...wish: Parameters<typeof plan>) => {
  const result = plan(...wish);
  return isRefusal(result) ? result.refused : undefined;
};

describe('when a ride may be', () => {
  test('BOOKING-01: scooters are reserved at most 30 minutes ahead and ridden at most 12 hours', () => {
    expect(refusedFor('scooter', now, { startsAtMs: now + 30 * minute })).toBeUndefined();
    expect(refusedFor('ebike', now, { startsAtMs: now + 30 * minute + 1 })).toBe('outside-booking-window');
    expect(refusedFor('scooter', now, { minutes: 12 * 60 + 1 })).toBe('duration-not-allowed');
    const { endsAtMs, reservedUntilMs, fixedTime } = planned('scooter', now, {});
    expect(fixedTime).toBe(false);
    expect(reservedUntilMs).toBe(now + 30 * minute);
    expect(endsAtMs).toBe(reservedUntilMs + 12 * hour);
  });

  test('BOOKING-02: cars and vans are booked at most 7 days ahead for a fixed time', () => {
    expect(planned('car', now, { startsAtMs: now + 7 * day, minutes: 90 })).toMatchObject({ fixedTime: true, endsAtMs: now + 7 * day + 90 * minute });
    expect(refusedFor('van', now, { startsAtMs: now + 7 * day + 1 })).toBe('outside-booking-window');
    expect(refusedFor('car', now, { minutes: 29 })).toBe('duration-not-allowed');
    expect(refusedFor('car', now, { minutes: 7 * 24 * 60 + 1 })).toBe('duration-not-allowed');
    expect(refusedFor('car', now, { startsAtMs: now - 3 * minute })).toBe('outside-booking-window');
  });

  test('BOOKING-01: a plan always begins now or later, ends after it begins, and is held no longer than it lasts', () => {
    fc.assert(
      fc.property(fc.constantFrom('scooter', 'ebike', 'car', 'van'), fc.option(fc.integer({ min: -hour, max: 10 * day })), fc.option(fc.integer({ min: 0, max: 12_000 })), (type, offset, minutes) => {
        const result = plan(type, now, { ...(offset !== null && { startsAtMs: now + offset }), ...(minutes !== null && { minutes }) });
        if (isRefusal(result)) return;
        expect(result.startsAtMs).toBeGreaterThanOrEqual(now);
        expect(result.endsAtMs).toBeGreaterThan(result.startsAtMs);
        expect(result.reservedUntilMs).toBeLessThanOrEqual(result.endsAtMs);
      }),
    );
  });
});

const car = rentableVehicle({ type: 'car' });
const rider: Eligibility = {
  riderId: '01900000-0000-7000-8000-000000000001', birthDate: '1990-05-04', identityVerified: true, state: 'active', locale: 'en',
  licence: { classes: ['B'], country: 'DE', expiresOn: '2030-01-01', verified: true },
};
const carPlan = planned('car', now, { minutes: 60 });
const refusalFor = (changes: Partial<Eligibility>) => riderRefusal({ ...rider, ...changes }, car.model, carPlan)?.refused;

describe('who may ride', () => {
  test('BOOKING-06: cars need age, identity and a valid licence of the right class', () => {
    expect(refusalFor({})).toBeUndefined();
    expect(refusalFor({ birthDate: '2010-01-01' })).toBe('too-young');
    expect(refusalFor({ identityVerified: false })).toBe('identity-not-verified');
    expect(refusalFor({ licence: undefined })).toBe('licence-required');
    expect(refusalFor({ licence: { classes: ['AM', 'A'], country: 'DE', expiresOn: '2030-01-01', verified: true } })).toBe('licence-required');
    expect(refusalFor({ licence: { classes: ['B'], country: 'DE', expiresOn: '2026-11-21', verified: true } })).toBe('licence-required');
    expect(refusalFor({ licence: { classes: ['B'], country: 'DE', expiresOn: '2030-01-01', verified: false } })).toBe('licence-required');
    expect(refusalFor({ state: 'suspended' })).toBe('account-suspended');
  });

  test('BOOKING-06: age counts full years, also around birthdays and leap days', () => {
    expect(ageYears('2008-11-22', '2026-11-22')).toBe(18);
    expect(ageYears('2008-11-23', '2026-11-22')).toBe(17);
    expect(ageYears('2004-02-29', '2022-02-28')).toBe(17);
    expect(ageYears('2004-02-29', '2022-03-01')).toBe(18);
  });
});

describe('which vehicle', () => {
  const refusal = (changes: Partial<RentableVehicle['vehicle']>, wish = planned('car', now, { minutes: 60 })) =>
    vehicleRefusal({ ...car, vehicle: { ...car.vehicle, ...changes } }, wish, now)?.refused;

  test('BOOKING-05: below the battery floor there is no ride', () => {
    expect(refusal({ batteryPercent: 15 })).toBeUndefined();
    expect(refusal({ batteryPercent: 14.9 })).toBe('battery-too-low');
  });

  test('BOOKING-05: a human-powered bike has no floor', () => {
    const bike = rentableVehicle({ type: 'ebike', propulsion: 'human' });
    expect(vehicleRefusal({ ...bike, vehicle: { ...bike.vehicle, batteryPercent: 0 } }, planned('ebike', now, {}), now)).toBeUndefined();
  });

  test('BOOKING-05: vehicles that are taken, out of service or silent are refused; for next week only the service counts', () => {
    expect(refusal({ status: 'reserved' })).toBe('vehicle-taken');
    expect(refusal({ status: 'offline' })).toBe('vehicle-unavailable');
    expect(refusal({ status: 'out-of-service' })).toBe('vehicle-unavailable');
    const nextWeek = planned('car', now, { startsAtMs: now + 6 * day, minutes: 60 });
    expect(refusal({ status: 'in-use', batteryPercent: 3 }, nextWeek)).toBeUndefined();
    expect(refusal({ status: 'out-of-service' }, nextWeek)).toBe('vehicle-unavailable');
  });
});
