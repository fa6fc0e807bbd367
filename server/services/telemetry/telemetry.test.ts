import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { frame, frankfurt, payloadOf, recordAt, recordsFrom, startWorld, wholeWorld, type World, zoneAround } from './testing/world.ts';

const hour = 3_600_000;
const day = 24 * hour;
let world: World;
let counter = 0;

beforeAll(async () => {
  world = await startWorld();
});
afterAll(async () => {
  await world.dispose();
});

const newVehicle = (): string => `vehicle-${++counter}`;
const iso = (timeMs: number): string => new Date(timeMs).toISOString();
const now = (): number => Math.floor(Date.now() / 1000) * 1000;
const windowOf = async (vehicleId: string, fromMs: number, toMs: number) => (await world.telemetry.getWindow({ params: { vehicleId }, query: { from: iso(fromMs), to: iso(toMs) } })).items;
const liveOf = async (vehicleId: string) => (await world.telemetry.listLive({ query: { bbox: wholeWorld } })).items.find((vehicle) => vehicle.vehicleId === vehicleId);
const droppedFor = async (reason: string) => (await world.telemetry.getStatistics({})).dropped[reason] ?? 0;

describe('from bytes to live state and history', () => {
  test('TELEMETRY-01: a record is in the live state and in history, with the precision of the wire', async () => {
    const vehicleId = newVehicle();
    const at = now() - 2000;
    await world.send([frame(vehicleId, payloadOf([recordAt(1, at, { speedMetresPerSecond: 5.25, batteryPercent: 64.5, odometerMetres: 1234.5, headingDegrees: 270, locked: false, peakAccelerationG: 1.234 })]))]);
    expect(await liveOf(vehicleId)).toMatchObject({ position: frankfurt, speedMetresPerSecond: 5.25, batteryPercent: 64.5, odometerMetres: 1234.5, headingDegrees: 270, locked: false, online: true, at: iso(at), cell: expect.stringMatching(/^89/) });
    expect(await windowOf(vehicleId, at, at + 1)).toEqual([{ at: iso(at), sequence: 1, position: frankfurt, speedMetresPerSecond: 5.25, headingDegrees: 270, batteryPercent: 64.5, odometerMetres: 1234.5, peakAccelerationG: 1.234, locked: false }]);
  });

  test('TELEMETRY-02: what cannot be read is counted by its reason, and what stands beside it is not lost', async () => {
    const [vehicleId, other] = [newVehicle(), newVehicle()];
    const good = payloadOf(recordsFrom(1, now() - 10_000, 5));
    const before = await Promise.all(['truncated', 'too-large', 'empty'].map(droppedFor));
    await world.send([frame(vehicleId, good.subarray(0, 20)), frame(other, good), frame(vehicleId, new Uint8Array(70_000)), frame(vehicleId, new Uint8Array(0)), frame(vehicleId, good), Buffer.from([9, 1, 2])]);
    expect(await Promise.all(['truncated', 'too-large', 'empty'].map(droppedFor))).toEqual(before.map((count) => count + 1));
    expect(await droppedFor('frames-malformed')).toBeGreaterThan(0);
    for (const id of [vehicleId, other]) expect(await windowOf(id, now() - 60_000, now())).toHaveLength(5);
    const health = await world.telemetry.getHealth({ body: { vehicleIds: [vehicleId, other, 'never-heard-of'], since: iso(now() - 60_000) } });
    expect(health.items).toMatchObject([{ records: 5, refused: 3 }, { records: 5, refused: 0 }, { records: 0, lastAt: null, refused: 0 }]);
  });

  test('TELEMETRY-03: positions, speeds and batteries that cannot be are dropped, each for itself', async () => {
    const vehicleId = newVehicle();
    const at = now() - 60_000;
    const impossible = [{ latitudeDegrees: 0, longitudeDegrees: 0 }, { latitudeDegrees: 95 }, { longitudeDegrees: -190 }, { speedMetresPerSecond: 150 }, { batteryPercent: 101 }, { latitudeDegrees: 48.1, longitudeDegrees: 11.5 }];
    const reasons = Object.entries({ position: 3, speed: 1, battery: 1, jump: 1 });
    const before = await Promise.all(reasons.map(([reason]) => droppedFor(reason)));
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, at, 8, (index) => impossible[index - 1] ?? {})))]);
    for (const [index, [reason, count]] of reasons.entries()) expect(await droppedFor(reason)).toBe((before[index] ?? 0) + count);
    expect((await windowOf(vehicleId, at, at + 60_000)).map(({ sequence }) => sequence)).toEqual([1, 8]);
    expect(await liveOf(vehicleId)).toMatchObject({ position: frankfurt });
  });

  test('TELEMETRY-04: a place far away is believed when the vehicle keeps saying it', async () => {
    const vehicleId = newVehicle();
    const munich = { latitudeDegrees: 48.1, longitudeDegrees: 11.5 };
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, now() - 60_000, 20, (index) => (index === 0 ? {} : munich))))]);
    expect(await liveOf(vehicleId)).toMatchObject({ position: { lat: 48.1, lon: 11.5 } });
  });

  test('TELEMETRY-05: a clock that is a year off, in either direction, is set by the arrival, the same for what is sent twice', async () => {
    for (const off of [-365 * day, 365 * day, -20_000 * day]) {
      const vehicleId = newVehicle();
      const at = now();
      const payload = payloadOf(recordsFrom(1, Math.max(1000, at + off), 5));
      await world.send([frame(vehicleId, payload)], at);
      const live = await liveOf(vehicleId);
      expect(Math.abs(Date.parse(live?.at ?? '') - at)).toBeLessThanOrEqual(5000);
      await world.send([frame(vehicleId, payload)], at + 4000);
      expect(await windowOf(vehicleId, at - 60_000, at + 60_000)).toHaveLength(5);
    }
  });

  test('TELEMETRY-06: records that come again are there once', async () => {
    const vehicleId = newVehicle();
    const at = now() - 300_000;
    const payload = payloadOf(recordsFrom(1, at, 100));
    const { duplicates } = await world.telemetry.getStatistics({});
    await world.send([frame(vehicleId, payload), frame(vehicleId, payload)]);
    await world.send([frame(vehicleId, payload)]);
    expect(await windowOf(vehicleId, at, at + 300_000)).toHaveLength(100);
    expect((await world.telemetry.getStatistics({})).duplicates).toBeGreaterThan(duplicates);
  });

  test('TELEMETRY-07: records out of order and a day late go to their place in history and change nothing else', async () => {
    const vehicleId = newVehicle();
    const at = now() - 60_000;
    await world.send([frame(vehicleId, payloadOf([recordAt(1000, at, { batteryPercent: 50 })]))]);
    await world.send([frame(vehicleId, payloadOf(recordsFrom(900, at - day, 20, () => ({ batteryPercent: 3, locked: false })))), frame(vehicleId, payloadOf(recordsFrom(990, at - 10_000, 10, () => ({ batteryPercent: 4 }))))]);
    expect(await liveOf(vehicleId)).toMatchObject({ batteryPercent: 50, at: iso(at) });
    expect((await windowOf(vehicleId, at - day, at - day + hour)).map(({ sequence }) => sequence)).toEqual(Array.from({ length: 20 }, (_, index) => 900 + index));
    expect((await windowOf(vehicleId, at - 20_000, at + 1)).at(-1)).toMatchObject({ sequence: 1000 });
    expect((await world.published()).filter(({ subject }) => subject === vehicleId)).toEqual([]);
  });

  test('TELEMETRY-08: a device that was replaced counts from the beginning and is heard', async () => {
    const vehicleId = newVehicle();
    await world.send([frame(vehicleId, payloadOf([recordAt(50_000, now() - 20_000, { batteryPercent: 50 })], 40))]);
    await world.send([frame(vehicleId, payloadOf([recordAt(1, now() - 10_000, { batteryPercent: 90 })], 1))]);
    expect(await liveOf(vehicleId)).toMatchObject({ batteryPercent: 90 });
  });
});

