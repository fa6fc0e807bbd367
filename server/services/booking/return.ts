/** The end of a ride: lock, judge the parking, price with fines, charge; photos and feedback. */
import { createHash } from 'node:crypto';
import { v7 } from 'uuid';
import type { Transaction } from '../../infra/sql/port.ts';
import { type Handlers, RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { bookingContract } from './contract.ts';
import { price, type ReturnFacts } from './domain/pricing.ts';
import { imageTypeOf, withoutMetadata } from './domain/images.ts';
import { pausedSecondsAt, pricedTime, toBooking } from './presentation.ts';
import { type BookingServices, callerOf, isStaff, ownerFilter, readOwn } from './services.ts';
import { type BookingRow, countOwnPhotos, findBooking, findPhoto, insertPhoto, updateBooking } from './store.ts';
import { advance, lockOwn } from './transitions.ts';

type Operations = typeof bookingContract.operations;

const photoLimitBytes = 8 * 1024 * 1024;
const lockWaitMs = 8_000;
/** The lock command goes on being sent until the vehicle has reported it. */
const lockLifetimeMs = 7 * 24 * 3600_000;
/** A price without a debit is looked at again after this long. */
const captureRetryMs = 5_000;

/** The id of the command that locks after this ride: one, however often the end is asked for. */
async function lockCommandId({ context }: BookingServices, row: BookingRow): Promise<string> {
  if (row.lockCommandId) return row.lockCommandId;
  return context.database.transaction(async (transaction) => {
    const current = await lockOwn(transaction, row.id, undefined);
    if (current.lockCommandId) return current.lockCommandId;
    const id = v7();
    await updateBooking(transaction.sql, row.id, { lockCommandId: id });
    return id;
  });
}

/** @throws Problem `vehicle-moving`: then the ride goes on, and the next try is a new command */
async function lockVehicle(services: BookingServices, row: BookingRow): Promise<void> {
  const { context } = services;
  const id = await lockCommandId(services, row);
  const verdict = await services.vehicles.sendCommand({
    body: { id, vehicleId: row.vehicleId, kind: 'lock', bookingId: row.id, riderId: row.riderId, expiresAt: new Date(context.clock.nowMs() + lockLifetimeMs).toISOString(), waitMs: lockWaitMs },
  });
  if (verdict.state === 'refused') {
    await updateBooking(context.database.sql, row.id, { lockCommandId: null });
    if (verdict.reason === 'moving') throw new Problem('vehicle-moving');
  }
  // Not heard of: the ride ends all the same; the command stays out until the vehicle has locked.
}

/** A vehicle that stands open for a booking that is over: it is told to lock, until it has. */
export async function lockStray(services: BookingServices, bookingId: string): Promise<void> {
  const { context } = services;
  const row = await findBooking(context.database.sql, bookingId);
  if (!row) return;
  const id = await lockCommandId(services, row);
  await services.vehicles.sendCommand({
    body: { id, vehicleId: row.vehicleId, kind: 'lock', bookingId: row.id, riderId: row.riderId, expiresAt: new Date(context.clock.nowMs() + lockLifetimeMs).toISOString(), waitMs: 0 },
  });
}

interface Standing {
  facts: ReturnFacts;
  position: BookingRow['endPosition'];
  parkingForbidden: boolean;
}

/** How the vehicle stands, by the rules of its city, when the ride ends at `endedAt`. */
async function standing(services: BookingServices, row: BookingRow, endedAt: Date): Promise<Standing> {
  const params = { vehicleId: row.vehicleId };
  const [verdict, vehicle] = await Promise.all([services.vehicles.judgeParking({ params, query: {} }), services.vehicles.getVehicle({ params })]);
  const outsideBay = !verdict.inOperatingArea || verdict.parkingForbidden || (verdict.parking === 'bays-only' && verdict.bayId === null);
  return {
    position: verdict.position,
    parkingForbidden: verdict.parkingForbidden,
    facts: {
      outsideBay,
      notPluggedIn: row.terms.model.pluggable && !vehicle.pluggedIn,
      lateMinutes: row.fixedTime ? Math.max(0, (endedAt.getTime() - row.endsAt.getTime()) / 60_000) : 0,
    },
  };
}

async function distanceOf(services: BookingServices, row: BookingRow): Promise<number> {
  if (row.startOdometerMetres === null) return 0;
  const { odometerMetres } = await services.vehicles.getOdometer({ params: { vehicleId: row.vehicleId } });
  return Math.max(0, odometerMetres - row.startOdometerMetres);
}

/** Ends a ride with what is known of the vehicle now. Safe to repeat. */
async function finish(services: BookingServices, bookingId: string, photoIds: string[], byRider: boolean): Promise<BookingRow> {
  const { context } = services;
  const before = await findBooking(context.database.sql, bookingId);
  if (!before) throw new Problem('not-found');
  const now = context.clock.now();
  const [stands, distanceMetres] = await Promise.all([standing(services, before, now), distanceOf(services, before)]);
  if (byRider && stands.parkingForbidden) throw new Problem('parking-forbidden', 'move the vehicle out of the no-parking zone');
  return context.database.transaction(async (transaction) => {
    const row = await lockOwn(transaction, bookingId, undefined);
    if (row.state === 'ended' || row.state === 'charged') return row;
    // No ride ends before it began, also when a clock was set back on the way.
    const endedAt = new Date(Math.max(now.getTime(), row.startedAt?.getTime() ?? 0));
    const final = price(row.terms.tariff, row.multiplier, pricedTime(row, endedAt, distanceMetres), stands.facts);
    transaction.cancelTimer('longest-ride', bookingId);
    transaction.schedule({ kind: 'capture', key: bookingId, dueAt: new Date(now.getTime() + captureRetryMs) });
    const pausedSeconds = pausedSecondsAt(row, endedAt);
    return advance(transaction, row, 'returned', endedAt, {
      endedAt, endPosition: stands.position, distanceMetres, price: final, photoIds, pausedSince: null, pausedSeconds, paymentState: 'capture-pending',
    });
  });
}

/** Charges an ended ride and records it. Safe to repeat; the payment service captures once. */
export async function charge(services: BookingServices, bookingId: string): Promise<BookingRow | undefined> {
  const { context } = services;
  const row = await findBooking(context.database.sql, bookingId);
  if (row?.state !== 'ended' || !row.price || !row.startedAt || !row.endedAt) return row;
  const payment = await services.payments.capture({
    params: { bookingId },
    body: {
      ...row.price, taxPercent: row.terms.tariff.taxPercent,
      ride: {
        vehicleId: row.vehicleId, vehicleType: row.vehicleType, model: row.model, cityId: row.terms.cityId, timeZone: row.terms.timeZone,
        startedAt: row.startedAt.toISOString(), endedAt: row.endedAt.toISOString(), distanceMetres: row.distanceMetres ?? 0, locale: row.terms.locale,
      },
    },
  });
  if (payment.state === 'captured' || payment.state === 'voided') return context.database.transaction((transaction) => markCharged(transaction, bookingId, context.clock.now()));
  return row;
}

/** The money is in (or there was nothing to pay). */
export async function markCharged(transaction: Transaction, bookingId: string, now: Date): Promise<BookingRow> {
  const row = await lockOwn(transaction, bookingId, undefined);
  transaction.cancelTimer('capture', bookingId);
  return row.state === 'ended' ? advance(transaction, row, 'charged', now, { paymentState: 'captured' }) : row;
}

/** Nobody has ended this ride in the longest time that a ride may take: it ends where the vehicle is. */
export async function endAbandoned(services: BookingServices, bookingId: string): Promise<void> {
  const row = await findBooking(services.context.database.sql, bookingId);
  if (row?.state !== 'riding' && row?.state !== 'paused') return;
  await lockVehicle(services, row);
  await finish(services, bookingId, [], false);
}

export function returnHandlers(services: BookingServices): Pick<Handlers<Operations>, 'end' | 'uploadPhoto' | 'getPhoto' | 'giveFeedback'> {
  const { context } = services;
  const { sql } = context.database;
  return {
    async end(call) {
      const caller = callerOf(call);
      const row = await readOwn(services, call.params.bookingId, caller);
      if (row.state === 'ended' || row.state === 'charged') return toBooking(row, context.clock.now());
      if (row.state !== 'riding' && row.state !== 'paused') throw new Problem('wrong-state', `the booking is ${row.state}`);
      const photoIds = [...new Set(call.body.photoIds)];
      const own = await countOwnPhotos(sql, row.riderId, photoIds);
      if (!isStaff(caller) && (photoIds.length === 0 || own < photoIds.length)) throw new Problem('photo-required', photoIds.length === 0 ? undefined : 'a photo of this list is not yours');
      await lockVehicle(services, row);
      const ended = await finish(services, row.id, photoIds, !isStaff(caller));
      const charged = await charge(services, ended.id).catch((error: unknown) => {
        // The ride is over; the timer goes on charging.
        context.logger.warn({ error, bookingId: ended.id }, 'the ride could not be charged at its end; tried again');
        return undefined;
      });
      return toBooking(charged ?? ended, context.clock.now());
    },

    async uploadPhoto(call) {
      const { subject } = callerOf(call);
      const [upload] = call.uploads;
      const contentType = upload ? imageTypeOf(upload.bytes) : undefined;
      if (!upload || !contentType || call.uploads.length > 1) throw new Problem('photo-unreadable', 'one JPEG, PNG or WebP image in the part `photo`');
      if (upload.bytes.byteLength > photoLimitBytes) throw new Problem('payload-too-large', 'at most 8 MiB');
      // Where it was taken, when and by whose camera is nobody's business; the ride has its own position.
      const picture = withoutMetadata(upload.bytes, contentType);
      if (!picture) throw new Problem('photo-unreadable', 'the image is not whole');
      const digest = createHash('sha256').update(upload.bytes).digest('base64url');
      const id = v7();
      // Object first, row then: a row never names a photo that is not there.
      await context.blobs.putIfAbsent(`photos/${id}`, picture, contentType);
      const stored = await insertPhoto(sql, { id, riderId: subject, contentType, digest, createdAt: context.clock.now(), idempotencyKey: call.idempotencyKey ?? id });
      if (stored.id !== id) await context.blobs.delete(`photos/${id}`);
      if (stored.digest !== digest) throw new Problem('idempotency-key-reused');
      return { id: stored.id };
    },

    async getPhoto(call) {
      const caller = callerOf(call);
      const photo = await findPhoto(sql, call.params.photoId);
      if (!photo || (photo.riderId !== caller.subject && !isStaff(caller))) throw new Problem('not-found');
      const blob = await context.blobs.get(`photos/${photo.id}`);
      if (!blob) throw new Problem('not-found');
      return new RawReply(photo.contentType, blob.bytes, { 'cache-control': 'private, max-age=86400' });
    },

    async giveFeedback(call) {
      const owner = ownerFilter(callerOf(call));
      const { rating, text, faults } = call.body;
      return context.database.transaction(async (transaction) => {
        const row = await lockOwn(transaction, call.params.bookingId, owner);
        if (row.state !== 'ended' && row.state !== 'charged') throw new Problem('wrong-state', 'feedback is for rides that are over');
        const feedback = { rating, ...(text && { text }), faults };
        if (row.feedback) {
          if (JSON.stringify([row.feedback.rating, row.feedback.text, row.feedback.faults]) === JSON.stringify([rating, text, faults])) return toBooking(row, context.clock.now());
          throw new Problem('feedback-exists');
        }
        const changed = await updateBooking(transaction.sql, row.id, { feedback });
        transaction.publish(bookingContract.events.rated, row.id, { bookingId: row.id, riderId: row.riderId, vehicleId: row.vehicleId, rating, faults });
        return toBooking(changed, context.clock.now());
      });
    },
  };
}
