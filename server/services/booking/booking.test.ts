import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { eventually } from '../../program/testing.ts';
import type { Caller } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { userContract } from '../user/contract.ts';
import { rentableVehicle } from './testing/fixtures.ts';
import { openWorld, riderCaller, type World } from './testing/world.ts';

let world: World;
let rider: Caller;
let vehicleId: string;

beforeAll(async () => {
  world = await openWorld();
});
afterAll(() => world.process.dispose());
beforeEach(() => {
  rider = riderCaller();
  vehicleId = `FRA-${v7()}`;
  Object.assign(world.stage, { rentable: rentableVehicle(), vehicle: {}, payment: 'authorised', commandVerdict: { state: 'verified' }, parkingForbidden: false, bayId: 'bay-1', odometerMetres: 1000, calls: [] });
});

const minuteMs = 60_000;
const book = (body: { minutes?: number; startsAt?: string; quoteId?: string } = {}, caller = rider, idempotencyKey: string = v7()) =>
  world.booking.createBooking({ body: { vehicleId, ...body } }, { caller, idempotencyKey });
const get = (bookingId: string) => world.booking.getBooking({ params: { bookingId } }, { caller: rider });
const inState = (bookingId: string, state: string) => eventually(async () => ((await get(bookingId)).state === state ? get(bookingId) : undefined));
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const outcome = await work.then(() => 'nothing', (error: unknown) => error);
  if (outcome instanceof Problem) return outcome.code;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};
async function photo(caller = rider): Promise<string> {
  const bytes = new Uint8Array([0xff, 0xd8, 0xff, 0xfe, 0, 3, 1, 0xff, 0xd9]);
  const dispatched = await world.process.served('booking')?.dispatch('uploadPhoto', { uploads: [{ fileName: 'a.jpg', contentType: 'image/jpeg', bytes }] }, { caller, idempotencyKey: v7() });
  return ((dispatched as { json: { id: string } }).json).id;
}
async function ride(): Promise<string> {
  const { id } = await book();
  await world.reportUnlocked(id, vehicleId);
  await inState(id, 'riding');
  return id;
}
const end = async (bookingId: string) => world.booking.end({ params: { bookingId }, body: { photoIds: [await photo()] } }, { caller: rider });

