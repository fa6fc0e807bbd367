import { iotContract } from '../../iot/contract.ts';
import { defineModule } from '../../module.ts';
import type { Handlers } from '../../wire/contract.ts';
import { idCursor } from '../../wire/cursor.ts';
import { Problem } from '../../wire/problem.ts';
import { paymentContract } from '../payment/contract.ts';
import { userContract } from '../user/contract.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { bookingContract } from './contract.ts';
import { observeBookings } from './figures.ts';
import { toBooking } from './presentation.ts';
import { applyPayment, reserveHandlers } from './reserve.ts';
import { charge, endAbandoned, lockStray, markCharged, returnHandlers } from './return.ts';
import { expireReservation, releasePayment, rideHandlers, startRide } from './ride.ts';
import { type BookingServices, callerOf, readOwn } from './services.ts';
import { countByState, deleteQuotesBefore, erasePerson, findBooking, hasOpenBooking, listBookings } from './store.ts';

type Operations = typeof bookingContract.operations;

function readHandlers(services: BookingServices): Pick<Handlers<Operations>, 'listBookings' | 'getBooking' | 'confirmPayment' | 'countBookings' | 'hasOpenBooking' | 'getRide'> {
  const { clock, database } = services.context;
  const { sql } = database;
  return {
    async listBookings(call) {
      const { limit, cursor, state } = call.query;
      const before = idCursor(cursor);
      const rows = await listBookings(sql, callerOf(call).subject, { limit: limit + 1, ...(before && { before }), ...(state && { states: state }) });
      const items = rows.slice(0, limit).map((row) => toBooking(row, clock.now()));
      return { items, ...(rows.length > limit && { next: items.at(-1)?.id }) };
    },
    getBooking: async (call) => toBooking(await readOwn(services, call.params.bookingId, callerOf(call)), clock.now()),
    async confirmPayment(call) {
      const row = await readOwn(services, call.params.bookingId, callerOf(call));
      if (row.state === 'confirmed') return toBooking(row, clock.now());
      if (row.state === 'failed') throw new Problem('payment-declined');
      if (row.state !== 'reserved') throw new Problem('wrong-state', `the booking is ${row.state}`);
      const payment = await services.payments.resolve({ params: { bookingId: row.id } });
      const resolved = await database.transaction((transaction) => applyPayment(transaction, row.id, payment, clock.now()));
      if (resolved.state === 'failed') throw new Problem('payment-declined');
      return toBooking(resolved, clock.now());
    },
    countBookings: async () => ({ bookings: Object.fromEntries((await countByState(sql)).map(({ state, count }) => [state, count])) }),
    hasOpenBooking: async (call) => ({ open: await hasOpenBooking(sql, call.params.riderId) }),
    async getRide(call) {
      const row = await findBooking(sql, call.params.bookingId);
      if (!row) throw new Problem('not-found', 'no such booking');
      return { riderId: row.riderId, vehicleId: row.vehicleId, startedAt: row.startedAt?.toISOString() ?? null, endedAt: row.endedAt?.toISOString() ?? null };
    },
  };
}

const absent = (error: unknown): undefined => {
  if (error instanceof Problem && error.code === 'not-found') return undefined;
  throw error;
};

/** A payment that was uncertain or challenged for too long: ask how it stands, then move on or give up. */
async function checkPayment(services: BookingServices, bookingId: string): Promise<void> {
  const row = await findBooking(services.context.database.sql, bookingId);
  if (row?.state !== 'reserved') return;
  const { payments } = services;
  const known = await payments.resolve({ params: { bookingId } }).catch(absent);
  // Nothing was asked of a provider: the program was killed between reserving and authorising.
  const payment = known?.state === 'action-required' || !known ? await payments.void({ params: { bookingId } }).catch(absent) : known;
  const nothingHeld = { bookingId, state: 'voided', provider: null, authorisedMinor: 0, capturedMinor: 0, refundedMinor: 0, currency: row.terms.tariff.currency } as const;
  const { database, clock } = services.context;
  await database.transaction((transaction) => applyPayment(transaction, bookingId, payment ?? nothingHeld, clock.now()));
}

/** What happens by itself: at a time, or because another module said something. */
function react(services: BookingServices): void {
  const { database, blobs, clock } = services.context;
  database.onTimer('payment-deadline', ({ key }) => checkPayment(services, key));
  database.onTimer('reservation-expiry', ({ key }) => expireReservation(services, key));
  database.onTimer('payment-release', ({ key }) => releasePayment(services, key));
  database.onTimer('stray-lock', ({ key }) => lockStray(services, key));
  database.onTimer('longest-ride', ({ key }) => endAbandoned(services, key));
  database.onTimer('capture', async ({ key }) => {
    const row = await charge(services, key);
    if (row?.state === 'ended') throw new Error(`ride ${key} is not charged yet`);
  });
  database.onTimer('quote-cleaning', () =>
    database.transaction(async (transaction) => {
      await deleteQuotesBefore(transaction.sql, clock.now());
      transaction.schedule({ kind: 'quote-cleaning', key: 'hourly', dueAt: new Date(clock.nowMs() + 3600_000) });
    }),
  );

  const { captured, resolved } = paymentContract.events;
  database.consume([vehicleContract.events.unlocked, resolved, captured, userContract.events.erased], async (event, transaction) => {
    switch (event.type) {
      case vehicleContract.events.unlocked.type:
        return startRide(services, transaction, vehicleContract.events.unlocked.data.parse(event.data));
      case resolved.type: {
        const payment = resolved.data.parse(event.data);
        await applyPayment(transaction, payment.bookingId, payment, clock.now());
        return;
      }
      case captured.type:
        await markCharged(transaction, captured.data.parse(event.data).bookingId, clock.now());
        return;
      case userContract.events.erased.type: {
        const photoIds = await erasePerson(transaction.sql, userContract.events.erased.data.parse(event.data).riderId);
        await Promise.all(photoIds.map((id) => blobs.delete(`photos/${id}`)));
        return;
      }
    }
  });
}

export const bookingModule = defineModule<Operations>({
  name: 'booking',
  contract: bookingContract,
  needs: ['user', 'vehicle', 'payment', 'iot'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const services: BookingServices = { context, vehicles: context.client(vehicleContract), users: context.client(userContract), payments: context.client(paymentContract) };
    react(services);
    observeBookings(context);
    const iot = context.client(iotContract);
    context.database.onTimer('unlock-keys', async () => {
      const { publicJwk } = await context.keys.signingKey('unlock', 'EdDSA');
      await iot.publishUnlockKeys({ body: { keys: [{ ...publicJwk }] } });
    });
    await context.database.transaction(async (transaction) => {
      // At every start: vehicles learn a new key before the first token is signed with it.
      transaction.schedule({ kind: 'unlock-keys', key: 'current', dueAt: context.clock.now() });
      transaction.schedule({ kind: 'quote-cleaning', key: 'hourly', dueAt: new Date(context.clock.nowMs() + 3600_000) });
    });
    return { handlers: { ...readHandlers(services), ...reserveHandlers(services), ...rideHandlers(services), ...returnHandlers(services) } };
  },
});
