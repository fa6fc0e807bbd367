import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type CryptoKey, generateKeyPair, SignJWT } from 'jose';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { certificateRequest, storedIdentities } from '../edge/agent/provisioning.ts';
import { systemClock } from '../server/infra/clock/system.ts';
import type { CommandMessage } from '../edge/protocol/messages.ts';
import { iotContract } from '../server/iot/contract.ts';
import { iotModule } from '../server/iot/module.ts';
import { eventually, startModules, type TestProcess } from '../server/program/testing.ts';
import type { ReportedState } from '../server/services/vehicle/contract.ts';
import { openNearField } from './near-field.ts';
import { seededRandom } from './randomness.ts';
import { type FleetStorage, openFleetStorage } from './storage.ts';
import { SimulatedVehicle, type VehicleOptions } from './vehicle.ts';

/** Moves on with the machine's time, and in leaps when a test says so. */
function leapingClock() {
  let offsetMs = 0;
  const nowMs = () => systemClock().nowMs() + offsetMs;
  return { nowMs, now: () => new Date(nowMs()), leap: (byMs: number) => void (offsetMs += byMs) };
}

let running: TestProcess;
let folder: string;
let storage: FleetStorage;
let clock: ReturnType<typeof leapingClock>;
const awake: SimulatedVehicle[] = [];

beforeAll(async () => {
  running = await startModules([iotModule]);
});
afterAll(() => running.dispose());
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-vehicles-'));
  storage = openFleetStorage(folder);
  clock = leapingClock();
});
afterEach(async () => {
  for (const vehicle of awake.splice(0)) vehicle.close();
  await storage.close();
  await rm(folder, { recursive: true, force: true });
});

const here = { lat: 50.1, lon: 8.6 };
const there = { lat: 50.101, lon: 8.6 };

async function wake(id: string, change: Partial<VehicleOptions> = {}): Promise<SimulatedVehicle> {
  const kept = storage.of(id);
  let [identity] = storedIdentities(kept);
  if (!identity) {
    const { csrPem, privateKeyPem } = await certificateRequest(id);
    const { certificatePem, authorityPem, brokerUrl, unlockKeys } = await running.client(iotContract).issueCertificate({ params: { vehicleId: id }, body: { csrPem } });
    identity = { vehicleId: id, certificatePem, authorityPem, brokerUrl, privateKeyPem };
    kept.saveDocument('identity', JSON.stringify(identity));
    kept.saveDocument('unlock-keys', JSON.stringify(unlockKeys));
  }
  const vehicle = new SimulatedVehicle({ id, type: 'scooter', position: here, batteryPercent: 80, storage: kept, identity, clock, random: seededRandom(1), ...change });
  awake.push(vehicle);
  return vehicle;
}

async function online(id: string = v7(), change: Partial<VehicleOptions> = {}): Promise<SimulatedVehicle> {
  const vehicle = await wake(id, change);
  vehicle.connect();
  await eventually(async () => vehicle.state.isConnected && vehicle.state.unsentReports === 0);
  return vehicle;
}

interface TokenChange {
  audience?: string;
  bookingId?: string;
  lifetimeSeconds?: number;
  issuedAtMs?: number;
  type?: string;
  key?: CryptoKey;
}

async function token(vehicleId: string, change: TokenChange = {}): Promise<string> {
  const { privateKey, keyId } = await running.ports.keys.signingKey('unlock', 'EdDSA');
  const issuedAt = Math.floor((change.issuedAtMs ?? clock.nowMs()) / 1000);
  return new SignJWT({ bookingId: change.bookingId ?? v7() })
    .setProtectedHeader({ alg: 'EdDSA', kid: keyId, typ: change.type ?? 'unlock+jwt' })
    .setSubject(v7()).setAudience(change.audience ?? vehicleId).setJti(v7()).setIssuedAt(issuedAt).setExpirationTime(issuedAt + (change.lifetimeSeconds ?? 60))
    .sign(change.key ?? privateKey);
}

async function reportsOf(vehicleId: string): Promise<ReportedState[]> {
  const { events } = running.ports;
  const all = await Promise.all(Array.from({ length: events.partitions('vehicles') }, (_, partition) => events.read('vehicles', partition, 0, 10_000)));
  return all.flat().flatMap(({ event }) => (event.subject === vehicleId ? [event.data as ReportedState] : []));
}

