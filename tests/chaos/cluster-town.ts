/** The platform as a process for each target, over engines of its own that are killed, emptied, throttled and cut off. */
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../../server/infra/free-port.ts';
import { systemClock } from '../../server/infra/clock/system.ts';
import { pinoLogger } from '../../server/infra/observability/pino.ts';
import { readConfiguration } from '../../server/program/configuration.ts';
import { openEventLog } from '../../server/program/event-log.ts';
import { randomFor } from '../../simulator/randomness.ts';
import { dynamodb } from '../../tools/engines/dynamodb.ts';
import { type Engine, run, type RunningEngine, startEngine } from '../../tools/engines/engine.ts';
import { requiredProgram } from '../../tools/engines/debian.ts';
import { kafka } from '../../tools/engines/kafka.ts';
import { postgres } from '../../tools/engines/postgres.ts';
import { redis } from '../../tools/engines/redis.ts';
import { s3 } from '../../tools/engines/s3.ts';
import { type Cluster, startCluster } from '../topology/cluster.ts';
import { openHttpProxy } from './http-proxy.ts';
import { openStreet } from './street.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { EngineParts, Part, Town } from './town.ts';

const logger = pinoLogger('silent');

/** An engine of this run alone, which comes back at its place. */
async function enginePart(engine: Engine, folder: string): Promise<Part & { settings: Record<string, string>; port: number; stop(): Promise<void> }> {
  await engine.install();
  let running: RunningEngine = await startEngine(engine, { folder: join(folder, engine.name), port: await freePort() });
  return {
    name: engine.name, settings: running.settings, port: running.place.port,
    kill: () => running.kill(),
    stop: () => running.stop(),
    async start() {
      running = await running.restart();
    },
  };
}

interface Ground {
  /** Settings that lead the platform to its engines, by way of the proxies. */
  settings: Record<string, string>;
  database: Town['database'];
  parts: EngineParts;
  close(): Promise<void>;
}

/** Starts the engines, with a stretch of network before each that can have one. */
async function openGround(folder: string, seed: number): Promise<Ground> {
  const starts = await Promise.allSettled([postgres, kafka, redis, dynamodb, s3].map((engine) => enginePart(engine, folder)));
  const parts = starts.flatMap((start) => (start.status === 'fulfilled' ? [start.value] : []));
  const [database, broker, cache, keyValues, objects] = parts;
  if (!database || !broker || !cache || !keyValues || !objects) {
    await Promise.all(parts.map((part) => part.stop()));
    throw new Error(`not every engine could be started: ${starts.map((start) => (start.status === 'rejected' ? String(start.reason) : '')).join(' ')}`);
  }
  const link = await TcpProxy.open({ targetPort: database.port, random: randomFor(seed, 'database') });
  const cacheLink = await TcpProxy.open({ targetPort: cache.port, random: randomFor(seed, 'cache') });
  const keyValueDoor = await openHttpProxy(keyValues.port, randomFor(seed, 'key-values'));
  const objectDoor = await openHttpProxy(objects.port, randomFor(seed, 'objects'));
  const url = new URL(database.settings['MOBILITY_DATABASE_URL'] ?? '');
  url.port = String(link.port);
  return {
    settings: {
      ...broker.settings, ...keyValues.settings, ...objects.settings, MOBILITY_DATABASE_URL: url.href, MOBILITY_REDIS_URL: `redis://127.0.0.1:${cacheLink.port}`,
      MOBILITY_DYNAMODB_URL: `http://127.0.0.1:${keyValueDoor.port}`, MOBILITY_S3_URL: `http://127.0.0.1:${objectDoor.port}`, MOBILITY_KAFKA_PARTITIONS: '8',
    },
    database: { name: database.name, kill: database.kill, stop: database.stop, start: database.start, link, url: url.href },
    parts: {
      broker, cache: { ...cache, link: cacheLink, flush: async () => void (await run(requiredProgram('redis-cli'), ['-p', String(cache.port), 'flushall'])) }, keyValueDoor, objectDoor,
    },
    async close() {
      await Promise.all([link.close(), cacheLink.close(), keyValueDoor.close(), objectDoor.close()]);
      await Promise.all(parts.map((part) => part.stop()));
    },
  };
}

/** Each process on its own: what is killed is one of many. */
const partsOf = (cluster: Cluster, environment: () => Record<string, string>): Part[] =>
  cluster.processes.map((process) => ({
    name: process.name,
    kill: () => process.kill(),
    stop: async () => void (await process.stop()),
    start: () => process.start(environment()),
  }));

export async function openClusterTown({ seed, vehicles, say }: { seed: number; vehicles: number; say(line: string): void }): Promise<Town> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-chaos-cluster-'));
  // PostgreSQL runs as a user of its own.
  await chmod(folder, 0o755);
  say('starting the engines');
  const ground = await openGround(folder, seed);
  const street = await openStreet({ folder: join(folder, 'world'), seed, brokerPort: await freePort() });
  const home = join(folder, 'home');
  say('starting a process for each target');
  const cluster = await startCluster({
    home, outside: false, engines: ground.settings, environment: { ...street.settings, MOBILITY_VEHICLES: String(vehicles), MOBILITY_PAYMENT_TIMEOUT_MS: '1500', MOBILITY_LOG_LEVEL: 'warn' },
  });
  const previous = { ...process.env };
  // The clients of the stand-ins take their credentials from the environment.
  Object.assign(process.env, Object.fromEntries(Object.entries(ground.settings).filter(([name]) => name.startsWith('AWS_'))));
  const mobility = Object.fromEntries(Object.entries(ground.settings).filter(([name]) => name.startsWith('MOBILITY_')));
  const events = await openEventLog({ configuration: readConfiguration({ ...mobility, MOBILITY_HOME: home }), clock: systemClock(), logger });
  await street.wake(cluster.url);
  let offsetSeconds = 0;
  const environment = (): Record<string, string> => ({ MOBILITY_CLOCK_OFFSET_SECONDS: String(offsetSeconds) });
  return {
    url: cluster.url, street, database: ground.database, events, disk: undefined, engines: ground.parts, processes: partsOf(cluster, environment),
    async moveClock(seconds) {
      offsetSeconds = seconds;
      // The machine of the bookings alone: from now on its clock and those of the others differ.
      await cluster.process('booking').restart(environment());
    },
    clockOffsetSeconds: () => offsetSeconds,
    output: () => cluster.output(),
    async close() {
      await cluster.dispose();
      await events.close();
      await street.close();
      await ground.close();
      process.env = previous;
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
