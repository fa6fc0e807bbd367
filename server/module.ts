/** What a module is: a name, what it needs, and how it starts. The program in `program/` does the rest. */
import type { Client, Contract, Handlers, Operations } from './wire/contract.ts';
import type { Dispatch } from './wire/dispatch.ts';
import type { Blobs } from './infra/blobs/port.ts';
import type { Cache } from './infra/cache/port.ts';
import type { ModuleClock } from './infra/clock/port.ts';
import type { EventLog } from './infra/events/port.ts';
import type { Keys } from './infra/keys/port.ts';
import type { KeyValueStore } from './infra/kv/port.ts';
import type { Logger, Metrics, Tracer } from './infra/observability/port.ts';
import type { SeriesStore } from './infra/series/port.ts';
import type { Database } from './infra/sql/port.ts';
import type { Configuration } from './program/configuration.ts';

export interface ModuleContext {
  configuration: Configuration;
  clock: ModuleClock;
  logger: Logger;
  metrics: Metrics;
  /** Its spans are the module's. */
  tracer: Tracer;
  /** The module's own schema; only for modules with `migrations`. */
  database: Database;
  events: EventLog;
  kv: KeyValueStore;
  cache: Cache;
  blobs: Blobs;
  keys: Keys;
  /** Tables are opened in the name of the module. */
  series: SeriesStore;
  /** A client of another module, in this process or another; only for modules named in `needs`. */
  client<O extends Operations>(contract: { module: string; operations: O }): Client<O>;
  /** Unvalidated calls by name: what the gateway forwards with. Refusals are thrown as `Problem`. */
  dispatchTo(module: string): Dispatch;
  /** Whether the whole process has started and is not stopping; what `/health/ready` tells. */
  isReady(): boolean;
}

export interface StartedModule<O extends Operations = Operations> {
  handlers?: Handlers<O>;
  /** First of all: take nothing more from outside, and resolve when what was taken is answered. Other modules still serve. */
  closeDoor?(): Promise<void>;
  /** Called in the reverse order of starting: finish what was accepted, then resolve. */
  stop?(): Promise<void>;
}

export interface Module<O extends Operations = Operations> {
  name: string;
  contract?: Contract<O>;
  /** Names of the modules whose contracts this one calls. They start first; cycles are refused. */
  needs: readonly string[];
  /** Folder of numbered .sql files. */
  migrations?: URL;
  start(context: ModuleContext): Promise<StartedModule<O>>;
}

/** Checks the handlers against the contract's types, then forgets them, so that modules fit one list. */
export function defineModule<O extends Operations>(module: Module<O>): Module {
  return module as unknown as Module;
}