const command = (kind: CommandMessage['kind'], bookingId: string | null, expiresInMs = 60_000): CommandMessage => ({
  commandId: v7(), kind, bookingId, riderId: null, issuedAt: clock.now().toISOString(), expiresAt: new Date(clock.nowMs() + expiresInMs).toISOString(),
});
const deliver = (vehicleId: string, message: CommandMessage) => running.client(iotContract).deliverCommand({ body: { vehicleId, message } });
const resultsOf = async (vehicleId: string, commandId: string) => (await reportsOf(vehicleId)).flatMap(({ commandResults }) => commandResults.filter((result) => result.commandId === commandId));

describe('unlock tokens', () => {
  test('SIMULATOR-01: a token opens its vehicle without a network', async () => {
    const vehicle = await wake('offline-1');
    const bookingId = v7();
    expect(await vehicle.presentToken(await token(vehicle.id, { bookingId }))).toEqual({ accepted: true, bookingId });
    expect(vehicle.state).toMatchObject({ locked: false, bookingId, isConnected: false });
  });

  test('SIMULATOR-02: a token opens once, also after a power cut, also for two phones at the same moment', async () => {
    const vehicle = await wake('replay');
    const single = await token(vehicle.id);
    const verdicts = await Promise.all([vehicle.presentToken(single), vehicle.presentToken(single)]);
    expect(verdicts.map(({ accepted }) => accepted).sort()).toEqual([false, true]);
    expect(await vehicle.presentToken(single)).toEqual({ accepted: false, reason: 'used-before' });
    const again = await wake('replay');
    expect(await again.presentToken(single)).toEqual({ accepted: false, reason: 'used-before' });
  });

  test("SIMULATOR-03: another vehicle's token, an expired one, one too long-lived, one of another kind and a forged one do not open", async () => {
    const vehicle = await wake('strict');
    const { privateKey } = await generateKeyPair('EdDSA');
    const tries: [string, string][] = [
      [await token(vehicle.id, { audience: 'another' }), 'of-another-vehicle'],
      [await token(vehicle.id, { issuedAtMs: clock.nowMs() - 61_000 }), 'expired'],
      [await token(vehicle.id, { lifetimeSeconds: 3600 }), 'malformed'],
      [await token(vehicle.id, { type: 'at+jwt' }), 'malformed'],
      [await token(vehicle.id, { key: privateKey }), 'wrong-signature'],
      ['nonsense', 'malformed'],
      ['', 'malformed'],
    ];
    for (const [presented, reason] of tries) expect(await vehicle.presentToken(presented)).toEqual({ accepted: false, reason });
    expect(vehicle.state).toMatchObject({ locked: true, sequence: 0 });
  });

  test('SIMULATOR-03: a token that was good when it was made is not when its minute is over', async () => {
    const vehicle = await wake('late');
    const late = await token(vehicle.id);
    clock.leap(61_000);
    expect(await vehicle.presentToken(late)).toEqual({ accepted: false, reason: 'expired' });
  });

  test('SIMULATOR-04: an open vehicle does not change hands', async () => {
    const vehicle = await wake('in-use');
    const bookingId = v7();
    await vehicle.presentToken(await token(vehicle.id, { bookingId }));
    expect(await vehicle.presentToken(await token(vehicle.id))).toEqual({ accepted: false, reason: 'in-use' });
    expect(vehicle.state.bookingId).toBe(bookingId);
  });

  test('SIMULATOR-05: the near field takes tokens by HTTP and refuses everything else', async () => {
    const vehicle = await wake('near:1');
    const nearField = await openNearField((id) => (id === vehicle.id ? vehicle : undefined));
    const post = (path: string, body: string, method = 'POST') => fetch(`${nearField.url}${path}`, { method, ...(method === 'POST' && { body }) });
    try {
      const path = `/near-field/vehicles/${encodeURIComponent(vehicle.id)}/token`;
      const body = JSON.stringify({ token: await token(vehicle.id) });
      const opened = await post(path, body);
      expect(opened.status).toBe(200);
      expect(opened.headers.get('access-control-allow-origin')).toBe('*');
      expect(await (await post(path, body)).json()).toMatchObject({ status: 403, code: 'used-before' });
      expect((await post(path, '{')).status).toBe(400);
      expect((await post(path, JSON.stringify({ token: 1 }))).status).toBe(400);
      expect((await post(path, 'x'.repeat(20_000))).status).toBe(413);
      expect((await post('/near-field/vehicles/other/token', body)).status).toBe(404);
      expect((await post('/near-field/vehicles/%ff/token', body)).status).toBe(404);
      expect((await post('/other', body)).status).toBe(404);
      expect((await post(path, '', 'GET')).status).toBe(405);
      expect((await post(path, '', 'OPTIONS')).status).toBe(204);
    } finally {
      await nearField.close();
    }
  });
});

