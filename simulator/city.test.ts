import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { systemClock } from '../server/infra/clock/system.ts';
import { iotContract } from '../server/iot/contract.ts';
import { iotModule } from '../server/iot/module.ts';
import { eventually, startModules, type TestProcess } from '../server/program/testing.ts';
import { vehicleContract } from '../server/services/vehicle/contract.ts';
import { vehicleModule } from '../server/services/vehicle/module.ts';
import { testCity } from '../server/services/vehicle/testing/city.ts';
import type { AlertMessage } from '../edge/protocol/messages.ts';
import { type CityOptions, type RunningCity, startCity } from './city.ts';
import { metresBetween } from './physics.ts';
import { randomFor } from './randomness.ts';

let running: TestProcess;
/** Serves bays and zones alone: what the city reads by itself. */
let api: Server;
let apiUrl: string;
let folder: string;
const cities: RunningCity[] = [];
const definition = testCity();

beforeAll(async () => {
  running = await startModules([iotModule, vehicleModule]);
  await running.client(vehicleContract).putCity({ params: { cityId: definition.id }, body: definition });
  api = createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url ?? '', 'http://api');
    const query = { bbox: searchParams.get('bbox') ?? '' };
    const client = running.client(vehicleContract);
    (pathname === '/v1/zones' ? client.listZones({ query }) : client.listBays({ query })).then(
      (places) => response.setHeader('content-type', 'application/json').end(JSON.stringify(places)),
      () => response.writeHead(500).end(),
    );
  }).listen(0, '127.0.0.1');
  await once(api, 'listening');
  const address = api.address();
  apiUrl = `http://127.0.0.1:${typeof address === 'object' ? address?.port : 0}`;
  folder = await mkdtemp(join(tmpdir(), 'mobility-city-'));
});
afterEach(async () => {
  for (const city of cities.splice(0)) await city.close();
});
afterAll(async () => {
  api.close();
  await running.dispose();
  await rm(folder, { recursive: true, force: true });
});

const provision = (vehicleId: string, csrPem: string) => running.client(iotContract).issueCertificate({ params: { vehicleId }, body: { csrPem } });
const types = { 's-1': 'scooter', 's-2': 'scooter', 's-flat': 'scooter', 'c-1': 'car' } as const;
const vehicles = definition.vehicles.map(({ id, position, batteryPercent }) => ({ id, type: types[id as keyof typeof types], position, batteryPercent: batteryPercent ?? 100 }));

/** A clock that runs a hundred times as fast, so that a ride takes a second. */
function hastyClock(times = 100) {
  const startMs = systemClock().nowMs();
  const begun = performance.now();
  const nowMs = () => startMs + (performance.now() - begun) * times;
  return { nowMs, now: () => new Date(nowMs()) };
}

async function wake(change: Partial<CityOptions> = {}): Promise<RunningCity> {
  const city = await startCity({ apiUrl, vehicles, provision, folder: join(folder, v7()), seed: 1, clock: systemClock(), ...change });
  cities.push(city);
  await city.connected();
  return city;
}

async function unlock(city: RunningCity, vehicleId: string, nowMs: number): Promise<string> {
  const { privateKey, keyId } = await running.ports.keys.signingKey('unlock', 'EdDSA');
  const bookingId = v7();
  const seconds = Math.floor(nowMs / 1000);
  const token = await new SignJWT({ bookingId }).setProtectedHeader({ alg: 'EdDSA', kid: keyId, typ: 'unlock+jwt' }).setSubject(v7()).setAudience(vehicleId).setJti(v7()).setIssuedAt(seconds).setExpirationTime(seconds + 60).sign(privateKey);
  const response = await fetch(`${city.nearFieldUrl}/near-field/vehicles/${vehicleId}/token`, { method: 'POST', body: JSON.stringify({ token }) });
  expect(response.status).toBe(200);
  return bookingId;
}

const platformKnows = (vehicleId: string) => running.client(vehicleContract).getVehicle({ params: { vehicleId } });

test('SIMULATOR-10: what the vehicles say is what the platform knows, and a command reaches the wheels', async () => {
  const city = await wake();
  await eventually(async () => (await platformKnows('s-1')).seenAt !== null);
  const bookingId = await unlock(city, 's-1', systemClock().nowMs());
  await eventually(async () => !(await platformKnows('s-1')).locked);
  const expiresAt = new Date(systemClock().nowMs() + 60_000).toISOString();
  const lock = await running.client(vehicleContract).sendCommand({ body: { id: v7(), vehicleId: 's-1', kind: 'lock', bookingId, expiresAt, waitMs: 10_000 } });
  expect(lock).toMatchObject({ state: 'verified' });
  expect(city.vehicle('s-1')?.state.locked).toBe(true);
  expect((await platformKnows('s-1')).locked).toBe(true);
});

