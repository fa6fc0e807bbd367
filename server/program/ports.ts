/** The ports of a process: embedded adapters, or those that the configuration names. */
import { join } from 'node:path';
import type { Blobs } from '../infra/blobs/port.ts';
import type { Cache } from '../infra/cache/port.ts';
import type { Clock, ModuleClock } from '../infra/clock/port.ts';
import { systemClock } from '../infra/clock/system.ts';
import { measuredEventLog } from '../infra/events/measured.ts';
import type { EventLog } from '../infra/events/port.ts';
import type { Keys } from '../infra/keys/port.ts';
import type { KeyValueStore } from '../infra/kv/port.ts';
import { pinoLogger } from '../infra/observability/pino.ts';
import type { Logger, Metrics, Tracer } from '../infra/observability/port.ts';
import { prometheusMetrics } from '../infra/observability/prometheus.ts';
import type { SeriesStore } from '../infra/series/port.ts';
import { openPostgresSeries } from '../infra/series/postgres.ts';
import { type DatabaseAccess, databaseAccess } from '../infra/sql/access.ts';
import { startEmbeddedPostgres } from '../infra/sql/embedded.ts';
import type { Configuration } from './configuration.ts';
import { tracerOf } from './tracer.ts';
import { openEventLog } from './event-log.ts';
import { openBlobs, openCache, openKeys, openKeyValueStore } from './stores.ts';

/** The ports of a process, open. */
export interface Ports {
  clock: ModuleClock;
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
  events: EventLog;
  kv: KeyValueStore;
  cache: Cache;
  blobs: Blobs;
  keys: Keys;
  series: SeriesStore;
  database: DatabaseAccess;
  close(): Promise<void>;
}

/** Whoever watches over the program starts it again, and it goes on from its rows. */
function endWithoutDatabase(): never {
  process.stderr.write('The embedded PostgreSQL has ended by itself; mobility cannot go on without it. Start it again: nothing that was accepted is lost.\n');
  process.exit(1);
}

/** Opens the embedded adapters, or those that the configuration names. */
export async function openPorts(configuration: Configuration): Promise<Ports> {
  const home = configuration.MOBILITY_HOME;
  const clock = systemClock(configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000);
  const logger = pinoLogger(configuration.MOBILITY_LOG_LEVEL);
  const metrics = prometheusMetrics();
  const tracer = tracerOf({ configuration, logger, metrics });
  const kv = await openKeyValueStore({ configuration, clock });
  const { keys } = await openKeys({ configuration, clock }, kv);
  const embedded = configuration.MOBILITY_DATABASE_URL
    ? undefined
    : await startEmbeddedPostgres({ folder: join(home, 'postgres'), password: await keys.secret('postgres'), logger, onLost: endWithoutDatabase });
  const database = databaseAccess(configuration.MOBILITY_DATABASE_URL ?? embedded?.url ?? '', keys);
  // What is too old, and how old an event is, is told by the clock of the modules, which tests exchange.
  const clockOfModules: Clock = { nowMs: () => ports.clock.nowMs(), now: () => ports.clock.now() };
  const events = measuredEventLog(await openEventLog({ configuration, clock, logger }), { metrics, clock: clockOfModules });
  const blobs = await openBlobs({ configuration });
  const cache = await openCache({ configuration, clock, logger, metrics });
  const series = openPostgresSeries({ access: database, clock: clockOfModules, logger, metrics });
  const ports: Ports = {
    clock, logger, metrics, tracer, events, kv, cache, blobs, keys, series, database,
    async close() {
      await Promise.all([events.close(), kv.close(), blobs.close(), cache.close(), series.close()]);
      await embedded?.stop();
      await tracer.close();
    },
  };
  return ports;
}