describe('commands', () => {
  test('SIMULATOR-06: a command runs once however often it comes, and is answered each time', async () => {
    const vehicle = await online();
    const first = v7();
    const unlock = command('unlock', first);
    await deliver(vehicle.id, unlock);
    await eventually(async () => !vehicle.state.locked);
    await deliver(vehicle.id, command('lock', first));
    await eventually(async () => vehicle.state.locked);
    await deliver(vehicle.id, unlock);
    await eventually(async () => (await resultsOf(vehicle.id, unlock.commandId)).length === 2);
    expect(vehicle.state.locked).toBe(true);
    expect(await resultsOf(vehicle.id, unlock.commandId)).toEqual([{ commandId: unlock.commandId, outcome: 'done' }, { commandId: unlock.commandId, outcome: 'done' }]);
  });

  test('SIMULATOR-06: also when the power was cut between', async () => {
    const id = v7();
    const vehicle = await online(id);
    const unlock = command('unlock', v7());
    await deliver(id, unlock);
    await eventually(async () => !vehicle.state.locked && vehicle.state.unsentReports === 0);
    vehicle.disconnect();
    const again = await online(id);
    expect(again.state.locked).toBe(false);
    await deliver(id, unlock);
    await eventually(async () => (await resultsOf(id, unlock.commandId)).length === 2);
    expect((await reportsOf(id)).filter(({ locked }, index, all) => !locked && all[index - 1]?.locked)).toHaveLength(1);
  });

  test('SIMULATOR-07: a command that has run out, or is for a vehicle in other hands, is refused', async () => {
    const vehicle = await online();
    const late = command('unlock', v7(), -1000);
    await deliver(vehicle.id, late);
    await eventually(async () => (await resultsOf(vehicle.id, late.commandId)).length === 1);
    expect(await resultsOf(vehicle.id, late.commandId)).toMatchObject([{ outcome: 'refused', reason: 'expired' }]);
    const bookingId = v7();
    await vehicle.presentToken(await token(vehicle.id, { bookingId }));
    const other = command('unlock', v7());
    await deliver(vehicle.id, other);
    await eventually(async () => (await resultsOf(vehicle.id, other.commandId)).length === 1);
    expect(await resultsOf(vehicle.id, other.commandId)).toMatchObject([{ outcome: 'refused', reason: 'in-use' }]);
    expect(vehicle.state).toMatchObject({ locked: false, bookingId });
  });

  test('SIMULATOR-08: a moving vehicle does not lock', async () => {
    const vehicle = await online();
    const bookingId = v7();
    await vehicle.presentToken(await token(vehicle.id, { bookingId }));
    vehicle.rideTo(there);
    clock.leap(2000);
    vehicle.advance();
    const lock = command('lock', bookingId);
    await deliver(vehicle.id, lock);
    await eventually(async () => (await resultsOf(vehicle.id, lock.commandId)).length === 1);
    expect(await resultsOf(vehicle.id, lock.commandId)).toMatchObject([{ outcome: 'refused', reason: 'moving' }]);
    expect(vehicle.state).toMatchObject({ locked: false, speedMetresPerSecond: 0 });
    await deliver(vehicle.id, command('lock', bookingId));
    await eventually(async () => vehicle.state.locked);
  });

  test('SIMULATOR-09: the lock of an earlier ride does not lock out the next rider', async () => {
    const vehicle = await online();
    const next = v7();
    await vehicle.presentToken(await token(vehicle.id, { bookingId: next }));
    const lock = command('lock', v7());
    await deliver(vehicle.id, lock);
    await eventually(async () => (await resultsOf(vehicle.id, lock.commandId)).length === 1);
    expect(vehicle.state).toMatchObject({ locked: false, bookingId: next });
  });
});

