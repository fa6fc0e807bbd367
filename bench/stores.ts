/**
 * What cache, key-value store and object store cost on an engine, against the embedded form, in one run on one machine:
 * `npm run bench -- stores [SECONDS]`, each figure over so many seconds (2 unless given). Prints JSON lines. Installs and
 * starts Redis, DynamoDB Local and the S3 store of the tests; the last two are stand-ins, whose own speed is not Amazon's:
 * what travels is what the adapter adds, and that it keeps up.
 */
import { randomBytes } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { openFileBlobs } from '../server/infra/blobs/files.ts';
import type { Blobs } from '../server/infra/blobs/port.ts';
import { openS3Blobs } from '../server/infra/blobs/s3.ts';
import { memoryCache } from '../server/infra/cache/memory.ts';
import type { Cache } from '../server/infra/cache/port.ts';
import { openRedisCache } from '../server/infra/cache/redis.ts';
import { systemClock } from '../server/infra/clock/system.ts';
import { freePort } from '../server/infra/free-port.ts';
import { openDynamoKeyValueStore } from '../server/infra/kv/dynamodb.ts';
import { openLmdbKeyValueStore } from '../server/infra/kv/lmdb.ts';
import type { KeyValueStore } from '../server/infra/kv/port.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import type { Metrics } from '../server/infra/observability/port.ts';
import { prometheusMetrics } from '../server/infra/observability/prometheus.ts';
import { awsSettings } from '../tools/engines/aws.ts';
import { dynamodb } from '../tools/engines/dynamodb.ts';
import { type Engine, startEngine } from '../tools/engines/engine.ts';
import { redis } from '../tools/engines/redis.ts';
import { s3 } from '../tools/engines/s3.ts';

const seconds = Number(process.argv[2] ?? 2);
const callers = 16;
const photo = randomBytes(200_000);

interface Figures {
  perSecond: number;
  p50Ms: number;
  p99Ms: number;
}
type Work = (number: number) => Promise<unknown>;

const rounded = (value: number): number => Number(value.toPrecision(3));

/** Sixteen callers, each with its next call as soon as the last one has resolved. */
async function figuresOf(work: Work): Promise<Figures> {
  const tookMs: number[] = [];
  let number = 0;
  const beganMs = performance.now();
  const endMs = beganMs + seconds * 1000;
  await Promise.all(Array.from({ length: callers }, async () => {
    while (performance.now() < endMs) {
      const callBeganMs = performance.now();
      await work(number++);
      tookMs.push(performance.now() - callBeganMs);
    }
  }));
  const perSecond = tookMs.length / ((performance.now() - beganMs) / 1000);
  tookMs.sort((one, other) => one - other);
  const at = (share: number): number => tookMs[Math.min(tookMs.length - 1, Math.floor(tookMs.length * share))] ?? Number.NaN;
  return { perSecond: rounded(perSecond), p50Ms: rounded(at(0.5)), p99Ms: rounded(at(0.99)) };
}

/** Calls of the cache that found Redis away, and so were answered by this process: a round with one of them is no figure. */
let away = 0;
const rounds = 5;

async function figuresOfEngine(work: Work): Promise<Figures> {
  for (let round = 1; round <= rounds; round++) {
    away = 0;
    const figures = await figuresOf(work);
    if (away === 0) return figures;
    process.stderr.write(`a round does not count: Redis did not answer in time for ${away} calls of the cache\n`);
    await pause(3_000);
  }
  throw new Error('this machine is too busy: Redis did not answer in time in any round');
}

/** One after the other, so that neither has the machine to share with the other. */
async function compare(port: string, operation: string, work: { embedded: Work; engine: Work }): Promise<void> {
  for (const warm of [work.embedded, work.engine]) for (let number = 1; number <= 20; number++) await warm(-number);
  const embedded = await figuresOf(work.embedded);
  const engine = await figuresOfEngine(work.engine);
  console.log(JSON.stringify({ port, operation, embedded, engine, ratio: rounded(engine.perSecond / embedded.perSecond) }));
}

async function compareCaches(embedded: Cache, engine: Cache): Promise<void> {
  const both = (work: (cache: Cache, number: number) => Promise<unknown>) => ({ embedded: (number: number) => work(embedded, number), engine: (number: number) => work(engine, number) });
  await compare('cache', 'increment (a limit)', both((cache, number) => cache.increment(`limit:${number % 1000}`, 1, 60_000)));
  await compare('cache', 'set', both((cache, number) => cache.set(`key-${number % 1000}`, { one: 1, text: 'text' }, 60_000)));
  await compare('cache', 'get', both((cache, number) => cache.get(`key-${number % 1000}`)));
}

async function compareStores(embedded: KeyValueStore, engine: KeyValueStore): Promise<void> {
  const both = (work: (store: KeyValueStore, number: number) => Promise<unknown>) => ({ embedded: (number: number) => work(embedded, number), engine: (number: number) => work(engine, number) });
  await compare('kv', 'put', both((store, number) => store.table('bench').put(`key-${number}`, { number, text: 'text' })));
  await compare('kv', 'get', both((store, number) => store.table('bench').get(`key-${number % 20}`)));
  await compare('kv', 'list 100 of all', both((store) => store.table('bench').list({ limit: 100 })));
}

async function compareBlobs(embedded: Blobs, engine: Blobs): Promise<void> {
  const both = (work: (blobs: Blobs, number: number) => Promise<unknown>) => ({ embedded: (number: number) => work(embedded, number), engine: (number: number) => work(engine, number) });
  await compare('blobs', 'put 200 KB', both((blobs, number) => blobs.putIfAbsent(`photos/${number}`, photo, 'image/jpeg')));
  await compare('blobs', 'get 200 KB', both((blobs, number) => blobs.get(`photos/${number % 20}`)));
}

const folder = await mkdtemp(join(tmpdir(), 'bench-stores-'));
Object.assign(process.env, awsSettings);
const clock = systemClock();
const start = async (engine: Engine) => {
  await engine.install();
  return startEngine(engine, { folder: join(folder, engine.name), port: await freePort() });
};
const metrics: Metrics = { ...prometheusMetrics(), count: () => void away++ };
const engines = [await start(redis), await start(dynamodb), await start(s3)];
const settings: Record<string, string> = Object.assign({}, ...engines.map((engine) => engine.settings)) as Record<string, string>;
const setting = (name: string): string => settings[name] ?? '';
const caches = [memoryCache({ clock }), await openRedisCache({ url: setting('MOBILITY_REDIS_URL'), prefix: 'mobility:', clock, logger: pinoLogger('silent'), metrics })] as const;
const stores = [await openLmdbKeyValueStore({ folder: join(folder, 'kv'), clock }), await openDynamoKeyValueStore({ url: setting('MOBILITY_DYNAMODB_URL'), tableName: 'bench', clock })] as const;
const objects = [await openFileBlobs({ folder: join(folder, 'blobs') }), await openS3Blobs({ url: setting('MOBILITY_S3_URL'), bucket: 'bench' })] as const;
try {
  await compareCaches(...caches);
  await compareStores(...stores);
  await compareBlobs(...objects);
} finally {
  await Promise.all([...caches, ...stores, ...objects].map((opened) => opened.close()));
  await Promise.all(engines.map((engine) => engine.stop()));
  await rm(folder, { recursive: true });
}
