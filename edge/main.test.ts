import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { iotContract } from '../server/iot/contract.ts';
import { eventually } from '../server/program/testing.ts';
import { certificateRequest } from './agent/provisioning.ts';
import { type Garage, openGarage } from './agent/testing/agents.ts';
import type { AlertMessage } from './protocol/messages.ts';
import { openSqliteStorage } from './storage/sqlite.ts';
import { bundleOf, newSigner, type TestBundle, textFile, updateJob } from './update/testing/bundles.ts';

let garage: Garage;
let claimPath: string;
/** What `npm start` gives to Node. */
let nodeOptions: string[];
const children: ChildProcess[] = [];

beforeAll(async () => {
  garage = await openGarage();
  const { scripts } = JSON.parse(await readFile(join(import.meta.dirname, 'package.json'), 'utf8')) as { scripts: { start: string } };
  nodeOptions = scripts.start.split(' ').slice(1, -1);
  claimPath = join(garage.folder, 'claim.json');
  const { csrPem, privateKeyPem } = await certificateRequest('factory');
  const { certificatePem, authorityPem, brokerUrl } = await iot().issueClaim({ body: { csrPem, name: 'factory' } });
  await writeFile(claimPath, JSON.stringify({ certificatePem, authorityPem, brokerUrl, privateKeyPem }));
});
afterEach(async () => {
  for (const child of children.splice(0)) await end(child, 'SIGKILL');
});
afterAll(() => garage.dispose());

const iot = () => garage.running.client(iotContract);
const homeOf = (vehicleId: string) => join(garage.folder, `home-${vehicleId}`);

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode === null && child.signalCode === null) {
    child.kill(signal);
    await once(child, 'exit');
  }
  return child.exitCode;
}

/** The agent as a process of its own, as on a vehicle: no setting of this process reaches it. */
const start = (vehicleId: string, ...given: string[]) => startWith({}, vehicleId, ...given);

function startWith(env: Record<string, string>, vehicleId: string, ...given: string[]): { child: ChildProcess; said(): string } {
  const child = spawn(process.execPath, [...nodeOptions, join(import.meta.dirname, 'main.ts'), '--home', homeOf(vehicleId), ...given], { stdio: ['ignore', 'pipe', 'pipe'], env });
  children.push(child);
  let said = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (text: Buffer) => (said += text.toString()));
  return { child, said: () => said };
}

const claimed = (vehicleId: string) => ['--claim', claimPath, '--vehicle', vehicleId];
const recordsOf = (vehicleId: string, atLeast: number) => eventually(async () => {
  const records = await garage.records(vehicleId);
  return records.length >= atLeast && records;
});

async function writeRecording(name: string): Promise<string> {
  const path = join(garage.folder, name);
  const rows = Array.from({ length: 60 }, (_, second) => `2024-05-01 10:00:${String(second).padStart(2, '0')},${50 + second / 10_000},8.5,18`);
  await writeFile(path, ['timestamp,position_lat,position_long,speed', ...rows, ''].join('\n'));
  return path;
}

/** About a megabyte: 400 zones with sixty corners each. */
async function writeZones(name: string): Promise<string> {
  const path = join(garage.folder, name);
  const ring = (lat: number, lon: number) => Array.from({ length: 61 }, (_, corner) => [lon + Math.cos((corner % 60) * Math.PI / 30) / 500, lat + Math.sin((corner % 60) * Math.PI / 30) / 500]);
  const features = Array.from({ length: 400 }, (_, index) => ({ type: 'Feature', id: `zone-${index}`, properties: { kind: 'no-parking' }, geometry: { type: 'Polygon', coordinates: [ring(50 + Math.floor(index / 20) / 100, 8.5 + (index % 20) / 100)] } }));
  await writeFile(path, JSON.stringify({ type: 'FeatureCollection', features }));
  return path;
}

test('EDGE-50: the agent as a process provisions itself by its claim, plays a recording, and stays below 150 MB with its models and a megabyte of zones', async () => {
  const zones = await writeZones('zones.json');
  expect((await readFile(zones)).length).toBeGreaterThan(900_000);
  const { child, said } = start('process', ...claimed('process'), '--recording', await writeRecording('ride.csv'), '--zones', zones);
  const records = await recordsOf('process', 3);
  expect(records.some(({ speedMetresPerSecond, longitudeDegrees }) => Math.abs(speedMetresPerSecond - 5) < 0.1 && Math.abs(longitudeDegrees - 8.5) < 0.001)).toBe(true);
  expect((await iot().getDevice({ params: { vehicleId: 'process' } })).certificates).toHaveLength(1);
  expect(said()).not.toContain('model');
  const [, residentKilobytes] = /VmRSS:\s+(\d+) kB/.exec(await readFile(`/proc/${child.pid}/status`, 'utf8')) ?? [];
  expect(Number(residentKilobytes)).toBeGreaterThan(10_000);
  expect(Number(residentKilobytes)).toBeLessThan(150 * 1024);
  expect(await end(child, 'SIGTERM')).toBe(0);
});