describe('reserving', () => {
  test('BOOKING-07: an authorised payment confirms the booking', async () => {
    const booking = await book();
    expect(booking).toMatchObject({ state: 'confirmed', payment: { state: 'authorised' }, authorisedMinor: 100 + 20 * 25 + 500 });
  });

  test('BOOKING-07: a declined payment fails the booking and frees the vehicle at once', async () => {
    world.stage.payment = 'declined';
    expect(await refusal(book())).toBe('payment-declined');
    world.stage.payment = 'authorised';
    expect((await book()).state).toBe('confirmed');
  });

  test('BOOKING-07: a refusal before any provider was asked gives the vehicle back', async () => {
    world.stage.payment = new Problem('debt-outstanding');
    expect(await refusal(book())).toBe('debt-outstanding');
    world.stage.payment = 'authorised';
    expect((await book()).state).toBe('confirmed');
  });

  test('BOOKING-07: an uncertain payment is asked about until it is certain', async () => {
    world.stage.payment = 'pending';
    const booking = await book();
    expect(booking).toMatchObject({ state: 'reserved', payment: { state: 'pending' } });
    world.stage.payment = 'authorised';
    world.clock.advance(21_000);
    await inState(booking.id, 'confirmed');
    expect(world.stage.calls.filter((call) => call.startsWith('authorise'))).toHaveLength(1);
  });

  test('BOOKING-03: of a hundred riders at the same moment exactly one gets the vehicle', async () => {
    const outcomes = await Promise.allSettled(Array.from({ length: 100 }, () => book({}, riderCaller())));
    expect(outcomes.filter((outcome) => outcome.status === 'fulfilled')).toHaveLength(1);
    const refusals = outcomes.flatMap((outcome) => (outcome.status === 'rejected' ? [(outcome.reason as Problem).code] : []));
    expect(new Set(refusals)).toEqual(new Set(['vehicle-taken']));
  });

  test('BOOKING-03: fixed times of one car may touch but not overlap', async () => {
    world.stage.rentable = rentableVehicle({ type: 'car' });
    const at = (minutes: number) => new Date(world.clock.nowMs() + minutes * minuteMs).toISOString();
    await book({ startsAt: at(60), minutes: 60 }, riderCaller());
    expect(await refusal(book({ startsAt: at(90), minutes: 60 }, riderCaller()))).toBe('vehicle-taken');
    expect((await book({ startsAt: at(120), minutes: 60 }, riderCaller())).state).toBe('confirmed');
  });

  test('BOOKING-04: one active ride a rider; staff may have several, and next week does not count', async () => {
    await book();
    vehicleId = `FRA-${v7()}`;
    expect(await refusal(book())).toBe('active-booking-exists');
    const staff: Caller = { ...riderCaller(), roles: ['staff'] };
    await book({}, staff);
    vehicleId = `FRA-${v7()}`;
    expect((await book({}, staff)).state).toBe('confirmed');
    vehicleId = `FRA-${v7()}`;
    world.stage.rentable = rentableVehicle({ type: 'car' });
    expect((await book({ startsAt: new Date(world.clock.nowMs() + 24 * 60 * minuteMs).toISOString(), minutes: 60 })).state).toBe('confirmed');
  });

  test('BOOKING-16: a quote holds its multiplier for five minutes, for its rider, vehicle and time', async () => {
    world.stage.rentable.multiplier = 1.5;
    const quote = await world.booking.createQuote({ body: { vehicleId, minutes: 30 } }, { caller: rider, idempotencyKey: v7() });
    expect(quote).toMatchObject({ multiplier: 1.5, totalMinor: 100 + Math.round(30 * 25 * 1.5) });
    world.stage.rentable.multiplier = 2;
    expect(await refusal(book({ quoteId: quote.id }, riderCaller()))).toBe('quote-mismatch');
    expect(await refusal(book({ quoteId: quote.id, minutes: 60 }))).toBe('quote-mismatch');
    expect((await book({ quoteId: quote.id })).multiplier).toBe(1.5);
    rider = riderCaller();
    const late = await world.booking.createQuote({ body: { vehicleId } }, { caller: rider, idempotencyKey: v7() });
    world.clock.advance(5 * minuteMs);
    expect(await refusal(book({ quoteId: late.id }))).toBe('quote-expired');
  });

  test('BOOKING-16: a quote that has run out is forgotten within the hour', async () => {
    await world.booking.createQuote({ body: { vehicleId } }, { caller: rider, idempotencyKey: v7() });
    expect(await world.sql`select 1 from quotes`).not.toHaveLength(0);
    world.clock.advance(61 * minuteMs);
    await eventually(async () => (await world.sql`select 1 from quotes`).length === 0);
    // And again in an hour.
    const timers = await eventually(async () => {
      const rows = await world.sql<{ dueAt: Date; attempts: number }[]>`select due_at, attempts from timers where kind = 'quote-cleaning'`;
      return rows.every(({ attempts }) => attempts === 0) && rows;
    });
    expect(timers).toMatchObject([{ dueAt: new Date(world.clock.nowMs() + 60 * minuteMs) }]);
  });

  test('BOOKING-17: a repeated request has one effect and one answer; with another body it is refused', async () => {
    const key = v7();
    const [first, second] = await Promise.all([book({}, rider, key), book({}, rider, key)]);
    expect(second.id).toBe(first.id);
    expect((await book({}, rider, key)).id).toBe(first.id);
    expect(await refusal(book({ minutes: 45 }, rider, key))).toBe('idempotency-key-reused');
    expect((await world.booking.listBookings({ query: {} }, { caller: rider })).items).toHaveLength(1);
  });

  test('BOOKING-18: another rider\'s booking does not exist', async () => {
    const { id } = await book();
    const other = riderCaller();
    const params = { bookingId: id };
    const attempts = [
      () => world.booking.getBooking({ params }, { caller: other }),
      () => world.booking.cancel({ params }, { caller: other }),
      () => world.booking.unlock({ params }, { caller: other }),
      () => world.booking.end({ params, body: {} }, { caller: other }),
      () => world.booking.giveFeedback({ params, body: { rating: 1 } }, { caller: other, idempotencyKey: v7() }),
    ];
    for (const attempt of attempts) expect(await refusal(attempt())).toBe('not-found');
    expect((await get(id)).state).toBe('confirmed');
  });
});

