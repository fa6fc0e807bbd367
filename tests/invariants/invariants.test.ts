/** Each invariant holds for a city in which all is well, and is broken by each thing that it is there to find. */
import { describe, expect, test } from 'vitest';
import { iotContract } from '../../server/iot/contract.ts';
import { readHouse } from '../../tools/reference/house.ts';
import type { Evidence } from './evidence.ts';
import { findBroken, invariants } from './invariants.ts';
import { consumed, otherGroups } from './reading.ts';

const minute = 60_000;
/** Vehicles that stand still go on telling how they are: the telemetry of a city has no end to wait for. */
const neverAtRest = iotContract.events.telemetryReceived.type;

/** A ride that was paid, a reservation that was cancelled, one that holds its vehicle, and a ride under way. */
const well: Evidence = {
  bookings: [
    { id: 'paid', riderId: 'r1', vehicleId: 'v1', state: 'charged', startsAtMs: 0, endsAtMs: 90 * minute, startedAtMs: minute, endedAtMs: 5 * minute, totalMinor: 300 },
    { id: 'given-back', riderId: 'r2', vehicleId: 'v1', state: 'cancelled', startsAtMs: minute, endsAtMs: 90 * minute, startedAtMs: null, endedAtMs: null, totalMinor: null },
    { id: 'kept', riderId: 'r2', vehicleId: 'v1', state: 'confirmed', startsAtMs: 6 * minute, endsAtMs: 90 * minute, startedAtMs: null, endedAtMs: null, totalMinor: null },
    { id: 'under-way', riderId: 'r3', vehicleId: 'v2', state: 'riding', startsAtMs: 0, endsAtMs: 90 * minute, startedAtMs: minute, endedAtMs: null, totalMinor: null },
  ],
  life: [
    { eventId: 'e1', bookingId: 'paid', from: null, to: 'reserved' }, { eventId: 'e2', bookingId: 'paid', from: 'reserved', to: 'confirmed' },
    { eventId: 'e3', bookingId: 'paid', from: 'confirmed', to: 'riding' }, { eventId: 'e2', bookingId: 'paid', from: 'reserved', to: 'confirmed' },
    { eventId: 'e4', bookingId: 'paid', from: 'riding', to: 'ended' }, { eventId: 'e5', bookingId: 'paid', from: 'ended', to: 'charged' },
    { eventId: 'e6', bookingId: 'given-back', from: null, to: 'reserved' }, { eventId: 'e7', bookingId: 'given-back', from: 'reserved', to: 'cancelled' },
    { eventId: 'e8', bookingId: 'kept', from: null, to: 'reserved' }, { eventId: 'e9', bookingId: 'kept', from: 'reserved', to: 'confirmed' },
    { eventId: 'e10', bookingId: 'under-way', from: null, to: 'reserved' }, { eventId: 'e11', bookingId: 'under-way', from: 'reserved', to: 'confirmed' }, { eventId: 'e12', bookingId: 'under-way', from: 'confirmed', to: 'riding' },
  ],
  payments: [
    { bookingId: 'paid', state: 'captured', authorisedMinor: 800, capturedMinor: 300, refundedMinor: 0, debtMinor: 0 },
    { bookingId: 'given-back', state: 'voided', authorisedMinor: 800, capturedMinor: 0, refundedMinor: 0, debtMinor: 0 },
    { bookingId: 'kept', state: 'authorised', authorisedMinor: 800, capturedMinor: 0, refundedMinor: 0, debtMinor: 0 },
    { bookingId: 'under-way', state: 'authorised', authorisedMinor: 800, capturedMinor: 0, refundedMinor: 0, debtMinor: 0 },
  ],
  openAttempts: [],
  ledger: [{ currency: 'EUR', balanceMinor: 0 }],
  booked: [{ bookingId: 'paid', rides: 1, owedMinor: 300, receivedMinor: 300 }],
  charges: [
    { provider: 'stripe', id: 'pi_1', attempt: 'authorise:paid:1', heldMinor: 0, capturedMinor: 300, refundedMinor: 0 },
    { provider: 'stripe', id: 'pi_2', attempt: 'authorise:given-back:1', heldMinor: 0, capturedMinor: 0, refundedMinor: 0 },
    { provider: 'adyen', id: 'psp1', attempt: 'authorise:kept:1', heldMinor: 800, capturedMinor: 0, refundedMinor: 0 },
    { provider: 'stripe', id: 'pi_3', attempt: 'authorise:under-way:1', heldMinor: 800, capturedMinor: 0, refundedMinor: 0 },
  ],
  outbox: [{ module: 'booking', events: 0 }],
  overdue: [],
  lag: [{ group: 'user', topic: 'bookings', events: 0 }],
  deadLetters: [{ topic: 'bookings', events: 0, error: '' }],
  unhandled: [],
  vehicles: [{ id: 'v1', locked: true, bookingId: 'paid' }, { id: 'v2', locked: false, bookingId: 'under-way' }],
  bodies: [{ id: 'v1', locked: true, bookingId: 'paid' }, { id: 'v2', locked: false, bookingId: 'under-way' }],
  holds: [{ bookingId: 'kept', vehicleId: 'v1', state: 'confirmed' }, { bookingId: 'under-way', vehicleId: 'v2', state: 'riding' }],
  told: [{ key: 'k1', status: 201, bookingId: 'paid', vehicleId: 'v1' }],
  repeated: [{ key: 'k1', status: 201, bookingId: 'paid', vehicleId: 'v1' }],
  rides: [{ riderId: 'r1', vehicleId: 'v1', fromMs: 100, toMs: 200 }, { riderId: 'r2', vehicleId: 'v1', fromMs: 201, toMs: 300 }],
  clockSlackMs: 0,
};

