/** What the parts of the Booking service share: its ports and the modules that it calls. */
import type { ModuleContext } from '../../module.ts';
import type { Call, Caller, Client, Operation } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { paymentContract } from '../payment/contract.ts';
import type { userContract } from '../user/contract.ts';
import type { vehicleContract } from '../vehicle/contract.ts';
import { type BookingRow, findBooking } from './store.ts';

export interface BookingServices {
  context: ModuleContext;
  vehicles: Client<typeof vehicleContract.operations>;
  users: Client<typeof userContract.operations>;
  payments: Client<typeof paymentContract.operations>;
}

/** @throws Problem `unauthenticated` */
export function callerOf(call: Pick<Call<Operation>, 'caller'>): Caller {
  if (!call.caller) throw new Problem('unauthenticated');
  return call.caller;
}

/** Staff may look at and help with every booking, riders with their own. */
export const isStaff = (caller: Caller): boolean => caller.roles.includes('staff') || caller.roles.includes('admin');
export const ownerFilter = (caller: Caller): string | undefined => (isStaff(caller) ? undefined : caller.subject);

/** @throws Problem `not-found`, also for another rider's booking */
export async function readOwn({ context }: BookingServices, bookingId: string, caller: Caller): Promise<BookingRow> {
  const row = await findBooking(context.database.sql, bookingId);
  if (!row || (row.riderId !== caller.subject && !isStaff(caller))) throw new Problem('not-found', 'no such booking');
  return row;
}
