/** The life of a booking, as data: which event leads from which states to which. */
import type { BookingState } from '../contract.ts';

export const bookingLifeCycle = {
  authorised: { from: ['reserved'], to: 'confirmed' },
  refused: { from: ['reserved'], to: 'failed' },
  unlocked: { from: ['confirmed'], to: 'riding' },
  paused: { from: ['riding'], to: 'paused' },
  resumed: { from: ['paused'], to: 'riding' },
  returned: { from: ['riding', 'paused'], to: 'ended' },
  charged: { from: ['ended'], to: 'charged' },
  cancelled: { from: ['reserved', 'confirmed'], to: 'cancelled' },
  expired: { from: ['reserved', 'confirmed'], to: 'expired' },
} as const satisfies Record<string, { from: readonly BookingState[]; to: BookingState }>;

export type BookingEvent = keyof typeof bookingLifeCycle;

/** States that hold the vehicle: the database's exclusion constraint covers the same. */
export const holdingStates: readonly BookingState[] = ['reserved', 'confirmed', 'riding', 'paused'];

/** @returns the state after the event, or `undefined` when the event is not allowed in this state */
export function next(state: BookingState, event: BookingEvent): BookingState | undefined {
  const { from, to } = bookingLifeCycle[event];
  return (from as readonly BookingState[]).includes(state) ? to : undefined;
}
