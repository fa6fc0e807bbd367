/**
 * Cache, key-value store and object store: embedded, or those that the configuration names.
 * Each engine's client is loaded when it is chosen: a start without them loads none.
 */
import { join } from 'node:path';
import { openFileBlobs } from '../infra/blobs/files.ts';
import type { Blobs } from '../infra/blobs/port.ts';
import { memoryCache } from '../infra/cache/memory.ts';
import type { Cache } from '../infra/cache/port.ts';
import type { Clock } from '../infra/clock/port.ts';
import { fileKeys } from '../infra/keys/files.ts';
import type { Keys } from '../infra/keys/port.ts';
import { openLmdbKeyValueStore } from '../infra/kv/lmdb.ts';
import type { KeyValueStore } from '../infra/kv/port.ts';
import type { Logger, Metrics } from '../infra/observability/port.ts';
import type { Configuration } from './configuration.ts';

/** What the stores are opened with. */
interface StoreOptions {
  configuration: Configuration;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
}

const cachedEntries = 100_000;
/** Stands before our keys, so that a user of Redis can be confined to them. */
const cachePrefix = 'mobility:';

export async function openCache({ configuration, clock, logger, metrics }: StoreOptions): Promise<Cache> {
  const url = configuration.MOBILITY_REDIS_URL;
  if (url === undefined) return memoryCache({ maximumEntries: cachedEntries, clock });
  const { openRedisCache } = await import('../infra/cache/redis.ts');
  return openRedisCache({ url, prefix: cachePrefix, clock, logger, metrics });
}

export async function openKeyValueStore({ configuration, clock }: Pick<StoreOptions, 'configuration' | 'clock'>): Promise<KeyValueStore> {
  const { MOBILITY_DYNAMODB_TABLE: tableName, MOBILITY_DYNAMODB_URL: url } = configuration;
  if (tableName === undefined) return openLmdbKeyValueStore({ folder: join(configuration.MOBILITY_HOME, 'kv'), clock });
  const { openDynamoKeyValueStore } = await import('../infra/kv/dynamodb.ts');
  return openDynamoKeyValueStore({ tableName, url, clock });
}

export async function openBlobs({ configuration }: Pick<StoreOptions, 'configuration'>): Promise<Blobs> {
  const { MOBILITY_S3_BUCKET: bucket, MOBILITY_S3_URL: url } = configuration;
  if (bucket === undefined) return openFileBlobs({ folder: join(configuration.MOBILITY_HOME, 'blobs') });
  const { openS3Blobs } = await import('../infra/blobs/s3.ts');
  return openS3Blobs({ bucket, url });
}

/** Keys in files, or sealed in the key-value store, which is opened for them unless it is open already. */
export async function openKeys({ configuration, clock }: Pick<StoreOptions, 'configuration' | 'clock'>, opened?: KeyValueStore): Promise<{ keys: Keys; close(): Promise<void> }> {
  const masters = configuration.MOBILITY_KEYS_MASTER;
  if (masters.length === 0) return { keys: await fileKeys(join(configuration.MOBILITY_HOME, 'keys'), clock), close: async () => undefined };
  const { sealedKeys } = await import('../infra/keys/sealed.ts');
  const kv = opened ?? (await openKeyValueStore({ configuration, clock }));
  return { keys: await sealedKeys({ kv, masters, clock }), close: async () => (opened ? undefined : kv.close()) };
}
