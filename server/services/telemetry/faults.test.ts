import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { prometheusMetrics } from '../../infra/observability/prometheus.ts';
import type { SeriesTable } from '../../infra/series/port.ts';
import { readConfiguration } from '../../program/configuration.ts';
import { startProcess } from '../../program/process.ts';
import { eventually, moduleOf, startModules } from '../../program/testing.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { GroupCommit } from './commit.ts';
import { FactFinder, factSettings } from './domain/facts.ts';
import { LiveFleet } from './domain/live.ts';
import { ZoneIndex } from './domain/zones.ts';
import { Intake } from './intake.ts';
import { telemetryContract } from './contract.ts';
import { intakeGroup, telemetryModule } from './module.ts';
import { frame, frankfurt, intakeTopic, payloadOf, readAll, receivedEvent, recordsFrom, startWorld, wholeWorld, type World, zoneAround } from './testing/world.ts';

const now = (): number => Date.now();

describe('with a database', () => {
  let world: World;
  beforeAll(async () => {
    world = await startWorld();
  });
  afterAll(async () => {
    await world.dispose();
  });

  const lagIsGone = () => eventually(async () => (await world.events.lag(intakeGroup, intakeTopic)) === 0, 30_000);
  const rows = async () => (await world.telemetry.getStatistics({})).history.rows;

  test('TELEMETRY-16: a thousand vehicles at once are all live and in history, once', async () => {
    const at = now() - 20_000;
    const frames = Array.from({ length: 1000 }, (_, vehicle) => frame(`crowd-${vehicle}`, payloadOf(recordsFrom(1, at, 10, (index) => ({ latitudeDegrees: 50 + vehicle * 1e-4 + index * 1e-5 })))));
    const before = await rows();
    await Promise.all(Array.from({ length: 20 }, (_, part) => world.events.append(intakeTopic, [receivedEvent(frames.slice(part * 50, part * 50 + 50), now(), `share-${part % 8}`)])));
    await lagIsGone();
    expect(await rows()).toBe(before + 10_000);
    expect((await world.telemetry.listLive({ query: { bbox: wholeWorld } })).items.filter(({ vehicleId }) => vehicleId.startsWith('crowd-'))).toHaveLength(1000);
  });

  test('TELEMETRY-17: while the database is away telemetry waits in the log, and is all there afterwards', async () => {
    const name = new URL(world.process.ports.database.url).pathname.slice(1);
    const other = new URL(world.process.ports.database.url);
    other.pathname = '/template1';
    const admin = postgres(other.href, { max: 1, onnotice: () => undefined });
    const before = await rows();
    await admin`alter database ${admin(name)} with allow_connections false`;
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
    const at = now() - 60_000;
    for (let part = 0; part < 20; part++) {
      const frames = Array.from({ length: 10 }, (_, vehicle) => frame(`patient-${vehicle}`, payloadOf(recordsFrom(1 + part * 5, at + part * 1000, 5))));
      await world.events.append(intakeTopic, [receivedEvent(frames, now(), `share-${part % 8}`)]);
    }
    expect(await world.events.lag(intakeGroup, intakeTopic)).toBeGreaterThan(0);
    await admin`alter database ${admin(name)} with allow_connections true`;
    await admin.end();
    await lagIsGone();
    await eventually(async () => (await rows()) === before + 1000);
  });
});

test('TELEMETRY-18: while the disk is full nothing is acknowledged, it is said, and then everything goes on', async () => {
  const fleet = new LiveFleet();
  const finder = new FactFinder(fleet, new ZoneIndex(), factSettings);
  const intake = new Intake(fleet, finder, () => undefined);
  let full = true;
  const written: number[] = [];
  const history = {
    async write({ sequence }: { sequence: Float64Array }) {
      if (full) throw Object.assign(new Error('could not extend file: No space left on device'), { code: '53100' });
      written.push(...sequence);
      return { written: sequence.length, known: 0, outside: 0 };
    },
  } as unknown as SeriesTable;
  const commit = new GroupCommit({
    intake, history, database: {} as never, logger: pinoLogger('silent'), packed: () => ({ vehicleId: '', zones: [], state: Buffer.alloc(0) }), onTake: () => undefined, lastCycle: 0,
  });
  intake.frames(frame('full', payloadOf(recordsFrom(1, now(), 3))), now());
  let acknowledged = false;
  const first = commit.commit().then(() => (acknowledged = true));
  await eventually(async () => commit.trouble?.includes('No space left'));
  intake.frames(frame('full', payloadOf(recordsFrom(4, now(), 3))), now());
  const second = commit.commit();
  expect([acknowledged, written]).toEqual([false, []]);
  full = false;
  await Promise.all([first, second]);
  expect([acknowledged, written, commit.trouble]).toEqual([true, [1, 2, 3, 4, 5, 6], undefined]);
});