describe('what follows', () => {
  test('TELEMETRY-09: a low battery is told once until it was charged', async () => {
    const vehicleId = newVehicle();
    const batteries = [30, 14.9, 15.2, 14, 10, 19.9, 14, 20, 14];
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, now() - 60_000, batteries.length, (index) => ({ batteryPercent: batteries[index] ?? 0 }))))]);
    expect((await world.published()).filter(({ subject }) => subject === vehicleId).map(({ type, data }) => [type, data['batteryPercent']])).toEqual([['vehicles.battery-low', 14.9], ['vehicles.battery-low', 14]]);
  });

  test('TELEMETRY-10: entering and leaving a zone counts after ten seconds; a vehicle at the border does not flap, and inexact positions cross nothing', async () => {
    world.zones.push(zoneAround('market', { lat: 50.2, lon: 8.7 }, 0.002));
    const { cityChanged } = (await import('../vehicle/contract.ts')).vehicleContract.events;
    await world.process.ports.events.append(cityChanged.topic, [{ specversion: '1.0', id: '01990000-0000-7000-8000-000000000001', source: '/vehicle', type: cityChanged.type, subject: 'frankfurt', time: iso(now()), datacontenttype: 'application/json', dataschemaversion: 1, data: { cityId: 'frankfurt' } }]);
    const vehicleId = newVehicle();
    const inside = { latitudeDegrees: 50.2, longitudeDegrees: 8.7 };
    const outside = { latitudeDegrees: 50.2, longitudeDegrees: 8.7025 };
    let start = now() - 600_000;
    let sequence = 1;
    const ride = async (places: readonly Partial<typeof inside & { accuracyMetres: number }>[]) => {
      await world.send([frame(vehicleId, payloadOf(recordsFrom(sequence, start, places.length, (index) => places[index] ?? {})))]);
      sequence += places.length;
      start += places.length * 1000;
    };
    const said = async () => (await world.published()).filter(({ subject }) => subject === vehicleId).map(({ type }) => type);
    await ride(Array.from({ length: 3 }, () => outside));
    await ride(Array.from({ length: 40 }, (_, index) => (index % 8 < 4 ? inside : outside)));
    await ride(Array.from({ length: 30 }, () => ({ ...inside, accuracyMetres: 200 })));
    expect(await said()).toEqual([]);
    await ride(Array.from({ length: 12 }, () => inside));
    expect(await said()).toEqual(['vehicles.geofence-entered']);
    await ride(Array.from({ length: 12 }, () => outside));
    expect(await said()).toEqual(['vehicles.geofence-entered', 'vehicles.geofence-left']);
  });

  test('TELEMETRY-11: an unlocked vehicle tells its way every hundred metres or half a minute, a locked one does not', async () => {
    const vehicleId = newVehicle();
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, now() - 200_000, 91, (index) => ({ locked: index > 85, latitudeDegrees: frankfurt.lat + (index <= 40 ? index * 9e-5 : 40 * 9e-5) }))))]);
    const points = (await world.published()).filter(({ subject }) => subject === vehicleId);
    expect(points.every(({ type }) => type === 'vehicles.trip-advanced')).toBe(true);
    expect(points.map(({ data }) => Number(data['sequence']) - 1)).toEqual([0, 10, 20, 30, 40, 70]);
  });

  test('TELEMETRY-12: starts of the agent are counted since a moment', async () => {
    const vehicleId = newVehicle();
    await world.send([frame(vehicleId, payloadOf([recordAt(1, now() - 9000)], 7))]);
    const since = iso(Date.now());
    await world.send([frame(vehicleId, payloadOf([recordAt(2, now() - 8000)], 8))]);
    await world.send([frame(vehicleId, payloadOf([recordAt(3, now() - 7000)], 10))]);
    expect((await world.telemetry.getHealth({ body: { vehicleIds: [vehicleId], since } })).items).toMatchObject([{ vehicleId, bootsSince: 3 }]);
  });
});

