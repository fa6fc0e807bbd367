/** From a wish to a confirmed reservation: quote, rules, the database's exclusion, the payment's authorisation. */
import { v7 } from 'uuid';
import type { Transaction } from '../../infra/sql/port.ts';
import type { Handlers } from '../../wire/contract.ts';
import { requestHash } from '../../wire/idempotency.ts';
import { Problem } from '../../wire/problem.ts';
import type { Payment } from '../payment/contract.ts';
import type { Eligibility } from '../user/contract.ts';
import type { RentableVehicle } from '../vehicle/contract.ts';
import type { bookingContract, Quote } from './contract.ts';
import { price } from './domain/pricing.ts';
import { isRefusal, type Plan, plan, riderRefusal, vehicleRefusal } from './domain/rules.ts';
import { toBooking } from './presentation.ts';
import { type BookingServices, callerOf, isStaff } from './services.ts';
import { type BookingRow, findByKey, findQuote, insertBooking, insertQuote, refusalOf, updateBooking } from './store.ts';
import { advance, announce, lockOwn } from './transitions.ts';

type Operations = typeof bookingContract.operations;

const quoteLifetimeMs = 5 * 60_000;
/** A payment that is still uncertain is looked at again after this long, also when the program was killed in between. */
const paymentDeadlineMs = 20_000;
const challengeDeadlineMs = 10 * 60_000;

interface Wish {
  vehicleId: string;
  startsAt?: string;
  minutes?: number;
}

interface Assessment {
  rentable: RentableVehicle;
  rider: Eligibility;
  plan: Plan;
}

/** Everything that is known about a wish before the database decides. @throws Problem that names the rule */
async function assess(services: BookingServices, riderId: string, wish: Wish): Promise<Assessment> {
  const [rentable, rider] = await Promise.all([
    services.vehicles.getRentableVehicle({ params: { vehicleId: wish.vehicleId } }),
    services.users.getEligibility({ params: { riderId } }),
  ]);
  const nowMs = services.context.clock.nowMs();
  const planned = plan(rentable.vehicle.type, nowMs, {
    ...(wish.startsAt !== undefined && { startsAtMs: Date.parse(wish.startsAt) }),
    ...(wish.minutes !== undefined && { minutes: wish.minutes }),
  });
  if (isRefusal(planned)) throw new Problem(planned.refused, planned.detail);
  const refusal = riderRefusal(rider, rentable.model, planned) ?? vehicleRefusal(rentable, planned, nowMs);
  if (refusal) throw new Problem(refusal.refused, refusal.detail);
  return { rentable, rider, plan: planned };
}

function quoteOf(id: string, { rentable, plan }: Assessment, multiplier: number, expiresAtMs: number): Quote {
  const { tariff, vehicle } = rentable;
  const priced = price(tariff, multiplier, { ridingMinutes: plan.minutes, pausedMinutes: 0, reservedMinutes: 0, distanceMetres: 0 });
  return {
    id, vehicleId: vehicle.id, startsAt: new Date(plan.startsAtMs).toISOString(), minutes: plan.minutes,
    lines: priced.lines, multiplier, ...(rentable.multiplierReason && { multiplierReason: rentable.multiplierReason }),
    totalMinor: priced.totalMinor, taxMinor: priced.taxMinor, taxPercent: tariff.taxPercent,
    depositMinor: tariff.depositMinor, authorisedMinor: priced.totalMinor + tariff.depositMinor,
    currency: tariff.currency, expiresAt: new Date(expiresAtMs).toISOString(),
  };
}

/** The multiplier that a quote promised, when it is still good for this wish. @throws Problem */
async function promisedMultiplier({ context }: BookingServices, quoteId: string, riderId: string, wish: Wish): Promise<number> {
  const quote = await findQuote(context.database.sql, quoteId);
  if (!quote || quote.riderId !== riderId || quote.vehicleId !== wish.vehicleId) throw new Problem('quote-mismatch');
  const otherTime = (wish.minutes !== undefined && wish.minutes !== quote.minutes) || (wish.startsAt !== undefined && quote.startsAt !== null && Date.parse(wish.startsAt) !== quote.startsAt.getTime());
  if (otherTime) throw new Problem('quote-mismatch', 'the quote is for another time');
  if (quote.expiresAt.getTime() <= context.clock.nowMs()) throw new Problem('quote-expired');
  return quote.multiplier;
}

