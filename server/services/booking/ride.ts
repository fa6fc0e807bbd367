/** From confirmed to riding, pauses, and the ways out before a ride: cancelling and expiry. */
import { SignJWT } from 'jose';
import { v7 } from 'uuid';
import type { Transaction } from '../../infra/sql/port.ts';
import type { Call, Handlers, Operation } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { Command, vehicleContract } from '../vehicle/contract.ts';
import type { bookingContract } from './contract.ts';
import { termsOf } from './domain/rules.ts';
import { pausedSecondsAt, toBooking } from './presentation.ts';
import { type BookingServices, callerOf, ownerFilter, readOwn } from './services.ts';
import { type BookingRow, findBooking, isVehicleInUse, lockBooking, updateBooking } from './store.ts';
import { advance, lockOwn } from './transitions.ts';

type Operations = typeof bookingContract.operations;

const tokenLifetimeMs = 60_000;
/** A vehicle's clock may be this far behind ours. */
const clockSkewMs = 5_000;
const commandLifetimeMs = 30_000;
/** How long a rider waits for a vehicle before we say that it does not answer. */
const commandWaitMs = 8_000;
const rideStartWaitMs = 5_000;
const unheardRetryMs = 60_000;
/** A vehicle that may have been opened is asked before its booking is cancelled, and the rider waits for so long. */
const locateWaitMs = 3_000;
const unheardCancelRetryMs = 5_000;
/** Fixed-time rides that nobody ends are ended this long after their booked end. */
const abandonedAfterMs = 24 * 3600_000;

/** @throws Problem unless the vehicle may be opened for this booking now */
async function assertUnlockable(services: BookingServices, row: BookingRow): Promise<void> {
  if (row.state !== 'confirmed') throw new Problem('wrong-state', `the booking is ${row.state}`);
  const nowMs = services.context.clock.nowMs();
  if (row.fixedTime && nowMs < row.startsAt.getTime()) throw new Problem('not-started-yet', `from ${row.startsAt.toISOString()}`);
  if (nowMs >= row.reservedUntil.getTime()) throw new Problem('wrong-state', 'the reservation has run out');
  if (await isVehicleInUse(services.context.database.sql, row.vehicleId, row.id)) throw new Problem('vehicle-taken', 'the rider before has not brought it back yet');
}

/** Asks a vehicle and waits. @throws Problem `vehicle-moving`, `vehicle-unreachable` */
async function command(services: BookingServices, row: BookingRow, kind: 'unlock' | 'pause' | 'resume', id: string): Promise<Command> {
  const expiresAt = new Date(services.context.clock.nowMs() + commandLifetimeMs).toISOString();
  const verdict = await services.vehicles.sendCommand({ body: { id, vehicleId: row.vehicleId, kind, bookingId: row.id, riderId: row.riderId, expiresAt, waitMs: commandWaitMs } });
  if (verdict.state === 'verified') return verdict;
  if (verdict.state === 'refused' && verdict.reason === 'moving') throw new Problem('vehicle-moving');
  throw new Problem('vehicle-unreachable', verdict.reason ?? 'the vehicle has not answered in time; try again');
}

/** What was handed out before may be good for longer. */
const mayOpenUntil = (row: BookingRow, untilMs: number): Date => new Date(Math.max(row.tokenExpiresAt?.getTime() ?? 0, untilMs));

/** The id of the unlock command in hand: a repeated tap is the same command, until that has run out. */
async function unlockCommandId(services: BookingServices, row: BookingRow): Promise<string> {
  // Named once, and lost on its way: the same goes out again, from now on.
  let isUnheard = false;
  if (row.unlockCommandId) {
    const earlier = await services.vehicles.getCommand({ params: { commandId: row.unlockCommandId } }).catch((error: unknown) => {
      if (error instanceof Problem && error.code === 'not-found') return undefined;
      throw error;
    });
    if (earlier && earlier.state !== 'expired' && earlier.state !== 'refused') return row.unlockCommandId;
    isUnheard = !earlier;
  }
  return services.context.database.transaction(async (transaction) => {
    const current = await lockOwn(transaction, row.id, undefined);
    if (current.unlockCommandId && current.unlockCommandId !== row.unlockCommandId) return current.unlockCommandId;
    if (current.state !== 'confirmed') throw new Problem('wrong-state', `the booking is ${current.state}`);
    const id = isUnheard && current.unlockCommandId ? current.unlockCommandId : v7();
    // Until the command has run out the vehicle may open, as with a token.
    await updateBooking(transaction.sql, row.id, { unlockCommandId: id, tokenExpiresAt: mayOpenUntil(current, services.context.clock.nowMs() + commandLifetimeMs) });
    return id;
  });
}