describe('before the ride', () => {
  test('BOOKING-09: a reservation that is not unlocked in time expires and the money is released', async () => {
    const { id } = await book();
    world.clock.advance(30 * minuteMs);
    await inState(id, 'expired');
    await eventually(async () => world.stage.calls.includes(`void ${id}`));
    await eventually(async () => (await get(id)).payment.state === 'voided');
  });

  test('BOOKING-08: a cancelled booking cannot be unlocked', async () => {
    const { id } = await book();
    expect((await world.booking.cancel({ params: { bookingId: id } }, { caller: rider })).state).toBe('cancelled');
    expect(await refusal(world.booking.unlock({ params: { bookingId: id } }, { caller: rider }))).toBe('wrong-state');
    expect(await refusal(world.booking.unlockRemotely({ params: { bookingId: id } }, { caller: rider }))).toBe('wrong-state');
    await world.reportUnlocked(id, vehicleId);
    await eventually(async () => (await world.process.ports.events.lag('booking', 'vehicles')) === 0);
    expect((await get(id)).state).toBe('cancelled');
  });

  test('BOOKING-11: while a token is out the booking is not cancelled; a silent vehicle keeps it from expiring', async () => {
    const { id } = await book();
    await world.booking.unlock({ params: { bookingId: id } }, { caller: rider });
    expect(await refusal(world.booking.cancel({ params: { bookingId: id } }, { caller: rider }))).toBe('wrong-state');
    world.clock.advance(31 * minuteMs);
    await eventually(async () => {
      const [timer] = await world.sql<{ dueAt: Date }[]>`select due_at from timers where kind = 'reservation-expiry' and key = ${id}`;
      return timer && timer.dueAt.getTime() > world.clock.nowMs();
    });
    expect((await get(id)).state).toBe('confirmed');
    world.stage.vehicle = { seenAt: world.clock.now().toISOString(), locked: true };
    world.clock.advance(61_000);
    await inState(id, 'expired');
  });
});

