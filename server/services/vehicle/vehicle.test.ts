import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { eventually } from '../../program/testing.ts';
import { Problem } from '../../wire/problem.ts';
import { loadFleet } from './cities.ts';
import type { CityDefinitionInput, Command } from './contract.ts';
import { Fleet, presentVehicle } from './fleet.ts';
import { origin, testCity } from './testing/city.ts';
import { openWorld, type World } from './testing/world.ts';

let world: World;
let vehicleId: string;
let city: CityDefinitionInput;

beforeAll(async () => {
  world = await openWorld();
  city = testCity();
  await put(city);
});
afterAll(() => world.process.dispose());
beforeEach(async () => {
  // A vehicle of its own for each test, at the north bay.
  vehicleId = `v-${v7()}`;
  world.broker.connected = true;
  await register(vehicleId);
});

const put = (body: CityDefinitionInput) => world.vehicles.putCity({ params: { cityId: body.id }, body });
const definition = (id: string, change = {}) => ({ id, cityId: 'testville', modelId: 'scooter', tariffId: 'slow', position: { lat: 50.102, lon: 8.602 }, ...change });
const register = (id: string, change = {}, idempotencyKey: string = v7()) => world.vehicles.registerVehicle({ body: definition(id, change) }, { idempotencyKey });
const get = (id = vehicleId) => world.vehicles.getVehicle({ params: { vehicleId: id } });
const inStatus = (status: string, id = vehicleId) => eventually(async () => ((await get(id)).status === status ? get(id) : undefined));
const search = async (query = {}) => (await world.vehicles.searchVehicles({ query: { ...origin, radiusMetres: 2000, limit: 200, ...query } })).items.map(({ id }) => id);
const refusal = async (work: Promise<unknown>): Promise<string> => {
  const outcome = await work.then(() => 'nothing', (error: unknown) => error);
  if (outcome instanceof Problem) return outcome.code;
  throw new Error(`expected a refusal, got ${String(outcome)}`);
};
const applied = (sequence: number) => eventually(async () => (await world.sql`select 1 from states where vehicle_id = ${vehicleId} and sequence >= ${sequence}`).length > 0);

describe('search', () => {
  test('VEHICLE-01: a search finds vehicles to rent within the radius, nearest first', async () => {
    const { items } = await world.vehicles.searchVehicles({ query: { ...origin, radiusMetres: 2000, limit: 200 } });
    const distances = items.map(({ distanceMetres }) => distanceMetres ?? -1);
    expect(distances).toEqual(distances.toSorted((a, b) => a - b));
    expect(items.map(({ id }) => id)).toEqual(expect.arrayContaining(['s-1', 's-2', 'c-1', vehicleId]));
    expect(items.every(({ status }) => status === 'available')).toBe(true);
    expect(await search({ radiusMetres: 100 })).toEqual([]);
    expect(await search()).not.toContain('s-flat');
  });

  test('VEHICLE-01: by type, battery and price', async () => {
    expect(await search({ type: 'car' })).toEqual(['c-1']);
    expect(await search({ type: ['car', 'van'], minBattery: 95 })).toEqual([]);
    expect(await search({ minBattery: 85, type: 'scooter' })).not.toContain('s-1');
    expect(await search({ maxPricePerMinuteMinor: 17 })).toEqual(['c-1']);
  });

  test('VEHICLE-02: a page ends where the next begins; a cursor of nobody is refused', async () => {
    const all = await search();
    const seen: string[] = [];
    let cursor: string | undefined;
    do {
      const page = await world.vehicles.searchVehicles({ query: { ...origin, radiusMetres: 2000, limit: 2, ...(cursor !== undefined && { cursor }) } });
      seen.push(...page.items.map(({ id }) => id));
      cursor = page.next;
    } while (cursor !== undefined);
    expect(seen).toEqual(all);
    expect(await refusal(search({ cursor: 'nobody' }))).toBe('invalid-request');
  });

  test('VEHICLE-11: the shown price has the multiplier of the zone', async () => {
    await world.report(vehicleId, { position: { lat: 50.125, lon: 8.625 } });
    await eventually(async () => (await get()).pricePerMinuteMinor === 30);
    expect(await world.vehicles.getRentableVehicle({ params: { vehicleId } })).toMatchObject({ multiplier: 1.5, multiplierReason: 'Busy centre' });
  });
});