/** Waits until the vehicle's report has made the booking a ride. */
async function awaitRide(services: BookingServices, bookingId: string, signal: AbortSignal): Promise<BookingRow> {
  const { sql } = services.context.database;
  const deadline = performance.now() + rideStartWaitMs;
  for (;;) {
    const row = await findBooking(sql, bookingId);
    if (!row) throw new Problem('not-found');
    if (row.state !== 'confirmed') return row;
    if (signal.aborted || performance.now() > deadline) throw new Problem('vehicle-unreachable', 'the vehicle has opened, its report is on the way');
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

const overWithoutRide: readonly BookingRow['state'][] = ['cancelled', 'expired', 'failed'];

/** The vehicle says that it was opened for a booking: the ride has begun, at the time of its clock. */
export async function startRide(
  services: BookingServices,
  transaction: Transaction,
  opened: { bookingId: string; vehicleId: string; unlockedAt: string; position: BookingRow['startPosition']; odometerMetres: number },
): Promise<void> {
  const row = await lockBooking(transaction.sql, opened.bookingId);
  // Unknown, of another vehicle, or begun already: nothing to do.
  if (row?.vehicleId !== opened.vehicleId) return;
  if (overWithoutRide.includes(row.state)) transaction.schedule({ kind: 'stray-lock', key: row.id, dueAt: services.context.clock.now() });
  if (row.state !== 'confirmed') return;
  const nowMs = services.context.clock.nowMs();
  const startedAt = new Date(Math.min(nowMs, Math.max(Date.parse(opened.unlockedAt), row.createdAt.getTime())));
  const endsAtLatest = row.fixedTime ? new Date(row.endsAt.getTime() + abandonedAfterMs) : new Date(startedAt.getTime() + termsOf(row.vehicleType).longestMs);
  transaction.cancelTimer('reservation-expiry', row.id);
  transaction.schedule({ kind: 'longest-ride', key: row.id, dueAt: endsAtLatest });
  await advance(transaction, row, 'unlocked', startedAt, { startedAt, startPosition: opened.position, startOdometerMetres: opened.odometerMetres, distanceMetres: 0 });
}

type LatestVehicle = Awaited<ReturnType<ReturnType<typeof vehiclesOf>['getVehicle']>>;
const vehiclesOf = (services: BookingServices) => services.vehicles satisfies { [K in keyof typeof vehicleContract.operations]: unknown };

/**
 * Whether the vehicle may still have been opened without our knowing: a token or command is out, and the
 * vehicle has not said "locked" since it ran out.
 */
function mayBeOpen(row: BookingRow, vehicle: LatestVehicle, nowMs: number): boolean {
  if (!row.tokenExpiresAt) return false;
  const decidedAtMs = row.tokenExpiresAt.getTime() + clockSkewMs;
  if (nowMs < decidedAtMs) return true;
  const heardSince = vehicle.seenAt !== null && Date.parse(vehicle.seenAt) >= decidedAtMs;
  return !(heardSince && vehicle.locked);
}

/** The reserved time is over. @returns nothing; the timer that fired is done or a later one is set */
export async function expireReservation(services: BookingServices, bookingId: string): Promise<void> {
  const { context } = services;
  const row = await findBooking(context.database.sql, bookingId);
  if (row?.state !== 'confirmed') return;
  const vehicle = row.tokenExpiresAt ? await services.vehicles.getVehicle({ params: { vehicleId: row.vehicleId } }) : undefined;
  const nowMs = context.clock.nowMs();
  const givenUp = nowMs >= row.endsAt.getTime();
  if (vehicle && !givenUp && mayBeOpen(row, vehicle, nowMs)) {
    // A vehicle without a network may be on the road with our token: wait until it speaks.
    await context.database.transaction(async (transaction) => {
      transaction.schedule({ kind: 'reservation-expiry', key: bookingId, dueAt: new Date(nowMs + unheardRetryMs) });
    });
    return;
  }
  await release(services, bookingId, 'expired');
}

/** How the vehicle of a booking stands, when that matters: one that has been silent since it may have been opened is asked. */
async function heardVehicle(services: BookingServices, row: BookingRow): Promise<LatestVehicle | undefined> {
  if (!row.tokenExpiresAt) return undefined;
  const { vehicles, context } = services;
  const params = { vehicleId: row.vehicleId };
  const known = await vehicles.getVehicle({ params });
  const nowMs = context.clock.nowMs();
  if (nowMs < row.tokenExpiresAt.getTime() + clockSkewMs || !mayBeOpen(row, known, nowMs)) return known;
  const expiresAt = new Date(nowMs + commandLifetimeMs).toISOString();
  await vehicles.sendCommand({ body: { id: v7(), vehicleId: row.vehicleId, kind: 'locate', bookingId: row.id, riderId: row.riderId, expiresAt, waitMs: locateWaitMs } });
  return vehicles.getVehicle({ params });
}

/** Ends a booking that never became a ride, and gives the held money back. */
async function release(services: BookingServices, bookingId: string, event: 'expired' | 'cancelled', { riderId, vehicle }: { riderId?: string | undefined; vehicle?: LatestVehicle | undefined } = {}): Promise<BookingRow> {
  return services.context.database.transaction(async (transaction) => {
    const row = await lockOwn(transaction, bookingId, riderId);
    if (row.state === event) return row;
    const nowMs = services.context.clock.nowMs();
    if (event === 'cancelled' && row.tokenExpiresAt && (!vehicle || mayBeOpen(row, vehicle, nowMs))) {
      const leftMs = row.tokenExpiresAt.getTime() + clockSkewMs - nowMs;
      const retryAfterSeconds = Math.ceil(Math.max(leftMs, unheardCancelRetryMs) / 1000);
      throw new Problem('wrong-state', leftMs > 0 ? 'an unlock token is still valid; cancel when it has run out' : 'the vehicle may have been opened; cancel when it has said that it is locked', { retryAfterSeconds });
    }
    transaction.cancelTimer('reservation-expiry', bookingId);
    transaction.cancelTimer('payment-deadline', bookingId);
    transaction.schedule({ kind: 'payment-release', key: bookingId, dueAt: services.context.clock.now() });
    return advance(transaction, row, event, services.context.clock.now());
  });
}

/** Releases the held money of a booking that is over without a ride; the timer repeats it until it worked. */
export async function releasePayment(services: BookingServices, bookingId: string): Promise<void> {
  const payment = await services.payments.void({ params: { bookingId } }).catch((error: unknown) => {
    if (error instanceof Problem && error.code === 'not-found') return undefined;
    throw error;
  });
  if (payment && payment.state !== 'voided' && payment.state !== 'declined') throw new Error(`the payment of ${bookingId} is still ${payment.state}`);
  await updateBooking(services.context.database.sql, bookingId, { paymentState: payment?.state === 'voided' ? 'voided' : 'none' });
}

/** Lets a rider pause or go on: asks the vehicle first, then changes the booking. */
async function pauseOrResume(services: BookingServices, call: Call<Operation> & { params: { bookingId: string } }, event: 'paused' | 'resumed'): Promise<BookingRow> {
  const { context } = services;
  const owner = ownerFilter(callerOf(call));
  const row = await readOwn(services, call.params.bookingId, callerOf(call));
  if (row.state === (event === 'paused' ? 'paused' : 'riding')) return row;
  if (row.state !== (event === 'paused' ? 'riding' : 'paused')) throw new Problem('wrong-state', `the booking is ${row.state}`);
  await command(services, row, event === 'paused' ? 'pause' : 'resume', v7());
  return context.database.transaction(async (transaction) => {
    const current = await lockOwn(transaction, row.id, owner);
    const now = context.clock.now();
    if (event === 'paused') return current.state === 'paused' ? current : advance(transaction, current, 'paused', now, { pausedSince: now });
    if (current.state === 'riding') return current;
    return advance(transaction, current, 'resumed', now, { pausedSince: null, pausedSeconds: pausedSecondsAt(current, now) });
  });
}

export function rideHandlers(services: BookingServices): Pick<Handlers<Operations>, 'unlock' | 'unlockRemotely' | 'pause' | 'resume' | 'cancel'> {
  const { context } = services;
  const show = (row: BookingRow) => toBooking(row, context.clock.now());
  return {
    async unlock(call) {
      const row = await readOwn(services, call.params.bookingId, callerOf(call));
      await assertUnlockable(services, row);
      const key = await context.keys.signingKey('unlock', 'EdDSA');
      const nowMs = context.clock.nowMs();
      const expiresAt = new Date(nowMs + tokenLifetimeMs);
      // First remembered, then handed out: a token that is out is never forgotten.
      await context.database.transaction(async (transaction) => {
        const current = await lockOwn(transaction, row.id, row.riderId);
        if (current.state !== 'confirmed') throw new Problem('wrong-state', `the booking is ${current.state}`);
        await updateBooking(transaction.sql, row.id, { tokenExpiresAt: mayOpenUntil(current, expiresAt.getTime()) });
      });
      const token = await new SignJWT({ bookingId: row.id })
        .setProtectedHeader({ alg: key.algorithm, kid: key.keyId, typ: 'unlock+jwt' })
        .setSubject(row.riderId).setAudience(row.vehicleId).setJti(v7()).setIssuedAt(Math.floor(nowMs / 1000)).setExpirationTime(Math.floor(expiresAt.getTime() / 1000))
        .sign(key.privateKey);
      return { token, expiresAt: expiresAt.toISOString(), ...(context.configuration.MOBILITY_NEAR_FIELD_URL && { nearFieldUrl: `${context.configuration.MOBILITY_NEAR_FIELD_URL}/near-field/vehicles/${encodeURIComponent(row.vehicleId)}/token` }) };
    },
    async unlockRemotely(call) {
      const row = await readOwn(services, call.params.bookingId, callerOf(call));
      if (row.state === 'riding') return show(row);
      await assertUnlockable(services, row);
      await command(services, row, 'unlock', await unlockCommandId(services, row));
      return show(await awaitRide(services, row.id, call.signal));
    },
    pause: async (call) => show(await pauseOrResume(services, call, 'paused')),
    resume: async (call) => show(await pauseOrResume(services, call, 'resumed')),
    async cancel(call) {
      const caller = callerOf(call);
      const vehicle = await heardVehicle(services, await readOwn(services, call.params.bookingId, caller));
      return show(await release(services, call.params.bookingId, 'cancelled', { riderId: ownerFilter(caller), vehicle }));
    },
  };
}