test('EDGE-23, EDGE-51: a killed process has its configuration, zones, keys, certificate and last records, and goes on with higher numbers', async () => {
  const zones = await writeZones('zones-before.json');
  const first = start('killed', ...claimed('killed'), '--recording', await writeRecording('killed.csv'), '--zones', zones);
  await recordsOf('killed', 2);
  await iot().updateDesired({ params: { vehicleId: 'killed' }, query: {}, body: { desired: { configuration: { telemetryMovingSeconds: 2 } } } });
  await eventually(async () => JSON.stringify((await iot().getShadow({ params: { vehicleId: 'killed' }, query: {} })).state.reported).includes('"telemetryMovingSeconds":2'));
  await end(first.child, 'SIGKILL');

  const storage = openSqliteStorage(homeOf('killed'));
  const keys = storage.document('unlock-keys');
  expect(keys).toContain('Ed25519');
  const before = await garage.records('killed');
  const kept = storage.recordsAfter(0, 1000).map(({ sequence }) => sequence);
  expect(before.filter(({ sequence }) => !kept.includes(sequence))).toEqual([]);
  expect([storage.document('configuration'), storage.document('zones')]).toEqual(['{"telemetryMovingSeconds":2}', await readFile(zones, 'utf8')]);
  const identity = storage.document('identity');
  storage.close();

  // No claim, no zones: it has them.
  const second = start('killed');
  const after = await recordsOf('killed', before.length + 2);
  const highest = Math.max(...before.map(({ sequence }) => sequence));
  expect(after.slice(before.length).every(({ sequence }) => sequence > highest)).toBe(true);
  await end(second.child, 'SIGKILL');
  const again = openSqliteStorage(homeOf('killed'));
  expect([again.document('identity'), again.document('configuration'), again.document('zones')?.length]).toEqual([identity, '{"telemetryMovingSeconds":2}', (await readFile(zones)).length]);
  expect(again.document('unlock-keys')).toBe(keys);
  again.close();
});

/** @returns the address, and what ends it */
async function serve(...bundles: TestBundle[]): Promise<{ url: string; close(): void }> {
  const server = createServer((request, response) => {
    const found = bundles.find(({ manifest }) => request.url?.includes(manifest.bundleId));
    response.writeHead(found ? 200 : 404).end(found?.archive);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => void server.close() };
}

test('EDGE-46: it judges by models and zones that an update brought, at once and after a start; what cannot be used is rejected', async () => {
  const around = (lat: number, lon: number) => [[lon - 1, lat - 1], [lon + 1, lat - 1], [lon + 1, lat + 1], [lon - 1, lat + 1], [lon - 1, lat - 1]];
  const zones = (ring: number[][]) => textFile('zones.geojson', JSON.stringify({ type: 'FeatureCollection', features: [{ type: 'Feature', id: 'brought', properties: {}, geometry: { type: 'Polygon', coordinates: [ring] } }] }));
  const tamper = { path: 'tamper.bin', bytes: await readFile(join(import.meta.dirname, 'models/tamper.bin')) };
  const [signer, updates] = [await newSigner(), join(garage.folder, 'updates')];
  const jobs = {
    'zones-bad': bundleOf('zones', '1.0.0', [textFile('zones.geojson', '{"type":"FeatureCollection","features":[{}]}')]),
    'models-bad': bundleOf('models', '1.0.0', [textFile('collision.bin', 'no model')]),
    'models-good': bundleOf('models', '1.0.1', [tamper]),
    'zones-good': bundleOf('zones', '1.0.1', [zones(around(50, 8.5))]),
  };
  const archives = await serve(...Object.values(jobs));
  await mkdir(updates);
  await writeFile(join(updates, 'keys.json'), JSON.stringify({ counter: 1, keys: [signer.publicKey] }));
  const env = { MOBILITY_EDGE_UPDATES: updates };
  const running = startWith(env, 'updated', ...claimed('updated'), '--recording', await writeRecording('updated.csv'));
  await recordsOf('updated', 1);
  for (const [jobId, bundle] of Object.entries(jobs)) {
    await iot().createJob({ params: { jobId }, body: { document: { ...(await updateJob(signer, bundle)), archiveUrl: `${archives.url}/${bundle.manifest.bundleId}` }, vehicleIds: ['updated'] } });
  }
  const statusOf = async (jobId: string) => (await iot().listJobExecutions({ params: { jobId }, query: {} })).items[0]?.status;
  await eventually(async () => (await statusOf('zones-good')) === 'SUCCEEDED');
  expect([await statusOf('zones-bad'), await statusOf('models-bad'), await statusOf('models-good')]).toEqual(['REJECTED', 'REJECTED', 'SUCCEEDED']);
  const alerts = await eventually(async () => {
    const found = (await garage.eventsOf('vehicles', 'vehicles.alert-raised', 'updated')).map(({ data }) => data as AlertMessage);
    return found.length > 0 && found;
  });
  expect(alerts.map(({ kind, zoneId }) => [kind, zoneId])).toEqual([['geofence-entered', 'brought']]);
  await end(running.child, 'SIGTERM');
  const again = startWith(env, 'updated');
  await eventually(async () => again.said().includes('is awake'));
  expect(again.said()).not.toContain('cannot be used');
  const { reported } = (await iot().getShadow({ params: { vehicleId: 'updated' }, query: {} })).state;
  expect(reported).toMatchObject({ models: { tamper: '1.0.1' }, zonesVersion: '1.0.1' });
  archives.close();
});

test('EDGE-52: without a certificate and a claim it says what it needs, and ends', async () => {
  const { child, said } = start('nobody');
  await once(child, 'close');
  expect(child.exitCode).not.toBe(0);
  expect(said()).toContain('--claim');
});
