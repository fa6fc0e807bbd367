/**
 * What holds whatever breaks. Safety holds at every moment; the rest when the city has come to rest: nothing is asked of
 * it any more, and what was on its way has arrived.
 */
import { bookingLifeCycle, holdingStates } from '../../server/services/booking/domain/life-cycle.ts';
import type { BookingFact, Evidence, KeptAnswer, ProviderCharge } from './evidence.ts';

export interface Invariant {
  name: string;
  /** @returns a sentence for each place where it does not hold */
  broken(evidence: Evidence): string[];
}

export interface Broken {
  invariant: string;
  findings: string[];
}

const ridden: readonly string[] = ['ended', 'charged'];
const riding: readonly string[] = ['riding', 'paused'];
const bookingOf = (attempt: string): string => attempt.split(':')[1] ?? '';
const sum = (amounts: Iterable<number>): number => [...amounts].reduce((total, amount) => total + amount, 0);
const countOf = (names: readonly string[]): Map<string, number> => names.reduce((counts, name) => counts.set(name, (counts.get(name) ?? 0) + 1), new Map<string, number>());

/** Pairs that overlap by more than the slack, for each vehicle. */
function overlaps<Span extends { vehicleId: string; fromMs: number; toMs: number }>(spans: readonly Span[], slackMs = 0): [Span, Span][] {
  return [...Map.groupBy(spans, ({ vehicleId }) => vehicleId).values()].flatMap((ofVehicle) => {
    const sorted = ofVehicle.toSorted((a, b) => a.fromMs - b.fromMs);
    const found: [Span, Span][] = [];
    let longest = sorted[0];
    for (const next of sorted.slice(1)) {
      if (longest && next.fromMs + slackMs < longest.toMs) found.push([longest, next]);
      if (!longest || next.toMs > longest.toMs) longest = next;
    }
    return found;
  });
}

/** A booking holds its vehicle for the booked time until it is a ride, and from then on until it ends. */
function heldSpans(bookings: readonly BookingFact[]): { id: string; vehicleId: string; fromMs: number; toMs: number }[] {
  return bookings.flatMap(({ id, vehicleId, state, startsAtMs, endsAtMs, startedAtMs, endedAtMs }) => {
    if (riding.includes(state)) return [{ id, vehicleId, fromMs: startedAtMs ?? startsAtMs, toMs: Number.POSITIVE_INFINITY }];
    if (ridden.includes(state)) return [{ id, vehicleId, fromMs: startedAtMs ?? 0, toMs: endedAtMs ?? Number.POSITIVE_INFINITY }];
    return holdingStates.includes(state) ? [{ id, vehicleId, fromMs: startsAtMs, toMs: endsAtMs }] : [];
  });
}

const oneRider: Invariant = {
  name: 'no vehicle has two riders at a time',
  broken: ({ bookings, rides, clockSlackMs }) => [
    ...overlaps(heldSpans(bookings), clockSlackMs).map(([one, other]) => `vehicle ${one.vehicleId}: bookings ${one.id} and ${other.id} overlap`),
    ...overlaps(rides).filter(([one, other]) => one.riderId !== other.riderId).map(([one, other]) => `vehicle ${one.vehicleId}: riders ${one.riderId} and ${other.riderId} rode it at the same time`),
  ],
};

const balanced: Invariant = {
  name: 'the ledger sums to zero in each currency',
  broken: ({ ledger }) => ledger.filter(({ balanceMinor }) => balanceMinor !== 0).map(({ currency, balanceMinor }) => `${currency} is off by ${balanceMinor}`),
};

/** What should stand at the providers for a booking at rest. */
function wrongAtProviders(booking: BookingFact, charges: readonly ProviderCharge[], evidence: Evidence): string[] {
  const payment = evidence.payments.find(({ bookingId }) => bookingId === booking.id);
  const taken = sum(charges.map(({ capturedMinor }) => capturedMinor));
  const held = sum(charges.map(({ heldMinor }) => heldMinor));
  const refunded = sum(charges.map(({ refundedMinor }) => refundedMinor));
  const isOver = !holdingStates.includes(booking.state);
  const due = ridden.includes(booking.state) ? (booking.totalMinor ?? 0) - (payment?.debtMinor ?? 0) : 0;
  const isHeld = booking.state === 'confirmed' || riding.includes(booking.state);
  return [
    ...(taken === due ? [] : [`booking ${booking.id} (${booking.state}): ${due} was due, the providers took ${taken}`]),
    ...(isOver && held !== 0 ? [`booking ${booking.id} (${booking.state}): ${held} is still held`] : []),
    ...(isHeld && held !== (payment?.authorisedMinor ?? 0) ? [`booking ${booking.id} (${booking.state}): ${payment?.authorisedMinor ?? 0} should be held, ${held} is`] : []),
    ...(refunded === (payment?.refundedMinor ?? 0) ? [] : [`booking ${booking.id}: ${payment?.refundedMinor ?? 0} was given back by our books, ${refunded} by theirs`]),
    ...((payment?.capturedMinor ?? 0) === taken ? [] : [`booking ${booking.id}: our payment says ${payment?.capturedMinor ?? 0}, the providers ${taken}`]),
  ];
}