describe('the ride', () => {
  test('BOOKING-10: it begins when the vehicle reports that it was opened, at the time of its clock', async () => {
    const { id } = await book();
    world.clock.advance(3 * minuteMs);
    const openedAt = world.clock.now().toISOString();
    await world.reportUnlocked(id, vehicleId);
    expect(await inState(id, 'riding')).toMatchObject({ startedAt: openedAt });
  });

  test('BOOKING-10: remote unlocking waits for the report, and a repeated tap is the same command', async () => {
    const { id } = await book();
    const tap = () => world.booking.unlockRemotely({ params: { bookingId: id } }, { caller: rider });
    const taps = Promise.all([tap(), tap()]);
    await eventually(async () => world.stage.calls.filter((call) => call.startsWith('unlock')).length === 2);
    await world.reportUnlocked(id, vehicleId);
    for (const booking of await taps) expect(booking.state).toBe('riding');
    expect(new Set(world.stage.calls.filter((call) => call.startsWith('unlock'))).size).toBe(1);
  });

  test('BOOKING-11: a command that was lost and goes out later holds the booking from then on', async () => {
    const { id } = await book();
    const params = { bookingId: id };
    world.stage.commandVerdict = { state: 'sent' };
    expect(await refusal(world.booking.unlockRemotely({ params }, { caller: rider }))).toBe('vehicle-unreachable');
    world.clock.advance(10 * minuteMs);
    expect(await refusal(world.booking.unlockRemotely({ params }, { caller: rider }))).toBe('vehicle-unreachable');
    expect(new Set(world.stage.calls.filter((call) => call.startsWith('unlock'))).size).toBe(1);
    expect(await refusal(world.booking.cancel({ params }, { caller: rider }))).toBe('wrong-state');
    world.clock.advance(36_000);
    world.stage.vehicle = { seenAt: world.clock.now().toISOString(), locked: true };
    expect((await world.booking.cancel({ params }, { caller: rider })).state).toBe('cancelled');
  });

  test('BOOKING-11: a vehicle that was silent since it may have been opened is asked, and keeps the booking from being cancelled', async () => {
    const { id } = await book();
    const params = { bookingId: id };
    await world.booking.unlock({ params }, { caller: rider });
    world.clock.advance(10 * minuteMs);
    expect(await refusal(world.booking.cancel({ params }, { caller: rider }))).toBe('wrong-state');
    expect(world.stage.calls.filter((call) => call.startsWith('locate'))).toHaveLength(1);
    world.stage.vehicle = { seenAt: world.clock.now().toISOString(), locked: false };
    expect(await refusal(world.booking.cancel({ params }, { caller: rider }))).toBe('wrong-state');
    world.stage.vehicle = { seenAt: world.clock.now().toISOString(), locked: true };
    expect((await world.booking.cancel({ params }, { caller: rider })).state).toBe('cancelled');
  });

  test('BOOKING-23: a vehicle that comes back open for a booking that is over is locked', async () => {
    const { id } = await book();
    await world.booking.cancel({ params: { bookingId: id } }, { caller: rider });
    await world.reportUnlocked(id, vehicleId);
    await eventually(async () => world.stage.calls.some((call) => call.startsWith('lock ')));
    expect((await get(id)).state).toBe('cancelled');
  });

  test('BOOKING-11: a command does not shorten the time in which a token that is out may open', async () => {
    const { id } = await book();
    const params = { bookingId: id };
    await world.booking.unlock({ params }, { caller: rider });
    world.stage.commandVerdict = { state: 'sent' };
    expect(await refusal(world.booking.unlockRemotely({ params }, { caller: rider }))).toBe('vehicle-unreachable');
    world.clock.advance(40_000);
    expect(await refusal(world.booking.cancel({ params }, { caller: rider }))).toBe('wrong-state');
    world.clock.advance(26_000);
    world.stage.vehicle = { seenAt: world.clock.now().toISOString(), locked: true };
    expect((await world.booking.cancel({ params }, { caller: rider })).state).toBe('cancelled');
  });

  test('BOOKING-15: a pause is charged at its own price', async () => {
    const id = await ride();
    world.clock.advance(10 * minuteMs);
    expect((await world.booking.pause({ params: { bookingId: id } }, { caller: rider })).state).toBe('paused');
    world.clock.advance(5 * minuteMs);
    expect((await world.booking.resume({ params: { bookingId: id } }, { caller: rider })).state).toBe('riding');
    world.clock.advance(5 * minuteMs);
    expect((await end(id)).price.totalMinor).toBe(100 + 15 * 25 + 5 * 10);
  });

  test('BOOKING-15: a ride ends, and costs no less than nothing, when the clock was set back on the way', async () => {
    const id = await ride();
    world.clock.advance(2 * minuteMs);
    expect((await world.booking.pause({ params: { bookingId: id } }, { caller: rider })).state).toBe('paused');
    world.clock.advance(-5 * minuteMs);
    const ended = await end(id);
    expect(ended.state).toBe('charged');
    expect(ended.endedAt).toBe(ended.startedAt);
    expect(ended.price.totalMinor).toBe(100);
  });

  test('BOOKING-12: a ride of twelve hours is ended where the vehicle stands, and charged', async () => {
    const id = await ride();
    world.clock.advance(12 * 60 * minuteMs + 1000);
    await inState(id, 'ended');
    world.clock.advance(6_000);
    const booking = await inState(id, 'charged');
    expect(booking.price.totalMinor).toBeGreaterThanOrEqual(100 + 720 * 25);
  });
});