/** The first insert decides: the exclusion constraint lets one booking of a vehicle and time in. */
async function insertReserved(services: BookingServices, row: BookingRow): Promise<void> {
  const { context } = services;
  await context.database.transaction(async (transaction) => {
    await insertBooking(transaction.sql, row);
    announce(transaction, row, null, row.createdAt);
    transaction.schedule({ kind: 'payment-deadline', key: row.id, dueAt: new Date(row.createdAt.getTime() + paymentDeadlineMs) });
  });
}

/** Moves a reserved booking on by what the payment says. Safe to repeat: a booking that has moved on stays. */
export async function applyPayment(transaction: Transaction, bookingId: string, payment: Payment, now: Date): Promise<BookingRow> {
  const row = await lockOwn(transaction, bookingId, undefined);
  if (row.state !== 'reserved') {
    // The answer came after the booking was given up: what was held goes back.
    const givenUp = row.state === 'failed' || row.state === 'cancelled' || row.state === 'expired';
    if (givenUp && payment.state === 'authorised') transaction.schedule({ kind: 'payment-release', key: row.id, dueAt: now });
    return row;
  }
  switch (payment.state) {
    case 'authorised':
    case 'captured':
    case 'capture-pending':
      transaction.cancelTimer('payment-deadline', row.id);
      transaction.schedule({ kind: 'reservation-expiry', key: row.id, dueAt: row.reservedUntil });
      return advance(transaction, row, 'authorised', now, { paymentState: 'authorised', actionUrl: null });
    case 'declined':
    case 'voided':
    case 'capture-failed':
      transaction.cancelTimer('payment-deadline', row.id);
      return advance(transaction, row, 'refused', now, { paymentState: 'declined', failureCode: payment.failureCode ?? 'payment-declined' });
    case 'action-required':
    case 'pending': {
      const deadlineMs = payment.state === 'pending' ? paymentDeadlineMs : challengeDeadlineMs;
      transaction.schedule({ kind: 'payment-deadline', key: row.id, dueAt: new Date(Math.max(now.getTime() + 1000, row.createdAt.getTime() + deadlineMs)) });
      return updateBooking(transaction.sql, row.id, { paymentState: payment.state, actionUrl: payment.actionUrl ?? null });
    }
  }
}

/** What the rider is told of a booking whose payment was refused. */
const failure = (row: BookingRow): Problem =>
  new Problem(row.failureCode === 'payment-method-missing' || row.failureCode === 'payment-provider-down' ? row.failureCode : 'payment-declined', `booking ${row.id} failed`);

async function authorise(services: BookingServices, row: BookingRow, paymentMethodId: string | undefined): Promise<BookingRow> {
  let payment: Payment;
  try {
    payment = await services.payments.authorise({
      params: { bookingId: row.id },
      body: {
        riderId: row.riderId, amountMinor: Math.max(1, row.authorisedMinor), currency: row.terms.tariff.currency,
        returnUrl: `${services.context.configuration.publicUrl}/bookings/${row.id}`, ...(paymentMethodId && { paymentMethodId }),
      },
    });
  } catch (error) {
    // Refused before anything was asked of a provider: the reservation is given back at once.
    if (!(error instanceof Problem) || error.code === 'unavailable' || error.code === 'timeout') throw error;
    await services.context.database.transaction(async (transaction) => {
      const current = await lockOwn(transaction, row.id, undefined);
      transaction.cancelTimer('payment-deadline', row.id);
      if (current.state === 'reserved') await advance(transaction, current, 'refused', services.context.clock.now(), { failureCode: error.code });
    });
    throw error;
  }
  const { clock, database } = services.context;
  return database.transaction((transaction) => applyPayment(transaction, row.id, payment, clock.now()));
}

