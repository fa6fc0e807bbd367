import { expect, test } from 'vitest';
import { type BookingHold, offlineAfterMs, reservedAheadMs, type StatusFacts, statusOf } from './status.ts';

const nowMs = 1_000_000_000;
const hold = (change: Partial<BookingHold> = {}): BookingHold => ({ bookingId: 'b', state: 'confirmed', startsAtMs: nowMs, endsAtMs: nowMs + 3600_000, ...change });
const status = (change: Partial<StatusFacts> = {}) =>
  statusOf({ inService: true, locked: true, reportedBookingId: null, batteryPercent: 80, minimumBatteryPercent: 15, heardAtMs: nowMs, bookings: [], nowMs, ...change });

test('VEHICLE-03: a vehicle is available when nothing speaks against it', () => {
  expect(status()).toBe('available');
  expect(status({ batteryPercent: 15 })).toBe('available');
  expect(status({ batteryPercent: 14.9 })).toBe('low-battery');
  expect(status({ inService: false })).toBe('out-of-service');
  expect(status({ locked: false })).toBe('unlocked');
  expect(status({ bookings: [hold()] })).toBe('reserved');
  expect(status({ bookings: [hold({ state: 'riding' })] })).toBe('in-use');
  expect(status({ bookings: [hold({ state: 'paused' })] })).toBe('in-use');
});

test('VEHICLE-03: what is certain comes first', () => {
  const everything = { inService: false, locked: false, batteryPercent: 0, heardAtMs: 0 };
  expect(status({ ...everything, bookings: [hold({ state: 'riding' })] })).toBe('in-use');
  expect(status({ ...everything, bookings: [hold()] })).toBe('out-of-service');
  expect(status({ ...everything, inService: true })).toBe('unlocked');
  expect(status({ ...everything, inService: true, locked: true, bookings: [hold()] })).toBe('reserved');
  expect(status({ ...everything, inService: true, locked: true })).toBe('offline');
});

test('VEHICLE-03: a vehicle that says it was opened for its booking is in use before the booking is a ride', () => {
  expect(status({ locked: false, reportedBookingId: 'b', bookings: [hold()] })).toBe('in-use');
  expect(status({ locked: false, reportedBookingId: 'other', bookings: [hold()] })).toBe('unlocked');
});

test('VEHICLE-04: silence for more than ten minutes makes a vehicle offline', () => {
  expect(status({ heardAtMs: nowMs - offlineAfterMs })).toBe('available');
  expect(status({ heardAtMs: nowMs - offlineAfterMs - 1 })).toBe('offline');
});

test('VEHICLE-03: a booking for later does not take the vehicle off the map now', () => {
  expect(status({ bookings: [hold({ startsAtMs: nowMs + reservedAheadMs + 1 })] })).toBe('available');
  expect(status({ bookings: [hold({ startsAtMs: nowMs + reservedAheadMs })] })).toBe('reserved');
});
