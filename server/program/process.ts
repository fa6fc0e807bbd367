/** Starts and stops modules in one process: ports first, then modules in the order of their needs. */
import { join } from 'node:path';
import { openFileBlobs } from '../infra/blobs/files.ts';
import type { Blobs } from '../infra/blobs/port.ts';
import { memoryCache } from '../infra/cache/memory.ts';
import type { Cache } from '../infra/cache/port.ts';
import type { Clock } from '../infra/clock/port.ts';
import { systemClock } from '../infra/clock/system.ts';
import { openLmdbEventLog } from '../infra/events/lmdb.ts';
import type { EventLog } from '../infra/events/port.ts';
import { fileKeys } from '../infra/keys/files.ts';
import type { Keys } from '../infra/keys/port.ts';
import { openLmdbKeyValueStore } from '../infra/kv/lmdb.ts';
import type { KeyValueStore } from '../infra/kv/port.ts';
import { pinoLogger } from '../infra/observability/pino.ts';
import type { Logger, Metrics } from '../infra/observability/port.ts';
import { prometheusMetrics } from '../infra/observability/prometheus.ts';
import type { SeriesStore } from '../infra/series/port.ts';
import { openPostgresSeries } from '../infra/series/postgres.ts';
import { openDatabase, type ModuleDatabase } from '../infra/sql/database.ts';
import { startEmbeddedPostgres } from '../infra/sql/embedded.ts';
import type { Database } from '../infra/sql/port.ts';
import type { Module, ModuleContext, StartedModule } from '../module.ts';
import { type Client, type Contract, moduleCaller, type Operations } from '../wire/contract.ts';
import { createClient, type Dispatch, localDispatch, remoteDispatch } from '../wire/dispatch.ts';
import type { Configuration } from './configuration.ts';
import { inOrderOfNeeds } from './order.ts';
import { peerHeaders } from './peers.ts';

/** The ports of a process, open. */
export interface Ports {
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  events: EventLog;
  kv: KeyValueStore;
  cache: Cache;
  blobs: Blobs;
  keys: Keys;
  series: SeriesStore;
  databaseUrl: string;
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
  const keys = await fileKeys(join(home, 'keys'));
  const embedded = configuration.MOBILITY_DATABASE_URL
    ? undefined
    : await startEmbeddedPostgres({ folder: join(home, 'postgres'), password: await keys.secret('postgres'), logger, onLost: endWithoutDatabase });
  const databaseUrl = configuration.MOBILITY_DATABASE_URL ?? embedded?.url ?? '';
  const events = await openLmdbEventLog({ folder: join(home, 'events'), clock, logger, retentionMs: Object.fromEntries(Object.entries(configuration.MOBILITY_EVENT_RETENTION).map(([topic, hours]) => [topic, hours * 3_600_000])) });
  const kv = await openLmdbKeyValueStore({ folder: join(home, 'kv'), clock });
  const blobs = await openFileBlobs({ folder: join(home, 'blobs') });
  const cache = memoryCache({ maximumEntries: 100_000, clock });
  // What is too old is decided by the clock of the modules, which tests exchange.
  const series = openPostgresSeries({ url: databaseUrl, clock: { nowMs: () => ports.clock.nowMs(), now: () => ports.clock.now() }, logger, metrics });
  const ports: Ports = {
    clock, logger, metrics, events, kv, cache, blobs, keys, series, databaseUrl,
    async close() {
      await Promise.all([events.close(), kv.close(), blobs.close(), cache.close(), series.close()]);
      await embedded?.stop();
    },
  };
  return ports;
}

/** Modules that run, and clients of all of them. */
export interface RunningProcess {
  ports: Ports;
  client<O extends Operations>(contract: { module: string; operations: O }): Client<O>;
  /** The dispatch of a module that runs in this process. */
  served(module: string): { contract: Contract; dispatch: Dispatch } | undefined;
  database(module: string): ModuleDatabase | undefined;
  isReady(): boolean;
  /** Stops modules in reverse order, then the ports. */
  stop(): Promise<void>;
}