/** What a repeated request is answered with. @throws Problem when the key was used for something else */
function answerAgain(row: BookingRow, hash: string, now: Date): ReturnType<typeof toBooking> {
  if (row.requestHash !== hash) throw new Problem('idempotency-key-reused');
  if (row.state === 'failed') throw failure(row);
  return toBooking(row, now);
}

export function reserveHandlers(services: BookingServices): Pick<Handlers<Operations>, 'createQuote' | 'createBooking'> {
  const { context } = services;
  const { sql } = context.database;

  return {
    async createQuote(call) {
      const riderId = callerOf(call).subject;
      const assessment = await assess(services, riderId, call.body);
      const expiresAtMs = context.clock.nowMs() + quoteLifetimeMs;
      const quote = quoteOf(v7(), assessment, assessment.rentable.multiplier, expiresAtMs);
      const hash = requestHash(call.body);
      const stored = await insertQuote(sql, {
        id: quote.id, riderId, vehicleId: quote.vehicleId, startsAt: call.body.startsAt ? new Date(assessment.plan.startsAtMs) : null, minutes: quote.minutes,
        multiplier: quote.multiplier, answer: quote, expiresAt: new Date(expiresAtMs), requestHash: hash, idempotencyKey: call.idempotencyKey ?? quote.id,
      });
      if (stored.requestHash !== hash) throw new Problem('idempotency-key-reused');
      return stored.answer;
    },

    async createBooking(call) {
      const caller = callerOf(call);
      const { body } = call;
      const idempotencyKey = call.idempotencyKey ?? '';
      const hash = requestHash(body);
      const nowDate = context.clock.now();
      let row: BookingRow;
      try {
        const assessment = await assess(services, caller.subject, body);
        const multiplier = body.quoteId ? await promisedMultiplier(services, body.quoteId, caller.subject, body) : assessment.rentable.multiplier;
        row = newBooking(caller.subject, assessment, quoteOf('', assessment, multiplier, 0), { idempotencyKey, requestHash: hash, takesPlace: !assessment.plan.fixedTime && !isStaff(caller) }, nowDate);
        await insertReserved(services, row);
      } catch (error) {
        // A repeated request meets the rules again, and its own booking in the way.
        const earlier = await findByKey(sql, caller.subject, idempotencyKey);
        if (earlier) return answerAgain(earlier, hash, nowDate);
        const refusal = refusalOf(error);
        if (refusal && refusal !== 'repeated') throw new Problem(refusal, undefined, { cause: error });
        throw error;
      }
      const booked = await authorise(services, row, body.paymentMethodId);
      if (booked.state === 'failed') throw failure(booked);
      return toBooking(booked, context.clock.now());
    },
  };
}

function newBooking(
  riderId: string,
  { rentable, rider, plan }: Assessment,
  quote: Quote,
  request: Pick<BookingRow, 'idempotencyKey' | 'requestHash' | 'takesPlace'>,
  createdAt: Date,
): BookingRow {
  const { vehicle, model, tariff, cityId, timeZone, parking } = rentable;
  return {
    ...request, id: v7(), riderId, vehicleId: vehicle.id, vehicleType: vehicle.type, model: model.name, state: 'reserved',
    fixedTime: plan.fixedTime, minutes: plan.minutes, startsAt: new Date(plan.startsAtMs), endsAt: new Date(plan.endsAtMs), reservedUntil: new Date(plan.reservedUntilMs),
    startedAt: null, endedAt: null, pausedSince: null, pausedSeconds: 0, startPosition: null, endPosition: null, startOdometerMetres: null, distanceMetres: null,
    multiplier: quote.multiplier, terms: { tariff, model, cityId, timeZone, parking, locale: rider.locale }, price: null,
    authorisedMinor: quote.authorisedMinor, paymentState: 'pending', actionUrl: null, failureCode: null,
    tokenExpiresAt: null, unlockCommandId: null, lockCommandId: null, photoIds: [], feedback: null, revision: 1, createdAt,
  };
}