describe('questions', () => {
  test('TELEMETRY-13: a viewport answers with the vehicles in it and how many there are', async () => {
    const [here, there] = [newVehicle(), newVehicle()];
    const at = now() - 5000;
    await world.send([frame(here, payloadOf([recordAt(1, at, { latitudeDegrees: 40.001, longitudeDegrees: -3.7 })])), frame(there, payloadOf([recordAt(1, at, { latitudeDegrees: 40.1, longitudeDegrees: -3.7 })]))]);
    expect((await world.telemetry.listLive({ query: { bbox: '-3.8,40,-3.6,40.01' } })).items.map(({ vehicleId }) => vehicleId)).toEqual([here]);
    expect(await world.telemetry.listLive({ query: { bbox: '-3.8,40,-3.6,41', limit: 1 } })).toMatchObject({ total: 2, items: [{ vehicleId: here }] });
  });

  test('TELEMETRY-14: a track is thinned out, aggregates are by minute and hour, and a range that is empty or too long is refused', async () => {
    const vehicleId = newVehicle();
    const start = Math.floor((Date.now() - 2 * hour) / hour) * hour;
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, start, 300, (index) => ({ speedMetresPerSecond: index % 10, batteryPercent: 90 - index / 10 }))))]);
    const query = { from: iso(start), to: iso(start + hour) };
    const { items } = await world.telemetry.getTrack({ params: { vehicleId }, query: { ...query, maximumPoints: 20 } });
    expect(items.length).toBeLessThanOrEqual(20);
    expect([items[0]?.sequence, items.at(-1)?.sequence]).toEqual([1, 300]);
    const minutes = (await world.telemetry.getAggregates({ params: { vehicleId }, query })).items;
    expect(minutes.map(({ records }) => records)).toEqual([60, 60, 60, 60, 60]);
    expect(minutes[0]).toMatchObject({ at: iso(start), speedMetresPerSecond: { minimum: 0, maximum: 9, mean: 4.5 } });
    expect((await world.telemetry.getFleetAggregates({ query: { ...query, interval: 'hour' } })).items[0]?.records).toBeGreaterThanOrEqual(300);
    for (const wrong of [{ from: query.to, to: query.from }, { from: iso(start - 400 * day), to: iso(start) }]) {
      await expect(world.telemetry.getTrack({ params: { vehicleId }, query: wrong })).rejects.toMatchObject({ code: 'range-invalid' });
    }
  });

  test('TELEMETRY-15: statistics say how many records there were, how quickly they were live, and what came of them', async () => {
    const vehicleId = newVehicle();
    const before = await world.telemetry.getStatistics({});
    await world.send([frame(vehicleId, payloadOf(recordsFrom(1, Date.now() - 999, 2, () => ({}))))]);
    const after = await world.telemetry.getStatistics({});
    expect(after).toMatchObject({ vehicles: before.vehicles + 1, recordsReceived: before.recordsReceived + 2, recordsWritten: before.recordsWritten + 2, lagEvents: 0 });
    expect(after.liveP99Ms).toBeGreaterThanOrEqual(after.liveP50Ms ?? Infinity);
    expect(after.history.rows).toBe(before.history.rows + 2);
  });
});
