/** What belongs to one rider is no business of another: every route that takes the id of something is tried with somebody else's. */
import { beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { z } from 'zod';
import { type PublicOperation, publicOperations } from '../../server/gateway/routes.ts';
import { iotContract } from '../../server/iot/contract.ts';
import { type ApiUser, tinyJpeg, until } from '../journeys/program.ts';
import { type World, world } from './world.ts';

type Owner = Awaited<ReturnType<World['user']>>;

/** What the victim has; `active` is a booking before its ride, `over` one that was charged. */
interface Possessions {
  active: string;
  over: string;
  photo: string;
  card: string;
  quote: string;
  quotedVehicle: string;
  check: string;
}

let all: World;
let victim: Owner;
let attacker: Owner;
let theirs: Possessions;

/** A ride with a crash in it, ended and paid. */
async function rideOnce(owner: Owner): Promise<Pick<Possessions, 'over' | 'check'>> {
  const vehicleId = await all.freeVehicle();
  const { body: booking } = await owner.post<{ id: string }>('/v1/bookings', { vehicleId });
  await all.report(vehicleId, { locked: false, bookingId: booking.id });
  await until(async () => (await owner.get(`/v1/bookings/${booking.id}`)).body['state'] === 'riding');
  await all.publish(iotContract.events.alertRaised, vehicleId, {
    alertId: v7(), vehicleId, kind: 'collision', raisedAt: new Date().toISOString(), position: { lat: 50.1109, lon: 8.6821 }, speedMetresPerSecond: 6, bookingId: booking.id, confidence: 0.9, decidedBy: 'model', peakG: 6,
    motion: [{ offsetMs: 0, accelerationG: [6, 0, 1], rotationDegreesPerSecond: [0, 0, 0] }],
  });
  const check = await until(async () => (await owner.get<{ items: { incidentId: string }[] }>('/v1/me/checks')).body.items[0]?.incidentId);
  let isOver = false;
  const ending = owner.post(`/v1/bookings/${booking.id}/end`, { photoIds: [await owner.photo()] }).finally(() => (isOver = true));
  await until(async () => {
    await all.report(vehicleId, { locked: true, bookingId: booking.id });
    return isOver;
  });
  expect(await ending).toMatchObject({ status: 200, body: { state: 'charged' } });
  return { over: booking.id, check };
}

async function possessionsOf(owner: Owner): Promise<Possessions> {
  const { over, check } = await rideOnce(owner);
  const vehicleId = await all.freeVehicle();
  const { body: quote } = await owner.post<{ id: string }>('/v1/quotes', { vehicleId });
  const { body: booking } = await owner.post<{ id: string }>('/v1/bookings', { vehicleId: await all.freeVehicle() });
  const { body: cards } = await owner.get<{ items: { id: string }[] }>('/v1/me/payment-methods');
  return { over, check, active: booking.id, quote: quote.id, quotedVehicle: vehicleId, photo: await owner.photo(), card: cards.items[0]?.id ?? '' };
}

beforeAll(async () => {
  all = await world();
  [victim, attacker] = await Promise.all([all.user(), all.user()]);
  theirs = await possessionsOf(victim);
});

/** Everything that the victim can see of what is theirs. */
const viewOf = async (owner: ApiUser): Promise<unknown> =>
  Promise.all(['/v1/me', '/v1/me/export', '/v1/bookings', '/v1/me/payment-methods', '/v1/me/checks', `/v1/bookings/${theirs.over}/receipt`].map(async (path) => (await owner.get(path)).body));

const nobodys = '0198c5a0-0000-7000-8000-00000000dead';
const bodyOf: Record<string, unknown> = {
  'booking.end': { photoIds: [nobodys] }, 'booking.giveFeedback': { rating: 1, text: 'not my ride' }, 'incident.answerCheck': { answer: 'fine' },
};

/** Which of the victim's ids stands for which parameter. */
const idsFor: Record<string, (mine: Possessions) => string[]> = {
  bookingId: ({ active, over }) => [active, over], photoId: ({ photo }) => [photo], paymentMethodId: ({ card }) => [card], incidentId: ({ check }) => [check],
};

/** Routes with ids that this test does not try, each with its reason. */
const notTried: Record<string, string> = {
  'vehicle.getVehicle': 'vehicles belong to the company, and every rider may look at them',
};

const parameterOf = ({ operation }: PublicOperation): string | undefined => /\{([^}]+)\}/.exec(operation.path)?.[1];
const forRiders = publicOperations().filter(({ operation }) => operation.access !== 'anyone' && operation.access.roles.includes('rider'));
const withId = forRiders.filter((entry) => parameterOf(entry) !== undefined);
const tried = withId.filter(({ module, name }) => !(`${module}.${name}` in notTried));

const nameOf = ({ module, name }: PublicOperation): string => `${module}.${name}`;

async function attempt({ module, name, operation }: PublicOperation, id: string): Promise<{ status: number; body: Record<string, unknown> }> {
  const path = operation.path.replaceAll(/\{[^}]+\}/g, id);
  const { status, body } = await attacker.send(operation.method, path, operation.body ? bodyOf[`${module}.${name}`] : undefined, operation.method === 'GET' ? { accept: 'application/json, image/*' } : {});
  return { status, body };
}