describe('the return', () => {
  test('BOOKING-13: without a photo of one\'s own, moving, or in a no-parking zone the ride goes on', async () => {
    const id = await ride();
    const params = { bookingId: id };
    expect(await refusal(world.booking.end({ params, body: { photoIds: [] } }, { caller: rider }))).toBe('photo-required');
    expect(await refusal(world.booking.end({ params, body: { photoIds: [await photo(riderCaller())] } }, { caller: rider }))).toBe('photo-required');
    world.stage.commandVerdict = { state: 'refused', reason: 'moving' };
    expect(await refusal(end(id))).toBe('vehicle-moving');
    world.stage.commandVerdict = { state: 'verified' };
    world.stage.parkingForbidden = true;
    expect(await refusal(end(id))).toBe('parking-forbidden');
    expect((await get(id)).state).toBe('riding');
    world.stage.parkingForbidden = false;
    expect((await end(id)).state).toBe('charged');
  });

  test('BOOKING-14: parking outside a bay costs the fine', async () => {
    const id = await ride();
    world.stage.bayId = null;
    const booking = await end(id);
    expect(booking.price.lines).toContainEqual({ kind: 'fine-parking', description: 'Parked outside a bay', amountMinor: 1000 });
  });

  test('BOOKING-14: a car that is not plugged in and late costs both fines', async () => {
    world.stage.rentable = rentableVehicle({ type: 'car' });
    const { id } = await book({ minutes: 60 });
    await world.reportUnlocked(id, vehicleId);
    await inState(id, 'riding');
    world.clock.advance(80 * minuteMs);
    world.stage.vehicle = { pluggedIn: false };
    const { price } = await end(id);
    expect(price.lines.filter((line) => line.kind.startsWith('fine'))).toMatchObject([{ kind: 'fine-plug', amountMinor: 2500 }, { kind: 'fine-late', amountMinor: 1500 + 20 * 50 }]);
  });

  test('BOOKING-16: a tariff that changes during the ride does not change its price', async () => {
    const id = await ride();
    world.stage.rentable.tariff = { ...world.stage.rentable.tariff, unlockFeeMinor: 99_999 };
    world.clock.advance(4 * minuteMs);
    expect((await end(id)).price.totalMinor).toBe(100 + 4 * 25);
  });

  test('BOOKING-17: an end that is asked for again is the same end, charged once', async () => {
    const id = await ride();
    const [first, second] = await Promise.all([end(id), end(id)]);
    const third = await end(id);
    expect(new Set([first, second, third].map((booking) => booking.endedAt)).size).toBe(1);
    expect(third.state).toBe('charged');
  });

  test('BOOKING-19: feedback is given once, after the ride', async () => {
    const id = await ride();
    const rate = (rating: number) => world.booking.giveFeedback({ params: { bookingId: id }, body: { rating, faults: ['brakes'] } }, { caller: rider, idempotencyKey: v7() });
    expect(await refusal(rate(5))).toBe('wrong-state');
    await end(id);
    expect((await rate(4)).feedback).toMatchObject({ rating: 4, faults: ['brakes'] });
    expect((await rate(4)).feedback?.rating).toBe(4);
    expect(await refusal(rate(1))).toBe('feedback-exists');
  });

  test('BOOKING-20: when a person is erased, positions, words and photos go; times and money stay', async () => {
    const id = await ride();
    const { photoIds } = await end(id);
    const photoId = photoIds[0] ?? '';
    await world.process.ports.events.append('users', [
      { specversion: '1.0', id: v7(), source: '/user', type: userContract.events.erased.type, subject: rider.subject, time: world.clock.now().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data: { riderId: rider.subject } },
    ]);
    const booking = await eventually(async () => ((await get(id)).endPosition === null ? get(id) : undefined));
    expect(booking).toMatchObject({ startPosition: null, photoIds: [], state: 'charged' });
    expect(booking.price.totalMinor).toBeGreaterThan(0);
    await eventually(async () => (await world.process.ports.blobs.head(`photos/${photoId}`)) === undefined);
  });
});

test('BOOKING-21: other modules learn who rides which vehicle, from when to when', async () => {
  const id = await ride();
  expect(await world.booking.getRide({ params: { bookingId: id } })).toEqual({ riderId: rider.subject, vehicleId, startedAt: world.clock.now().toISOString(), endedAt: null });
  expect(await refusal(world.booking.getRide({ params: { bookingId: v7() } }))).toBe('not-found');
});