const chargedOnce: Invariant = {
  name: 'each ended ride is charged exactly once at the providers, and nothing else is',
  broken(evidence) {
    const real = evidence.charges.filter(({ capturedMinor, heldMinor }) => capturedMinor > 0 || heldMinor > 0);
    const charges = Map.groupBy(real, ({ attempt }) => bookingOf(attempt));
    const known = new Set(evidence.bookings.map(({ id }) => id));
    const twice = [...countOf(real.map(({ attempt }) => attempt))].filter(([, count]) => count > 1);
    return [
      ...[...charges].filter(([id]) => !known.has(id)).map(([id, list]) => `${list.length} charges for ${id}, which is no booking`),
      ...evidence.bookings.flatMap((booking) => wrongAtProviders(booking, charges.get(booking.id) ?? [], evidence)),
      ...evidence.bookings.filter(({ id, state }) => state === 'ended' && !evidence.payments.some((payment) => payment.bookingId === id && payment.state === 'capture-failed')).map(({ id }) => `ride ${id} has ended and is not charged`),
      ...twice.map(([attempt, count]) => `the providers have attempt ${attempt} ${count} times`),
    ];
  },
};

const bookedOnce: Invariant = {
  name: 'each ride stands in the books once, at its price',
  broken({ bookings, booked, payments }) {
    const byId = new Map(booked.map((entry) => [entry.bookingId, entry]));
    const debts = new Map(payments.map(({ bookingId, debtMinor }) => [bookingId, debtMinor]));
    return bookings.flatMap(({ id, state, totalMinor }) => {
      const entry = byId.get(id) ?? { rides: 0, owedMinor: 0, receivedMinor: 0 };
      const price = ridden.includes(state) ? (totalMinor ?? 0) : 0;
      const rides = price > 0 ? 1 : 0;
      const due = price - (debts.get(id) ?? 0);
      return [
        ...(entry.rides === rides ? [] : [`booking ${id} (${state}) stands in the books ${entry.rides} times`]),
        ...(entry.owedMinor === price ? [] : [`booking ${id} (${state}) costs ${price}, the books say ${entry.owedMinor}`]),
        ...(entry.receivedMinor === due ? [] : [`booking ${id} (${state}): ${due} was due, ${entry.receivedMinor} was received`]),
      ];
    });
  },
};

const noneLost: Invariant = {
  name: 'no accepted booking is lost',
  broken({ bookings, told }) {
    const vehicleOf = new Map(bookings.map(({ id, vehicleId }) => [id, vehicleId]));
    return told.filter(({ status }) => status === 201).flatMap(({ bookingId, vehicleId, key }) => {
      if (bookingId === null || !vehicleOf.has(bookingId)) return [`booking ${bookingId}, which request ${key} was told, is gone`];
      return vehicleOf.get(bookingId) === vehicleId ? [] : [`booking ${bookingId} was for ${vehicleId}, and is for ${vehicleOf.get(bookingId)}`];
    });
  },
};

/** A booking that has failed since is answered with the refusal. */
const sameAnswer = (first: KeptAnswer, again: KeptAnswer, hasFailed: boolean): boolean =>
  first.status === 201 ? (again.status === 201 && again.bookingId === first.bookingId && again.vehicleId === first.vehicleId) || (hasFailed && (again.status === 402 || again.status === 503)) : true;

const sameAgain: Invariant = {
  name: 'a repeated Idempotency-Key is answered the same',
  broken({ bookings, told, repeated }) {
    const again = new Map(repeated.map((answer) => [answer.key, answer]));
    const failed = new Set(bookings.filter(({ state }) => state === 'failed').map(({ id }) => id));
    return told.flatMap((first) => {
      const second = again.get(first.key);
      if (!second || sameAnswer(first, second, failed.has(first.bookingId ?? ''))) return [];
      return [`request ${first.key} was answered ${first.status} with ${first.bookingId}, and again ${second.status} with ${second.bookingId}`];
    });
  },
};

