/** What a vehicle is to its riders, derived from what staff define, what it reports and what is booked. */
import type { VehicleStatus } from '../contract.ts';

export interface BookingHold {
  bookingId: string;
  state: 'reserved' | 'confirmed' | 'riding' | 'paused';
  startsAtMs: number;
  endsAtMs: number;
}

export interface StatusFacts {
  /** Listed in its city and not taken out by staff, neither told to be disabled nor disabled. */
  inService: boolean;
  locked: boolean;
  /** The booking that the vehicle names as the one it was unlocked for. */
  reportedBookingId: string | null;
  batteryPercent: number;
  minimumBatteryPercent: number;
  /** When it was last heard of, or registered. */
  heardAtMs: number;
  bookings: readonly BookingHold[];
  nowMs: number;
}

/** A parked vehicle speaks every minute; ten silent ones are no accident. */
export const offlineAfterMs = 10 * 60_000;
/** A vehicle that is booked for later stays on the map until so long before. */
export const reservedAheadMs = 30 * 60_000;

/** First what is certain (a ride), then who forbids it, then what is wrong, then what is planned. */
export function statusOf(facts: StatusFacts): VehicleStatus {
  const { bookings, nowMs } = facts;
  if (bookings.some(({ state }) => state === 'riding' || state === 'paused')) return 'in-use';
  // The vehicle has said so before the Booking service has heard of it.
  if (!facts.locked && bookings.some(({ bookingId }) => bookingId === facts.reportedBookingId)) return 'in-use';
  if (!facts.inService) return 'out-of-service';
  if (!facts.locked) return 'unlocked';
  if (bookings.some(({ startsAtMs }) => startsAtMs - reservedAheadMs <= nowMs)) return 'reserved';
  if (nowMs - facts.heardAtMs > offlineAfterMs) return 'offline';
  if (facts.batteryPercent < facts.minimumBatteryPercent) return 'low-battery';
  return 'available';
}