test("SIMULATOR-15: a person's car rides to the next bay, plugs in there and waits", async () => {
  const clock = hastyClock();
  const away = { lat: 50.1056, lon: 8.604 };
  const city = await wake({ clock, vehicles: [{ id: 'c-1', type: 'car', position: away, batteryPercent: 90 }] });
  await unlock(city, 'c-1', clock.nowMs());
  const car = city.vehicle('c-1');
  await eventually(async () => car?.state.pluggedIn);
  expect(metresBetween(car?.state.position ?? away, { lat: 50.104, lon: 8.604 })).toBeLessThan(1);
  expect(car?.state).toMatchObject({ locked: false, speedMetresPerSecond: 0 });
});

test('SIMULATOR-16: a certificate that stopped working is renewed', async () => {
  const kept = join(folder, v7());
  const first = await wake({ folder: kept });
  await first.close();
  cities.length = 0;
  const { certificates } = await running.client(iotContract).getDevice({ params: { vehicleId: 's-2' } });
  for (const { id } of certificates) await running.client(iotContract).revokeCertificate({ params: { certificateId: id } });
  let renewed = 0;
  const again = await wake({
    folder: kept,
    provision: (vehicleId, csrPem) => {
      renewed += 1;
      return provision(vehicleId, csrPem);
    },
  });
  await eventually(async () => again.vehicle('s-2')?.isConnected);
  expect(renewed).toBe(1);
});

test('SIMULATOR-16: a vehicle that cannot be provisioned yet does not keep the others asleep', async () => {
  let refusals = 2;
  const trouble: string[] = [];
  const city = await startCity({
    apiUrl, vehicles, folder: join(folder, v7()), seed: 1, clock: systemClock(), onTrouble: (text) => trouble.push(text),
    provision: async (vehicleId, csrPem) => {
      if (vehicleId === 's-1' && refusals-- > 0) throw new Error('not now');
      return provision(vehicleId, csrPem);
    },
  });
  cities.push(city);
  await eventually(async () => city.vehicle('c-1')?.isConnected);
  await city.connected();
  expect(city.vehicle('s-1')?.isConnected).toBe(true);
  expect(trouble).toEqual(['no certificate for s-1', 'no certificate for s-1']);
});

async function alertsOf(vehicleId: string): Promise<AlertMessage[]> {
  const { events } = running.ports;
  const read = await Promise.all(Array.from({ length: events.partitions('vehicles') }, (_, partition) => events.read('vehicles', partition, 0, 10_000)));
  return read.flat().flatMap(({ event: { type, subject, data } }) => (type === 'vehicles.alert-raised' && subject === vehicleId ? [data as AlertMessage] : []));
}

test('SIMULATOR-17: a vehicle knows the zones that hold for its type, and tells when it crosses one', async () => {
  const clock = hastyClock(10);
  const within = { lat: 50.112, lon: 8.612 };
  const city = await wake({ clock, vehicles: [{ id: 's-1', type: 'scooter', position: within, batteryPercent: 80 }, { id: 'c-1', type: 'car', position: within, batteryPercent: 80 }] });
  for (const id of ['s-1', 'c-1']) await unlock(city, id, clock.nowMs());
  const zonesOf = async (id: string) => (await alertsOf(id)).filter(({ kind }) => kind === 'geofence-entered').map(({ zoneId }) => zoneId).toSorted();
  await eventually(async () => (await zonesOf('s-1')).length >= 2 && (await zonesOf('c-1')).length >= 1);
  expect([await zonesOf('s-1'), await zonesOf('c-1')]).toEqual([['area', 'park'], ['area']]);
});

test('SIMULATOR-18: the first few vehicles get their certificates by a claim; when that is refused, as the others do', async () => {
  const asked: string[] = [];
  const claim = (csrPem: string) => running.client(iotContract).issueClaim({ body: { csrPem, name: 'city' } });
  const city = await wake({
    claim, vehicles: Array.from({ length: 7 }, (_, index) => ({ id: index === 0 ? 's-1' : `claimed-${index}`, type: 'scooter' as const, position: { lat: 50.102, lon: 8.602 }, batteryPercent: 80 })),
    provision: (vehicleId, csrPem) => {
      asked.push(vehicleId);
      return provision(vehicleId, csrPem);
    },
  });
  // `s-1` has a certificate already, from the tests before.
  expect(asked.toSorted()).toEqual(['claimed-5', 'claimed-6', 's-1']);
  for (let index = 1; index < 7; index++) expect(city.vehicle(`claimed-${index}`)?.isConnected).toBe(true);
});

test('SIMULATOR-14: the same seed gives the same draws, for each name of its own', () => {
  const draws = (seed: number, name: string) => {
    const random = randomFor(seed, name);
    return Array.from({ length: 5 }, random);
  };
  expect(draws(1, 'a')).toEqual(draws(1, 'a'));
  expect(draws(1, 'a')).not.toEqual(draws(2, 'a'));
  expect(draws(1, 'a')).not.toEqual(draws(1, 'b'));
});
