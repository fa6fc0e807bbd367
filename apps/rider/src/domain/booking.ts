/** Where a booking stands, in the steps that a rider sees. */
import type { Booking } from '../api/contract';

/**
 * `confirm-payment`: the bank asks for the rider. `authorising`: the bank has not answered yet.
 * `settling`: the ride is over, the charge is on its way.
 */
export type BookingStep = 'confirm-payment' | 'authorising' | 'waiting' | 'ready' | 'riding' | 'paused' | 'settling' | 'done' | 'closed';

/** @param nowMs the present, in milliseconds since 1970 */
export function bookingStep(booking: Booking, nowMs: number): BookingStep {
  switch (booking.state) {
    case 'reserved':
      return booking.payment.state === 'action-required' ? 'confirm-payment' : 'authorising';
    case 'confirmed':
      return booking.fixedTime && Date.parse(booking.startsAt) > nowMs ? 'waiting' : 'ready';
    case 'riding':
      return 'riding';
    case 'paused':
      return 'paused';
    case 'ended':
      return booking.payment.state === 'action-required' ? 'confirm-payment' : 'settling';
    case 'charged':
      return 'done';
    case 'cancelled':
    case 'expired':
    case 'failed':
      return 'closed';
  }
}

const openStates: readonly Booking['state'][] = ['reserved', 'confirmed', 'riding', 'paused'];

/** Whether the booking still needs its rider. */
export function isOpen(booking: Booking): boolean {
  return openStates.includes(booking.state);
}

/** How often to ask the server, in milliseconds; false when nothing can change any more. */
export function refreshIntervalMs(booking: Booking | undefined): number | false {
  if (!booking) return false;
  switch (booking.state) {
    case 'reserved':
    case 'ended':
      return 1_500;
    case 'riding':
    case 'paused':
      return 3_000;
    case 'confirmed':
      return 5_000;
    default:
      return false;
  }
}

/** A vehicle type that is booked for a time agreed beforehand, up to a week ahead. */
export function hasFixedTime(type: Booking['vehicleType']): boolean {
  return type === 'car' || type === 'van';
}