const booking = (id: string, change: Partial<Evidence['bookings'][number]>): Evidence['bookings'] => well.bookings.map((entry) => (entry.id === id ? { ...entry, ...change } : entry));
const charge = (id: string, change: Partial<Evidence['charges'][number]>): Evidence['charges'] => well.charges.map((entry) => (entry.id === id ? { ...entry, ...change } : entry));
const payment = (bookingId: string, change: Partial<Evidence['payments'][number]>): Evidence['payments'] => well.payments.map((entry) => (entry.bookingId === bookingId ? { ...entry, ...change } : entry));

/** What goes wrong, the evidence of it, and a part of what has to be found. */
const wrongs: [string, Partial<Evidence>, string][] = [
  ['two bookings of one vehicle at a time', { bookings: booking('kept', { startsAtMs: 4 * minute }) }, 'bookings paid and kept overlap'],
  ['two riders on one vehicle, as they saw it', { rides: [...well.rides, { riderId: 'r3', vehicleId: 'v1', fromMs: 150, toMs: 160 }] }, 'at the same time'],
  ['a ledger that does not balance', { ledger: [{ currency: 'EUR', balanceMinor: 0 }, { currency: 'SEK', balanceMinor: -1 }] }, 'SEK is off by -1'],
  ['a ride that nobody charged', { charges: charge('pi_1', { capturedMinor: 0, heldMinor: 0 }) }, '300 was due, the providers took 0'],
  ['a ride that was charged twice', { charges: [...well.charges, { provider: 'adyen', id: 'psp2', attempt: 'authorise:paid:1', heldMinor: 0, capturedMinor: 300, refundedMinor: 0 }] }, '300 was due, the providers took 600'],
  ['an attempt that two providers have taken up', { charges: [...well.charges, { provider: 'adyen', id: 'psp2', attempt: 'authorise:kept:1', heldMinor: 800, capturedMinor: 0, refundedMinor: 0 }] }, 'attempt authorise:kept:1 2 times'],
  ['a charge without a booking', { charges: [...well.charges, { provider: 'adyen', id: 'psp2', attempt: 'authorise:nobody:1', heldMinor: 800, capturedMinor: 0, refundedMinor: 0 }] }, 'nobody, which is no booking'],
  ['money of a cancelled booking that is still held', { charges: charge('pi_2', { heldMinor: 800 }) }, '800 is still held'],
  ['a reservation without its hold', { charges: charge('psp1', { heldMinor: 0 }) }, '800 should be held, 0 is'],
  ['our payment and the provider differ', { payments: payment('paid', { capturedMinor: 200 }) }, 'our payment says 200, the providers 300'],
  ['a refund that they gave and we did not', { charges: charge('pi_1', { refundedMinor: 100 }) }, '0 was given back by our books, 100 by theirs'],
  ['a ride that has ended and is never charged', { bookings: booking('paid', { state: 'ended' }) }, 'has ended and is not charged'],
  ['a ride that stands in the books twice', { booked: [{ bookingId: 'paid', rides: 2, owedMinor: 600, receivedMinor: 300 }] }, 'stands in the books 2 times'],
  ['a ride that the books do not know', { booked: [] }, 'stands in the books 0 times'],
  ['a cancelled booking that stands in the books', { booked: [...well.booked, { bookingId: 'given-back', rides: 1, owedMinor: 100, receivedMinor: 0 }] }, 'given-back (cancelled) stands in the books 1 times'],
  ['an accepted booking that is gone', { told: [{ key: 'k2', status: 201, bookingId: 'lost', vehicleId: 'v1' }] }, 'booking lost, which request k2 was told, is gone'],
  ['an accepted booking that is for another vehicle', { told: [{ key: 'k1', status: 201, bookingId: 'paid', vehicleId: 'v9' }] }, 'was for v9, and is for v1'],
  ['a repeated key that makes another booking', { repeated: [{ key: 'k1', status: 201, bookingId: 'kept', vehicleId: 'v1' }] }, 'and again 201 with kept'],
  ['a repeated key that is refused', { repeated: [{ key: 'k1', status: 409, bookingId: null, vehicleId: null }] }, 'and again 409'],
  ['a step that is no step', { life: [...well.life, { eventId: 'e13', bookingId: 'paid', from: 'charged', to: 'riding' }], bookings: booking('paid', { state: 'riding' }) }, 'from charged to riding, which is no step'],
  ['a step that nobody was told', { life: well.life.filter(({ eventId }) => eventId !== 'e4') }, 'says ended → charged after riding'],
  ['a last step that nobody was told', { life: well.life.filter(({ eventId }) => eventId !== 'e5') }, 'is charged, and its events end with ended'],
  ['a step that was told twice with two ids', { life: [...well.life, { eventId: 'e14', bookingId: 'paid', from: 'ended', to: 'charged' }] }, 'says ended → charged after charged'],
  ['events of a booking that was rolled back', { life: [...well.life, { eventId: 'e15', bookingId: 'ghost', from: null, to: 'reserved' }] }, 'ghost was told about and does not exist'],
  ['events that are never published', { outbox: [{ module: 'booking', events: 2 }] }, '2 events wait in the outbox of booking'],
  ['a group that is behind', { lag: [{ group: 'user', topic: 'bookings', events: 3 }] }, 'user is 3 events behind'],
  ['events that were given up', { deadLetters: [{ topic: 'vehicles', events: 1, error: 'why' }] }, '1 dead letters of vehicles: why'],
  ['an event that somebody has not handled', { unhandled: [{ module: 'booking', eventId: 'e9', type: 'payments.captured' }] }, 'booking has not handled payments.captured e9'],
  ['a payment that stays uncertain', { payments: payment('kept', { state: 'pending' }) }, 'the payment of kept is pending'],
  ['an attempt whose end nobody knows', { openAttempts: ['void:given-back:1'] }, 'void:given-back:1 ended'],
  ['a vehicle that stands open', { vehicles: [{ id: 'v1', locked: false, bookingId: 'paid' }] }, 'the record of vehicle v1 is open'],
  ['a vehicle that really stands open', { bodies: [{ id: 'v1', locked: false, bookingId: 'paid' }] }, 'vehicle v1 is open (for paid) and nobody rides it'],
  ['a ride on a vehicle that is locked', { bodies: [{ id: 'v2', locked: true, bookingId: 'under-way' }] }, 'is locked and its booking is riding'],
  ['a pause on a vehicle that is open', { bookings: booking('under-way', { state: 'paused' }) }, 'is open and its booking is paused'],
  ['a vehicle that was opened for another booking', { vehicles: [{ id: 'v2', locked: false, bookingId: 'kept' }] }, 'is ridden on under-way and says kept'],
  ['a vehicle that is held for nobody', { holds: [...well.holds, { bookingId: 'given-back', vehicleId: 'v1', state: 'reserved' }] }, 'has booking given-back as reserved, it is cancelled'],
  ['a booking that the vehicle service has not heard of', { holds: well.holds.slice(1) }, 'does not know that kept holds v1'],
  ['a timer that does not fire', { overdue: [{ module: 'payment', kind: 'payment-check', key: 'paid', lateMs: 61_000 }] }, 'timer payment-check paid of payment is 61 s late'],
];

