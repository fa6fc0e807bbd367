/** How a stored booking is shown: rows into the shapes of the contract. */
import type { Booking } from './contract.ts';
import type { Price, PricedTime } from './domain/pricing.ts';
import { price } from './domain/pricing.ts';
import type { BookingRow } from './store.ts';

const minutesBetween = (from: Date, to: Date): number => Math.max(0, (to.getTime() - from.getTime()) / 60_000);

/** All pauses so far, the open one too. */
export const pausedSecondsAt = (row: BookingRow, at: Date): number => row.pausedSeconds + (row.pausedSince ? minutesBetween(row.pausedSince, at) * 60 : 0);

/** The time that is charged when the ride ends (or is looked at) at `at`. */
export function pricedTime(row: BookingRow, at: Date, distanceMetres: number): PricedTime {
  const bookedMinutes = minutesBetween(row.startsAt, row.endsAt);
  if (row.fixedTime) {
    // The booked time is paid for as a whole; who is late pays for the longer time.
    return { ridingMinutes: Math.max(bookedMinutes, minutesBetween(row.startsAt, at)), pausedMinutes: 0, reservedMinutes: 0, distanceMetres };
  }
  const startedAt = row.startedAt ?? at;
  const pausedMinutes = pausedSecondsAt(row, at) / 60;
  return {
    ridingMinutes: Math.max(0, minutesBetween(startedAt, at) - pausedMinutes),
    pausedMinutes,
    reservedMinutes: minutesBetween(row.createdAt, startedAt),
    distanceMetres,
  };
}

/** The final price, the price so far while riding, and nothing before. */
function currentPrice(row: BookingRow, now: Date): Price {
  if (row.price) return row.price;
  if (!row.startedAt) return { lines: [], totalMinor: 0, taxMinor: 0 };
  return price(row.terms.tariff, row.multiplier, pricedTime(row, now, row.distanceMetres ?? 0));
}

const instant = (date: Date | null): string | null => date?.toISOString() ?? null;

export function toBooking(row: BookingRow, now: Date): Booking {
  return {
    id: row.id, riderId: row.riderId, vehicleId: row.vehicleId, vehicleType: row.vehicleType, model: row.model, state: row.state,
    startsAt: row.startsAt.toISOString(), endsAt: row.endsAt.toISOString(), fixedTime: row.fixedTime, reservedUntil: row.reservedUntil.toISOString(),
    startedAt: instant(row.startedAt), endedAt: instant(row.endedAt), pausedSince: instant(row.pausedSince),
    startPosition: row.startPosition, endPosition: row.endPosition, distanceMetres: row.distanceMetres, multiplier: row.multiplier,
    price: { ...currentPrice(row, now), currency: row.terms.tariff.currency },
    authorisedMinor: row.authorisedMinor,
    payment: { state: row.paymentState, ...(row.actionUrl && row.paymentState === 'action-required' && { actionUrl: row.actionUrl }) },
    ...(row.failureCode && { failureCode: row.failureCode }),
    photoIds: row.photoIds, feedback: row.feedback, createdAt: row.createdAt.toISOString(),
  };
}