test('THREAT-20: every route of riders that takes an id is tried with the id of another rider, or says why not', () => {
  expect(tried.filter((entry) => !(parameterOf(entry) as string in idsFor)).map(nameOf)).toEqual([]);
  expect(tried.filter((entry) => entry.operation.body && !(nameOf(entry) in bodyOf)).map(nameOf)).toEqual([]);
  expect(Object.keys(notTried).filter((name) => !withId.some((entry) => nameOf(entry) === name))).toEqual([]);
  expect(tried.length).toBeGreaterThan(10);
});

test.each(tried.map((entry) => [`${entry.operation.method} ${entry.operation.path}`, entry] as const))("THREAT-20: %s with another rider's id answers as for an id of nobody, and changes nothing", async (_name, entry) => {
  const before = await viewOf(victim);
  const unknown = await attempt(entry, nobodys);
  expect(unknown.status).toBe(404);
  for (const id of idsFor[parameterOf(entry) ?? '']?.(theirs) ?? []) {
    const { status, body } = await attempt(entry, id);
    // Not even that it exists.
    expect({ status, ...body, requestId: '' }).toEqual({ status: unknown.status, ...unknown.body, requestId: '' });
  }
  expect(await viewOf(victim)).toEqual(before);
});

/** Members of bodies that name something by its id. */
const idMembers = forRiders.flatMap((entry) => {
  if (!entry.operation.body) return [];
  const { properties = {} } = z.toJSONSchema(entry.operation.body, { unrepresentable: 'any', io: 'input' }) as { properties?: Record<string, unknown> };
  return Object.keys(properties).filter((member) => /Ids?$/.test(member)).map((member) => `${nameOf(entry)} ${member}`);
});

test('THREAT-21: the ids that riders name in bodies are those that the next tests try, and vehicles', () => {
  expect(idMembers.toSorted()).toEqual(['booking.createBooking paymentMethodId', 'booking.createBooking quoteId', 'booking.createBooking vehicleId', 'booking.createQuote vehicleId', 'booking.end photoIds']);
});

test("THREAT-21: nobody pays with another rider's card, and nobody books at another rider's quote", async () => {
  const before = await viewOf(victim);
  const withCard = await attacker.post('/v1/bookings', { vehicleId: await all.freeVehicle(), paymentMethodId: theirs.card });
  expect(withCard).toMatchObject({ status: 409, body: { code: 'payment-method-missing' } });
  const withQuote = await attacker.post('/v1/bookings', { vehicleId: theirs.quotedVehicle, quoteId: theirs.quote });
  expect(withQuote.status).toBe(409);
  expect(['quote-expired', 'quote-mismatch']).toContain(withQuote.body['code']);
  expect(await viewOf(victim)).toEqual(before);
});

test("THREAT-21: no ride ends with another rider's photo", async () => {
  const vehicleId = await all.freeVehicle();
  const { body: booking } = await attacker.post<{ id: string }>('/v1/bookings', { vehicleId });
  await all.report(vehicleId, { locked: false, bookingId: booking.id });
  await until(async () => (await attacker.get(`/v1/bookings/${booking.id}`)).body['state'] === 'riding');
  expect(await attacker.post(`/v1/bookings/${booking.id}/end`, { photoIds: [theirs.photo] })).toMatchObject({ status: 422, body: { code: 'photo-required' } });
  expect(await attacker.post(`/v1/bookings/${booking.id}/end`, { photoIds: [await attacker.photo(), theirs.photo] })).toMatchObject({ status: 422, body: { code: 'photo-required' } });
});

test('THREAT-20: lists have what belongs to the caller and nothing else', async () => {
  for (const path of ['/v1/me', '/v1/me/export', '/v1/bookings', '/v1/bookings?state=charged', '/v1/me/payment-methods', '/v1/me/checks']) {
    const text = JSON.stringify((await attacker.get(path)).body);
    for (const secret of [victim.id, victim.email, ...Object.values(theirs)]) expect(text, path).not.toContain(secret);
  }
  // A cursor is made by us; one that was made for somebody else shows nothing of theirs.
  const { body } = await victim.get<{ next?: string }>('/v1/bookings?limit=1');
  expect(body.next).toBeDefined();
  const page = await attacker.get(`/v1/bookings?cursor=${encodeURIComponent(body.next ?? '')}`);
  expect(JSON.stringify(page.body)).not.toContain(victim.id);
});

test('THREAT-20: the same Idempotency-Key of two riders is two keys', async () => {
  const key = v7();
  const send = async (owner: ApiUser) => {
    const form = new FormData();
    form.append('photo', new Blob([tinyJpeg], { type: 'image/jpeg' }), 'parked.jpg');
    const response = await fetch(`${all.url}/v1/photos`, { method: 'POST', headers: { 'authorization': `Bearer ${owner.token}`, 'idempotency-key': key }, body: form });
    return ((await response.json()) as { id: string }).id;
  };
  const [mine, other] = [await send(victim), await send(attacker)];
  expect(other).not.toBe(mine);
  const quoting = { vehicleId: theirs.quotedVehicle };
  const [one, two] = [await victim.post('/v1/quotes', quoting, { 'idempotency-key': key }), await attacker.post('/v1/quotes', quoting, { 'idempotency-key': key })];
  expect([one.status, two.status]).toEqual([201, 201]);
  expect(two.body['id']).not.toBe(one.body['id']);
});
