/**
 * Cache, key-value store and object store: embedded, or those that the configuration names.
 * Each engine's client is loaded when it is chosen: a start without them loads none.
 */
import { memoryCache } from '../infra/cache/memory.ts';
import type { Cache } from '../infra/cache/port.ts';
import type { Clock } from '../infra/clock/port.ts';
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