describe('live state', () => {
  test('VEHICLE-07: a report moves the vehicle, and an older one does not move it back', async () => {
    await world.report(vehicleId, { sequence: 5, position: { lat: 50.104, lon: 8.604 }, batteryPercent: 33, odometerMetres: 2500, pluggedIn: true });
    await applied(5);
    await world.report(vehicleId, { sequence: 4, batteryPercent: 99 });
    await world.report(vehicleId, { sequence: 6, position: { lat: 50.104, lon: 8.604 }, batteryPercent: 32, odometerMetres: 2500 });
    await applied(6);
    expect(await get()).toMatchObject({ batteryPercent: 32, bayId: 'charging', rangeMetres: 12_800, seenAt: world.clock.now().toISOString() });
    expect(await world.vehicles.getOdometer({ params: { vehicleId } })).toEqual({ odometerMetres: 2500 });
  });

  test('VEHICLE-07: what is in memory is what a restart reads', async () => {
    const bookingId = v7();
    await world.report(vehicleId, { locked: false, bookingId, position: { lat: 50.104, lon: 8.604 } });
    await world.booking(vehicleId, bookingId, 'riding');
    await inStatus('in-use');
    const again = new Fleet();
    const database = world.process.database('vehicle');
    if (!database) throw new Error('no database');
    await loadFleet(again, { database, clock: world.clock });
    const { items } = await world.vehicles.listFleet({ params: { cityId: 'testville' }, query: { limit: 200 } });
    expect(items.length).toBeGreaterThan(4);
    for (const item of items) {
      const reloaded = again.get(item.id);
      expect(reloaded && presentVehicle(reloaded)).toEqual(item);
    }
  });

  test('VEHICLE-08: opening and closing become events, at the time of the vehicle', async () => {
    const bookingId = v7();
    const reportedAt = new Date(world.clock.nowMs() - 4000).toISOString();
    await world.report(vehicleId, { locked: false, bookingId, reportedAt });
    await world.report(vehicleId, { bookingId, pluggedIn: true, odometerMetres: 1800 });
    await eventually(async () => (await world.published(vehicleId)).some(({ type }) => type === 'locked'));
    const facts = (await world.published(vehicleId)).filter(({ type }) => type !== 'status-changed');
    expect(facts).toMatchObject([
      { type: 'unlocked', data: { bookingId, unlockedAt: reportedAt, odometerMetres: 1000 } },
      { type: 'locked', data: { bookingId, pluggedIn: true, odometerMetres: 1800 } },
    ]);
  });

  test('VEHICLE-03: every change of status becomes an event, and only available vehicles are found', async () => {
    const bookingId = v7();
    await world.booking(vehicleId, bookingId, 'reserved');
    await inStatus('reserved');
    expect(await search()).not.toContain(vehicleId);
    await world.booking(vehicleId, bookingId, 'confirmed');
    await world.report(vehicleId, { locked: false, bookingId });
    await inStatus('in-use');
    await world.booking(vehicleId, bookingId, 'riding');
    await world.booking(vehicleId, bookingId, 'ended');
    await inStatus('unlocked');
    await world.report(vehicleId, { bookingId });
    await inStatus('available');
    expect(await search()).toContain(vehicleId);
    await eventually(async () => (await world.published(vehicleId)).filter(({ type }) => type === 'status-changed').length === 4);
    const changes = (await world.published(vehicleId)).filter(({ type }) => type === 'status-changed').map(({ data }) => (data as { to: string }).to);
    expect(changes).toEqual(['reserved', 'in-use', 'unlocked', 'available']);
  });

  test('VEHICLE-03: what the Booking service said earlier does not overrule what it said later', async () => {
    const bookingId = v7();
    await world.booking(vehicleId, bookingId, 'confirmed');
    await inStatus('reserved');
    world.clock.advance(1000);
    await world.booking(vehicleId, bookingId, 'cancelled');
    await inStatus('available');
    world.clock.advance(-1000);
    await world.booking(vehicleId, bookingId, 'confirmed');
    await world.booking('s-1', v7(), 'cancelled');
    world.clock.advance(1000);
    await world.booking(vehicleId, v7(), 'cancelled');
    await eventually(async () => (await world.sql`select 1 from bookings where vehicle_id = ${vehicleId}`).length === 2);
    expect((await get()).status).toBe('available');
  });

  test('VEHICLE-03: what the Booking service said last counts, also when its clock was set back in between', async () => {
    const bookingId = v7();
    await world.booking(vehicleId, bookingId, 'riding', { revision: 3 });
    await inStatus('in-use');
    world.clock.advance(-45_000);
    await world.booking(vehicleId, bookingId, 'ended', { revision: 4 });
    await inStatus('available');
    world.clock.advance(60_000);
    await world.booking(vehicleId, bookingId, 'riding', { revision: 3 });
    await world.booking(vehicleId, v7(), 'cancelled', { revision: 1 });
    await eventually(async () => (await world.sql`select 1 from bookings where vehicle_id = ${vehicleId}`).length === 2);
    expect((await get()).status).toBe('available');
  });

  test('VEHICLE-10: an impossible position is counted, the rest of the report counts', async () => {
    await world.report(vehicleId);
    await applied(1);
    await world.report(vehicleId, { position: { lat: 10, lon: 10 }, batteryPercent: 44 });
    await applied(2);
    expect(await get()).toMatchObject({ position: { lat: 50.102, lon: 8.602 }, batteryPercent: 44 });
    expect(await world.process.ports.metrics.scrape()).toMatch(/vehicle_positions_refused_total\{reason="jump"\} \d/);
  });

  test('VEHICLE-07: reports of unknown vehicles are counted and dropped', async () => {
    await world.report('nobody');
    await world.report(vehicleId);
    await applied(1);
    expect(await refusal(get('nobody'))).toBe('not-found');
    expect(await world.process.ports.metrics.scrape()).toMatch(/vehicle_reports_dropped_total\{reason="unknown-vehicle"\} \d/);
  });
});

