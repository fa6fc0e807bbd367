/** Moves a booking through its life: state, event, timers, in one transaction. */
import type { Transaction } from '../../infra/sql/port.ts';
import { Problem } from '../../wire/problem.ts';
import { bookingContract, type BookingState } from './contract.ts';
import { type BookingEvent, next } from './domain/life-cycle.ts';
import { type BookingRow, lockBooking, updateBooking } from './store.ts';

/** Tells the world that a booking is in a (new) state. */
export function announce(transaction: Transaction, row: BookingRow, from: BookingState | null, at: Date): void {
  transaction.publish(bookingContract.events[row.state], row.id, {
    bookingId: row.id, riderId: row.riderId, vehicleId: row.vehicleId, vehicleType: row.vehicleType, from, at: at.toISOString(),
    startsAt: row.startsAt.toISOString(), endsAt: row.endsAt.toISOString(), fixedTime: row.fixedTime,
    position: row.endPosition ?? row.startPosition, totalMinor: row.price?.totalMinor ?? null, currency: row.terms.tariff.currency, revision: row.revision,
  });
}

/**
 * Applies an event to a booking that is locked in this transaction.
 * @throws Problem `wrong-state` when the event is not allowed in the state
 */
export async function advance(
  transaction: Transaction,
  row: BookingRow,
  event: BookingEvent,
  at: Date,
  changes: Parameters<typeof updateBooking>[2] = {},
): Promise<BookingRow> {
  const state = next(row.state, event);
  if (!state) throw new Problem('wrong-state', `the booking is ${row.state}`);
  const changed = await updateBooking(transaction.sql, row.id, { ...changes, state, revision: row.revision + 1 });
  announce(transaction, changed, row.state, at);
  return changed;
}

/** @throws Problem `not-found`, also for another rider's booking */
export async function lockOwn(transaction: Transaction, bookingId: string, riderId: string | undefined): Promise<BookingRow> {
  const row = await lockBooking(transaction.sql, bookingId);
  if (!row || (riderId !== undefined && row.riderId !== riderId)) throw new Problem('not-found', 'no such booking');
  return row;
}