/** The path of one booking, each event once. @returns undefined when all is well */
function wrongPath(state: string, path: Evidence['life']): string | undefined {
  let at: string | null = null;
  for (const { from, to } of path) {
    if (from !== at) return `says ${from} → ${to} after ${at}`;
    const isAllowed = from === null ? to === 'reserved' : Object.values(bookingLifeCycle).some((step) => (step.from as readonly string[]).includes(from) && step.to === to);
    if (!isAllowed) return `went from ${from} to ${to}, which is no step of its life`;
    at = to;
  }
  return at === state ? undefined : `is ${state}, and its events end with ${at}`;
}

const livedByTheCycle: Invariant = {
  name: 'every booking went through its life step by step, each step was told once and in order',
  broken({ bookings, life }) {
    const seen = new Set<string>();
    const once = life.filter(({ eventId }) => !seen.has(eventId) && seen.add(eventId));
    const paths = Map.groupBy(once, ({ bookingId }) => bookingId);
    const known = new Set(bookings.map(({ id }) => id));
    return [
      ...bookings.flatMap(({ id, state }) => {
        const wrong = wrongPath(state, paths.get(id) ?? []);
        return wrong ? [`booking ${id} ${wrong}`] : [];
      }),
      ...[...paths.keys()].filter((id) => !known.has(id)).map((id) => `booking ${id} was told about and does not exist`),
    ];
  },
};

const eventsArrive: Invariant = {
  name: 'every event was published, and handled by everybody who wants it',
  broken: ({ outbox, lag, deadLetters, unhandled }) => [
    ...outbox.filter(({ events }) => events > 0).map(({ module, events }) => `${events} events wait in the outbox of ${module}`),
    ...lag.filter(({ events }) => events > 0).map(({ group, topic, events }) => `${group} is ${events} events behind in ${topic}`),
    ...deadLetters.filter(({ events }) => events > 0).map(({ topic, events, error }) => `${events} dead letters of ${topic}: ${error}`),
    ...unhandled.map(({ module, eventId, type }) => `${module} has not handled ${type} ${eventId}`),
  ],
};

const paymentsAreCertain: Invariant = {
  name: 'no payment is left uncertain',
  broken: ({ payments, openAttempts }) => [
    ...payments.filter(({ state }) => state === 'pending' || state === 'capture-pending').map(({ bookingId, state }) => `the payment of ${bookingId} is ${state}`),
    ...openAttempts.map((attempt) => `nobody knows how ${attempt} ended`),
  ],
};

function disagreements(vehicles: Evidence['vehicles'], bookings: Evidence['bookings'], who: string): string[] {
  const open = new Map(bookings.filter(({ state }) => riding.includes(state)).map((booking) => [booking.vehicleId, booking]));
  return vehicles.flatMap(({ id, locked, bookingId }) => {
    const booking = open.get(id);
    if (!booking) return locked ? [] : [`${who} ${id} is open (for ${bookingId}) and nobody rides it`];
    if (bookingId !== booking.id) return [`${who} ${id} is ridden on ${booking.id} and says ${bookingId}`];
    return locked === (booking.state === 'paused') ? [] : [`${who} ${id} is ${locked ? 'locked' : 'open'} and its booking is ${booking.state}`];
  });
}

const vehiclesAgree: Invariant = {
  name: 'vehicles and bookings say the same',
  broken: ({ vehicles, bodies, bookings, holds }) => [
    ...disagreements(vehicles, bookings, 'the record of vehicle'),
    ...disagreements(bodies, bookings, 'vehicle'),
    ...holds.flatMap((hold) => {
      const booking = bookings.find(({ id }) => id === hold.bookingId);
      return booking?.state === hold.state ? [] : [`the vehicle service has booking ${hold.bookingId} as ${hold.state}, it is ${booking?.state ?? 'none'}`];
    }),
    ...bookings.filter(({ id, state }) => holdingStates.includes(state) && !holds.some(({ bookingId }) => bookingId === id)).map(({ id, vehicleId }) => `the vehicle service does not know that ${id} holds ${vehicleId}`),
  ],
};

const timersFire: Invariant = {
  name: 'no timer is overdue',
  broken: ({ overdue }) => overdue.map(({ module, kind, key, lateMs }) => `timer ${kind} ${key} of ${module} is ${Math.round(lateMs / 1000)} s late`),
};

export const invariants: readonly Invariant[] = [oneRider, balanced, chargedOnce, bookedOnce, noneLost, sameAgain, livedByTheCycle, eventsArrive, paymentsAreCertain, vehiclesAgree, timersFire];

/** @returns what does not hold; nothing when all does */
export const findBroken = (evidence: Evidence): Broken[] =>
  invariants.flatMap(({ name, broken }) => {
    const findings = broken(evidence);
    return findings.length > 0 ? [{ invariant: name, findings }] : [];
  });
