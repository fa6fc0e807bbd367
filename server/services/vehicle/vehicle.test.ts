import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { eventually } from '../../program/testing.ts';
import { Problem } from '../../wire/problem.ts';
import { loadFleet } from './cities.ts';
import type { CityDefinitionInput } from './contract.ts';
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