export interface ProcessOptions {
  configuration: Configuration;
  modules: readonly Module[];
  ports: Ports;
  /** Told before a module starts. */
  onProgress?: (module: string) => void;
  /** The last step of a start: seeding, for example. */
  beforeReady?: (client: RunningProcess['client']) => Promise<void>;
  /** Hold every answer against its contract. */
  checkAnswers?: boolean;
}

/** A module that has no migrations has no database; whoever touches it is told so. */
const absentDatabase = (module: string): Database =>
  new Proxy({} as Database, {
    get() {
      throw new Error(`module ${module} has no migrations, so it has no database`);
    },
  });

class ModuleStarter {
  ready = false;
  readonly dispatches = new Map<string, { contract: Contract; dispatch: Dispatch }>();
  readonly databases = new Map<string, ModuleDatabase>();
  readonly started: { name: string; module: StartedModule }[] = [];
  readonly #options: ProcessOptions;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  /** Local when the module runs here, else remote; looked up at the call, so that order does not matter. */
  dispatchTo(module: string): Dispatch {
    const { configuration, ports } = this.#options;
    let dispatch: Dispatch | undefined;
    return (operation, request, options) => {
      dispatch ??= this.dispatches.get(module)?.dispatch;
      if (!dispatch) {
        const peer = configuration.MOBILITY_PEERS[module];
        if (!peer) throw new Error(`module ${module} is neither in this process nor in MOBILITY_PEERS`);
        dispatch = remoteDispatch(module, peer, peerHeaders(ports.keys));
      }
      return dispatch(operation, request, options);
    };
  }

  async start(module: Module): Promise<void> {
    const { configuration, ports, checkAnswers } = this.#options;
    const logger = ports.logger.child({ module: module.name });
    let database: ModuleDatabase | undefined;
    if (module.migrations) {
      database = await openDatabase({
        module: module.name, url: ports.databaseUrl, poolSize: configuration.MOBILITY_POOL_SIZE, migrations: module.migrations,
        clock: ports.clock, events: ports.events, logger, metrics: ports.metrics,
      });
      this.databases.set(module.name, database);
    }
    const { databaseUrl: _ofTheWholeServer, close: _ofTheProgram, ...openPorts } = ports;
    const context: ModuleContext = {
      ...openPorts, configuration, logger, database: database ?? absentDatabase(module.name),
      client: (contract) => {
        if (!module.needs.includes(contract.module)) throw new Error(`module ${module.name} calls ${contract.module} without naming it in needs`);
        return createClient(contract, this.dispatchTo(contract.module), { caller: moduleCaller(module.name) });
      },
      dispatchTo: (name) => this.dispatchTo(name),
      isReady: () => this.ready,
    };
    const started = await module.start(context);
    this.started.push({ name: module.name, module: started });
    if (module.contract && started.handlers) {
      const dispatch = localDispatch(module.contract, started.handlers as Record<string, unknown>, { checkAnswers });
      this.dispatches.set(module.name, { contract: module.contract, dispatch });
    }
    database?.start();
  }

  async stop(): Promise<void> {
    for (const { name, module } of this.started.toReversed()) {
      await module.stop?.();
      await this.databases.get(name)?.stop();
    }
    const unstarted = [...this.databases].filter(([name]) => !this.started.some((entry) => entry.name === name));
    await Promise.all(unstarted.map(([, database]) => database.stop()));
  }
}

/** Starts modules in the order of their needs. When one fails, those before it are stopped again. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const starter = new ModuleStarter(options);
  const stop = async () => {
    starter.ready = false;
    await starter.stop();
    await options.ports.close();
  };
  const clientOf: RunningProcess['client'] = (contract) => createClient(contract, starter.dispatchTo(contract.module), { caller: moduleCaller('program') });
  try {
    for (const module of inOrderOfNeeds(options.modules, Object.keys(options.configuration.MOBILITY_PEERS))) {
      options.onProgress?.(module.name);
      await starter.start(module);
    }
    await options.beforeReady?.(clientOf);
    starter.ready = true;
  } catch (error) {
    await stop();
    throw error;
  }
  return {
    ports: options.ports,
    client: clientOf,
    served: (module) => starter.dispatches.get(module),
    database: (module) => starter.databases.get(module),
    isReady: () => starter.ready,
    stop,
  };
}