describe('commands', () => {
  const send = (kind: Command['kind'], change: { id?: string; bookingId?: string; waitMs?: number; expiresInMs?: number; vehicleId?: string } = {}) => {
    const { expiresInMs = 30_000, ...rest } = change;
    return world.vehicles.sendCommand({ body: { id: v7(), vehicleId, kind, expiresAt: new Date(world.clock.nowMs() + expiresInMs).toISOString(), waitMs: 0, ...rest } });
  };
  const find = (commandId: string) => world.vehicles.getCommand({ params: { commandId } });
  const deliveries = (id: string) => world.delivered.filter(({ message }) => message.commandId === id);
  const answer = (commandId: string, outcome: 'done' | 'refused', reason?: string) => world.report(vehicleId, { commandResults: [{ commandId, outcome, ...(reason !== undefined && { reason }) }] });

  test('VEHICLE-14: a command is verified by what the vehicle reports, and who waits hears of it', async () => {
    const id = v7();
    const waiting = send('unlock', { id, waitMs: 10_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'done');
    expect(await waiting).toMatchObject({ id, state: 'verified' });
    expect(await find(id)).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-14: the reason of a refusal is handed on', async () => {
    const id = v7();
    const waiting = send('pause', { id, waitMs: 10_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'refused', 'moving');
    expect(await waiting).toMatchObject({ state: 'refused', reason: 'moving' });
  });

  test('VEHICLE-13: the same id is the same command, sent again only by the clock', async () => {
    const id = v7();
    expect(await send('locate', { id })).toMatchObject({ state: 'sent' });
    expect(await send('locate', { id })).toMatchObject({ state: 'sent' });
    expect(deliveries(id)).toHaveLength(1);
    expect(await refusal(send('unlock', { id }))).toBe('idempotency-key-reused');
    await answer(id, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
    expect(await send('locate', { id, waitMs: 5000 })).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-12: a command is sent again until the vehicle has answered', async () => {
    world.broker.connected = false;
    const id = v7();
    expect(await send('unlock', { id, expiresInMs: 600_000 })).toMatchObject({ state: 'pending' });
    world.broker.connected = true;
    world.clock.advance(1100);
    await eventually(async () => (await find(id)).state === 'sent');
    world.clock.advance(2100);
    await eventually(async () => deliveries(id).length === 3);
    await answer(id, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
    world.clock.advance(60_000);
    const other = v7();
    await send('locate', { id: other });
    world.clock.advance(1100);
    await eventually(async () => deliveries(other).length >= 2);
    expect(deliveries(id)).toHaveLength(3);
  });

  test('VEHICLE-12: a vehicle that speaks after a silence is sent what waits for it', async () => {
    world.broker.connected = false;
    const id = v7();
    await send('unlock', { id, expiresInMs: 600_000 });
    for (let attempt = 2; attempt <= 5; attempt++) {
      world.clock.advance(2 ** (attempt - 2) * 1000 + 100);
      await eventually(async () => deliveries(id).length === attempt);
    }
    world.broker.connected = true;
    world.clock.advance(2000);
    await world.report(vehicleId);
    await eventually(async () => deliveries(id).length === 6);
  });

  test('VEHICLE-15: a command that nobody answers runs out; a lock goes on', async () => {
    const unlock = v7();
    const lock = v7();
    const waiting = send('unlock', { id: unlock, expiresInMs: 1000, waitMs: 15_000 });
    await eventually(async () => deliveries(unlock).length === 1);
    await send('lock', { id: lock, expiresInMs: 1000 });
    world.clock.advance(7000);
    expect(await waiting).toMatchObject({ state: 'expired' });
    world.clock.advance(8 * 24 * 3600_000);
    await eventually(async () => deliveries(lock).length >= 3);
    expect(Date.parse(deliveries(lock).at(-1)?.message.expiresAt ?? '')).toBeGreaterThan(world.clock.nowMs());
    await answer(lock, 'done');
    await eventually(async () => (await find(lock)).state === 'verified');
  });

  test('VEHICLE-24: a vehicle that moved when its ride was ended unheard is locked as soon as it stands', async () => {
    const lock = v7();
    await send('lock', { id: lock });
    await eventually(async () => deliveries(lock).length === 1);
    await answer(lock, 'refused', 'moving');
    world.clock.advance(1100);
    const again = await eventually(async () => (latest('lock') === lock ? undefined : latest('lock')));
    expect(await find(lock)).toMatchObject({ state: 'sent' });
    await answer(again, 'done');
    await eventually(async () => (await find(lock)).state === 'verified');
  });

  test('VEHICLE-24: whoever waits is told that it moves, and that was it', async () => {
    const lock = v7();
    const waiting = send('lock', { id: lock, waitMs: 15_000 });
    await eventually(async () => deliveries(lock).length === 1);
    await answer(lock, 'refused', 'moving');
    expect(await waiting).toMatchObject({ state: 'refused', reason: 'moving' });
  });

  const staff = (kind: 'unlock' | 'lock' | 'locate' | 'disable' | 'enable', idempotencyKey: string = v7()) => world.vehicles.commandVehicle({ params: { vehicleId }, body: { kind } }, { idempotencyKey, timeoutMs: 15_000 });
  const latest = (kind: string) => world.delivered.findLast((delivery) => delivery.vehicleId === vehicleId && delivery.message.kind === kind)?.message.commandId;

  test('VEHICLE-20: staff command a vehicle and hear how it ended; the same key is the same command', async () => {
    const key = v7();
    const waiting = staff('locate', key);
    const id = await eventually(async () => latest('locate'));
    // The vehicle may hear of it before the row does.
    const sent = await eventually(async () => {
      const command = await world.vehicles.getVehicleCommand({ params: { vehicleId, commandId: id } });
      return command.state !== 'pending' && command;
    });
    expect(sent).toMatchObject({ id, kind: 'locate', state: 'sent' });
    await answer(id, 'done');
    expect(await waiting).toMatchObject({ id, vehicleId, state: 'verified' });
    expect(await staff('locate', key)).toMatchObject({ id, state: 'verified' });
    expect(deliveries(id)).toHaveLength(1);
    expect(await refusal(staff('unlock', key))).toBe('idempotency-key-reused');
    expect(await refusal(world.vehicles.getVehicleCommand({ params: { vehicleId: 's-1', commandId: id } }))).toBe('not-found');
  });

  test('VEHICLE-21: a vehicle is out of renting from the moment somebody wants it disabled until it says that it is enabled', async () => {
    await world.report(vehicleId);
    await inStatus('available');
    const disabling = v7();
    expect(await send('disable', { id: disabling })).toMatchObject({ state: 'sent' });
    expect((await get()).status).toBe('out-of-service');
    world.clock.advance(1000);
    await world.report(vehicleId, { disabled: true });
    await eventually(async () => (await find(disabling)).state === 'verified');
    const enabling = v7();
    await send('enable', { id: enabling });
    expect((await get()).status).toBe('out-of-service');
    expect(await send('disable', { id: disabling })).toMatchObject({ state: 'verified' });
    const rebuilt = new Fleet();
    await loadFleet(rebuilt, { database: world.process.database('vehicle') as never, clock: world.clock });
    expect(rebuilt.get(vehicleId)).toMatchObject({ status: 'out-of-service', definition: { disabled: false }, live: { disabled: true } });
    world.clock.advance(1000);
    await world.report(vehicleId);
    expect(await inStatus('available')).toBeDefined();
    expect(await find(enabling)).toMatchObject({ state: 'verified' });
  });

  test('VEHICLE-22: a moving vehicle is told again until it stands', async () => {
    const id = v7();
    const waiting = send('disable', { id, expiresInMs: 3600_000, waitMs: 15_000 });
    await eventually(async () => deliveries(id).length === 1);
    await answer(id, 'refused', 'moving');
    world.clock.advance(1100);
    const again = await eventually(async () => (latest('disable') === id ? undefined : latest('disable')));
    expect(await find(id)).toMatchObject({ state: 'sent' });
    await answer(again, 'done');
    expect(await waiting).toMatchObject({ id, state: 'verified' });
  });

  test('VEHICLE-22: who wants the opposite ends the trying; another refusal is final', async () => {
    const disabling = v7();
    await send('disable', { id: disabling, expiresInMs: 3600_000 });
    await send('enable');
    expect(await find(disabling)).toMatchObject({ state: 'refused', reason: 'superseded' });
    const last = v7();
    await send('disable', { id: last, expiresInMs: 3600_000 });
    await answer(last, 'refused', 'not-supported');
    await eventually(async () => (await find(last)).state === 'refused');
    expect((await get()).status).toBe('out-of-service');
  });

  test('VEHICLE-23: when time is over without a word, the vehicle is asked, and what it says counts', async () => {
    const id = v7();
    await send('enable', { id, expiresInMs: 1000 });
    world.clock.advance(1500);
    const asked = await eventually(async () => latest('locate'));
    expect(await find(id)).toMatchObject({ state: 'sent' });
    await answer(asked, 'done');
    await eventually(async () => (await find(id)).state === 'verified');
  });

  test('VEHICLE-13: a command to nobody is not found', async () => {
    expect(await refusal(send('locate', { vehicleId: 'nobody' }))).toBe('not-found');
    expect(await refusal(find(v7()))).toBe('not-found');
  });
});

describe('cities and vehicles', () => {
  test('VEHICLE-16: a definition that contradicts itself changes nothing', async () => {
    const before = await world.vehicles.listFleet({ params: { cityId: 'testville' }, query: { limit: 200 } });
    const broken = testCity({ vehicles: [{ id: 'new', modelId: 'none', tariffId: 'slow', position: origin }] });
    expect(await refusal(put(broken))).toBe('city-invalid');
    expect(await refusal(world.vehicles.putCity({ params: { cityId: 'elsewhere' }, body: city }))).toBe('city-invalid');
    expect(await refusal(put(testCity({ id: 'thief' })))).toBe('city-invalid');
    expect(await world.vehicles.listFleet({ params: { cityId: 'testville' }, query: { limit: 200 } })).toEqual(before);
    expect((await world.vehicles.listCities({})).items.map(({ id }) => id)).toEqual(['testville']);
  });

  test('VEHICLE-17: a new definition takes vehicles out and in, and leaves live states and what staff said alone', async () => {
    const town = testCity({ id: 'town', bays: [], zones: [], vehicles: ['t-1', 't-2', 't-3'].map((id) => ({ id, modelId: 'scooter', tariffId: 'slow', position: { lat: 50.3, lon: 8.3 } })) });
    expect(await put(town)).toMatchObject({ cityId: 'town', vehicles: 3, bays: 0 });
    await world.vehicles.setInService({ params: { vehicleId: 't-2' }, body: { inService: false } });
    await world.report('t-1', { position: { lat: 50.301, lon: 8.3 }, batteryPercent: 61 });
    await eventually(async () => (await get('t-1')).batteryPercent === 61);
    await put({ ...town, tariffs: town.tariffs.map((tariff) => ({ ...tariff, unlockFeeMinor: 150 })), vehicles: town.vehicles.slice(0, 2) });
    expect(await get('t-1')).toMatchObject({ status: 'available', batteryPercent: 61, unlockFeeMinor: 150, position: { lat: 50.301, lon: 8.3 } });
    expect(await get('t-2')).toMatchObject({ status: 'out-of-service' });
    expect(await get('t-3')).toMatchObject({ status: 'out-of-service' });
    await put(town);
    expect(await get('t-3')).toMatchObject({ status: 'available' });
    await world.vehicles.setInService({ params: { vehicleId: 't-2' }, body: { inService: true } });
    expect(await get('t-2')).toMatchObject({ status: 'available' });
    await put({ ...town, vehicles: [] });
  });

  test('VEHICLE-17: the same definition again is no change', async () => {
    const stamp = () => world.sql`select digest, changed_at from cities where id = 'testville'`;
    const before = await stamp();
    world.clock.advance(1000);
    await put(city);
    expect(await stamp()).toEqual(before);
  });

  test('VEHICLE-18: a vehicle is registered once; the same request again has the same answer', async () => {
    const id = `r-${v7()}`;
    const key = v7();
    const first = await register(id, {}, key);
    expect(first).toMatchObject({ id, status: 'available', bayId: 'north' });
    expect(await register(id, {}, key)).toEqual(first);
    expect(await refusal(register(id, { batteryPercent: 5 }, key))).toBe('idempotency-key-reused');
    expect(await refusal(register(id))).toBe('vehicle-exists');
    expect(await refusal(register(v7(), { cityId: 'nowhere' }))).toBe('not-found');
    expect(await refusal(register(v7(), { modelId: 'none' }))).toBe('city-invalid');
  });

  test('VEHICLE-06: bays and zones inside a box, and the verdict on a place', async () => {
    const bbox = '8.6,50.1,8.603,50.103';
    expect((await world.vehicles.listBays({ query: { bbox } })).items.map(({ id }) => id)).toEqual(['north']);
    expect((await world.vehicles.listZones({ query: { bbox } })).items.map(({ id }) => id)).toEqual(['area']);
    expect(await world.vehicles.judgeParking({ params: { vehicleId }, query: {} })).toMatchObject({ bayId: 'north', inOperatingArea: true, parkingForbidden: false, parking: 'bays-only' });
    expect(await world.vehicles.judgeParking({ params: { vehicleId }, query: { lat: 50.112, lon: 8.612 } })).toMatchObject({ bayId: null, parkingForbidden: true });
  });

  test('VEHICLE-03: counts by type and status add up to the fleet', async () => {
    const { vehicles } = await world.vehicles.countVehicles({});
    const sum = Object.values(vehicles).flatMap((statuses) => Object.values(statuses)).reduce((a, b) => a + b, 0);
    const [{ count } = { count: -1 }] = await world.sql<{ count: number }[]>`select count(*)::int as count from vehicles`;
    expect(sum).toBe(count);
  });
});

test('VEHICLE-04: silence makes a vehicle offline, and its next report brings it back', async () => {
  await world.report(vehicleId);
  await applied(1);
  world.clock.advance(11 * 60_000);
  await eventually(async () => (await get()).status === 'offline', 15_000);
  await world.report(vehicleId);
  await inStatus('available');
});