describe('invariants', () => {
  test('hold where all is well', () => {
    expect(findBroken(well)).toEqual([]);
  });

  test.each(wrongs)('find %s', (_what, change, finding) => {
    expect(findBroken({ ...well, ...change }).flatMap(({ findings }) => findings).join('\n')).toContain(finding);
  });

  test('each of them can be broken', () => {
    const found = new Set(wrongs.flatMap(([, change]) => findBroken({ ...well, ...change }).map(({ invariant }) => invariant)));
    expect([...found].toSorted()).toEqual(invariants.map(({ name }) => name).toSorted());
  });

  test('stored times may overlap by as much as a clock went back, and no more', () => {
    const bookings = booking('kept', { startsAtMs: 4 * minute });
    expect(findBroken({ ...well, bookings, clockSlackMs: minute })).toEqual([]);
    expect(findBroken({ ...well, bookings, clockSlackMs: minute - 1 })).toHaveLength(1);
  });

  test('every event that a module hears is looked for', () => {
    const isLookedFor = (module: string, type: string): boolean => {
      const topic = type.split('.')[0] ?? '';
      const wanted = consumed[module] ?? [];
      return wanted.includes(type) || wanted.includes(topic) || Object.entries(otherGroups).some(([group, topics]) => group.startsWith(`${module}-`) && topics.includes(topic));
    };
    const missing = readHouse().flatMap(({ name, hears }) => hears.filter((type) => type !== neverAtRest && !isLookedFor(name, type)).map((type) => `${name} hears ${type}`));
    expect(missing).toEqual([]);
  });

  test('a ride whose price could not be taken is a debt, not a loss', () => {
    const evidence: Evidence = {
      ...well, bookings: booking('paid', { state: 'ended' }), life: well.life.filter(({ eventId }) => eventId !== 'e5'), charges: charge('pi_1', { capturedMinor: 0 }),
      payments: payment('paid', { state: 'capture-failed', capturedMinor: 0, debtMinor: 300 }), booked: [{ bookingId: 'paid', rides: 1, owedMinor: 300, receivedMinor: 0 }],
    };
    expect(findBroken(evidence)).toEqual([]);
  });
});