test('TELEMETRY-19: killed under load and started again, nothing is lost or twice, each event is said once, and live is as it was', async () => {
  const infrastructure = await startModules([]);
  const { home, ports } = infrastructure;
  const log = ports.events;
  const [groups, vehiclesOfGroup, parts] = [4, 10, 60];
  const at = now() - 400_000;
  const append = (part: number) => log.append(intakeTopic, Array.from({ length: groups }, (_, group) => receivedEvent(
    Array.from({ length: vehiclesOfGroup }, (_unused, vehicle) => frame(`brave-${group}-${vehicle}`, payloadOf(recordsFrom(1 + part * 5, at + part * 5000, 5, () => ({ batteryPercent: part >= 25 ? 10 : 50, latitudeDegrees: frankfurt.lat + part * 1e-3, locked: false }))))),
    at + part * 5000 + 5000, `share-${group}`,
  )));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', fileURLToPath(new URL('testing/child.ts', import.meta.url)), home, ports.database.url], { stdio: ['ignore', 'pipe', 'inherit'] });
  await once(child.stdout, 'data');
  for (let part = 0; part < parts / 2; part++) await append(part);
  await eventually(async () => (await readAll(log, 'vehicles')).length > 10 * groups * vehiclesOfGroup, 20_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  for (let part = parts / 2; part < parts; part++) await append(part);

  const configuration = readConfiguration({ PORT: '0', MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'error', MOBILITY_POOL_SIZE: '4', MOBILITY_DATABASE_URL: ports.database.url });
  const again = await startProcess({ configuration, ports: { ...ports, close: async () => undefined }, modules: [moduleOf(vehicleContract, { listZones: async () => ({ items: [] }) }), telemetryModule] });
  try {
    const telemetry = again.client(telemetryContract);
    await eventually(async () => (await log.lag(intakeGroup, intakeTopic)) === 0, 30_000);
    const { history } = await telemetry.getStatistics({});
    expect(history.rows).toBe(groups * vehiclesOfGroup * parts * 5);
    const { items } = await telemetry.listLive({ query: { bbox: wholeWorld } });
    expect(items).toHaveLength(groups * vehiclesOfGroup);
    expect(items.every((vehicle) => Math.abs(vehicle.position.lat - frankfurt.lat - (parts - 1) * 1e-3) < 1e-6)).toBe(true);
    // The outbox may append an event again when the kill came before its row was deleted: with the same id, which consumers know.
    const saidOnce = async () => new Map((await readAll(log, 'vehicles')).map((event) => [event.id, event])).values().toArray();
    const expected = groups * vehiclesOfGroup * (parts + 1);
    await eventually(async () => (await saidOnce()).length >= expected, 20_000);
    const said = (await saidOnce()).map(({ type, data }) => `${type} ${(data as { vehicleId: string }).vehicleId} ${(data as { sequence?: number }).sequence ?? ''}`);
    expect(new Set(said).size).toBe(expected);
    expect(said).toHaveLength(expected);
  } finally {
    await again.stop();
    await infrastructure.dispose();
  }
}, 60_000);

test('TELEMETRY-19: what came after the live state was last saved, and was acknowledged, is read from the log again', async () => {
  const infrastructure = await startModules([]);
  const { home, ports } = infrastructure;
  const configuration = readConfiguration({ PORT: '0', MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'error', MOBILITY_POOL_SIZE: '4', MOBILITY_DATABASE_URL: ports.database.url });
  const start = () => startProcess({ configuration, ports: { ...ports, metrics: prometheusMetrics(), close: async () => undefined }, modules: [moduleOf(vehicleContract, { listZones: async () => ({ items: [zoneAround('market', frankfurt, 0.001)] }) }), telemetryModule] });
  const say = async (sequence: number, batteryPercent: number) => {
    const arrivedAtMs = now() - 10_000 + sequence * 10;
    await ports.events.append(intakeTopic, [receivedEvent(Array.from({ length: 30 }, (_, vehicle) => frame(`saved-${vehicle}`, payloadOf(recordsFrom(sequence, arrivedAtMs, 1, () => ({ batteryPercent }))))), arrivedAtMs)]);
    await eventually(async () => (await ports.events.lag(intakeGroup, intakeTopic)) === 0);
  };
  const sql = postgres(ports.database.url, { max: 1, onnotice: () => undefined });
  let running = await start();
  try {
    await say(1, 80);
    await running.stop();
    const [saved] = await sql<{ state: Buffer }[]>`select state from telemetry.live_chunks`;
    const [shares] = await sql<{ receivedAtMs: string }[]>`select received_at_ms::text as "receivedAtMs" from telemetry.live_shares`;
    running = await start();
    await say(2, 60);
    await running.stop();
    // As if the power had gone before the second was saved.
    await sql`update telemetry.live_chunks set state = ${saved?.state ?? ''}`;
    await sql`update telemetry.live_shares set received_at_ms = ${shares?.receivedAtMs ?? ''}::text::jsonb`;
    running = await start();
    const { items } = await running.client(telemetryContract).listLive({ query: { bbox: wholeWorld } });
    expect(items).toHaveLength(30);
    expect(new Set(items.map(({ batteryPercent }) => batteryPercent))).toEqual(new Set([60]));
    await say(3, 40);
    expect((await running.client(telemetryContract).getStatistics({})).history.rows).toBe(90);
    expect(await readAll(ports.events, 'vehicles')).toEqual([]);
  } finally {
    await running.stop();
    await sql.end();
    await infrastructure.dispose();
  }
}, 60_000);