describe('reports', () => {
  test('SIMULATOR-10: what happens while the connection is lost in mid-ride arrives later, all of it, in order', async () => {
    const vehicle = await online();
    await vehicle.presentToken(await token(vehicle.id));
    vehicle.rideTo({ lat: 50.11, lon: 8.6 });
    const ride = (seconds: number) => {
      for (let second = 0; second < seconds; second++) {
        clock.leap(1000);
        vehicle.advance();
      }
    };
    ride(10);
    vehicle.disconnect();
    ride(200);
    expect(vehicle.state.unsentReports).toBeGreaterThan(35);
    vehicle.connect();
    await eventually(async () => vehicle.state.isConnected);
    ride(5);
    await eventually(async () => vehicle.state.unsentReports === 0);
    const seen = await reportsOf(vehicle.id);
    expect([...new Set(seen.map(({ sequence }) => sequence))]).toEqual(Array.from({ length: vehicle.state.sequence }, (_, index) => index + 1));
    const odometers = seen.map(({ odometerMetres }) => odometerMetres);
    expect(odometers).toEqual(odometers.toSorted((a, b) => a - b));
  });

  test('SIMULATOR-11: a power cut loses neither the state nor reports that wait', async () => {
    const id = v7();
    const vehicle = await wake(id);
    const bookingId = v7();
    await vehicle.presentToken(await token(id, { bookingId }));
    vehicle.plugIn();
    const before = vehicle.state;
    const again = await wake(id);
    expect(again.state).toEqual({ ...before, bootCount: 2 });
    again.connect();
    await eventually(async () => again.state.unsentReports === 0 && again.state.isConnected);
    expect((await reportsOf(id)).map(({ sequence, locked }) => [sequence, locked])).toEqual([[1, false], [2, false], [3, false]]);
  });

  test('SIMULATOR-11: what was written before a SIGKILL is there after it', async () => {
    const script = `import { openFleetStorage } from ${JSON.stringify(new URL('./storage.ts', import.meta.url).href)};
      const storage = openFleetStorage(${JSON.stringify(join(folder, 'killed'))}).of('v');
      for (let sequence = 1; ; sequence++) {
        storage.write({ sequence, usedTokens: [['t' + sequence, 0]] }, { kind: 'state', sequence, json: '{}' });
        if (sequence % 100 === 0) { process.stdout.write(sequence + '\\n'); await new Promise((resume) => setImmediate(resume)); }
      }`;
    const child = spawn(process.execPath, ['--input-type=module', '--eval', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    let written = 0;
    child.stdout.on('data', (lines: Buffer) => {
      written = Number(lines.toString().trim().split('\n').at(-1));
      if (written >= 500) child.kill('SIGKILL');
    });
    await once(child, 'close');
    const survivor = openFleetStorage(join(folder, 'killed'));
    const { sequence, usedTokens } = survivor.of('v').memory() ?? {};
    expect(sequence).toBeGreaterThanOrEqual(written);
    expect(usedTokens).toEqual([[`t${sequence}`, 0]]);
    expect(survivor.of('v').unsent('state')).toHaveLength(sequence ?? 0);
    await survivor.close();
  });

  test('SIMULATOR-12: a vehicle speaks at every change, every 5 seconds in motion, every minute when parked', async () => {
    const vehicle = await wake('rhythm');
    const reportsDuring = (seconds: number) => {
      const before = vehicle.state.sequence;
      for (let second = 0; second < seconds; second++) {
        clock.leap(1000);
        vehicle.advance();
      }
      return vehicle.state.sequence - before;
    };
    reportsDuring(60);
    expect(reportsDuring(600)).toBeGreaterThanOrEqual(9);
    expect(reportsDuring(600)).toBeLessThanOrEqual(11);
    await vehicle.presentToken(await token(vehicle.id));
    vehicle.rideTo({ lat: 50.2, lon: 8.6 });
    const moving = reportsDuring(100);
    expect(moving).toBeGreaterThanOrEqual(18);
    expect(moving).toBeLessThanOrEqual(22);
  });
});

test('SIMULATOR-13: a ride goes at the speed of its type, drains the battery, and ends where it was to end', async () => {
  let arrivals = 0;
  const vehicle = await wake('rider', { rangeMetres: 10_000, onArrived: () => void (arrivals += 1) });
  await vehicle.presentToken(await token(vehicle.id));
  vehicle.rideTo(there);
  for (let second = 0; second < 60; second++) {
    clock.leap(1000);
    vehicle.advance();
  }
  const { position, odometerMetres, batteryPercent, speedMetresPerSecond } = vehicle.state;
  expect(position).toEqual(there);
  expect(odometerMetres).toBeCloseTo(111.2, 0);
  expect(batteryPercent).toBeCloseTo(80 - 1.112, 2);
  expect(speedMetresPerSecond).toBe(0);
  expect(arrivals).toBe(1);
});
