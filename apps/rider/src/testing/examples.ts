/** Answers of the platform as tests need them. */
import type { Booking, Tariff } from '../api/contract';

export const exampleTariff: Tariff = {
  id: 'scooter', name: { en: 'Scooter' }, currency: 'EUR', unlockFeeMinor: 100, segments: [{ startMinute: 0, intervalMinutes: 1, rateMinor: 25 }],
  perKilometreMinor: 0, reservationPerMinuteMinor: 0, depositMinor: 0, taxPercent: 19,
  fines: { outsideBayMinor: 500, notPluggedInMinor: 0, lateFixedMinor: 0, latePerMinuteMinor: 0 },
};

export function exampleBooking(more: Partial<Booking>): Booking {
  return {
    id: '0193a000-0000-7000-8000-000000000001', riderId: '0193a000-0000-7000-8000-000000000002', vehicleId: 'v1', vehicleType: 'scooter', model: 'Model', state: 'confirmed',
    startsAt: '2026-11-22T11:55:00Z', endsAt: '2026-11-22T23:55:00Z', fixedTime: false, reservedUntil: '2026-11-22T12:10:00Z', startedAt: null, endedAt: null, pausedSince: null,
    startPosition: null, endPosition: null, distanceMetres: null, multiplier: 1, price: { lines: [], totalMinor: 150, taxMinor: 24, currency: 'EUR' }, authorisedMinor: 500,
    payment: { state: 'authorised' }, photoIds: [], feedback: null, createdAt: '2026-11-22T11:55:00Z', ...more,
  };
}
