/** Starts and stops modules in one process: ports first, then modules in the order of their needs. */
import type { Agent } from 'undici';
import { openDatabase, type ModuleDatabase } from '../infra/sql/database.ts';
import type { Database } from '../infra/sql/port.ts';
import { isUnreachable, isWithoutSlot } from '../infra/sql/unreachable.ts';
import type { Module, ModuleContext, StartedModule } from '../module.ts';
import { type Client, type Contract, moduleCaller, type Operations } from '../wire/contract.ts';
import { createClient, type Dispatch, localDispatch } from '../wire/dispatch.ts';
import { remoteDispatch } from '../wire/remote.ts';
import { Problem } from '../wire/problem.ts';
import type { Configuration } from './configuration.ts';
import { inOrderOfNeeds } from './order.ts';
import { observedDispatch, tracedCalls } from './observed-dispatch.ts';
import { openPeerConnections, peerHeaders, readInternalTls } from './peers.ts';
import type { Ports } from './ports.ts';

/** Modules that run, and clients of all of them. */
export interface RunningProcess {
  ports: Ports;
  client<O extends Operations>(contract: { module: string; operations: O }): Client<O>;
  /** The dispatch of a module that runs in this process. */
  served(module: string): { contract: Contract; dispatch: Dispatch } | undefined;
  database(module: string): ModuleDatabase | undefined;
  isReady(): boolean;
  state(): ProcessState;
  /** Is not ready any more, and goes on with everything else: others are to turn elsewhere before it stops. */
  drain(): void;
  /** Waits no longer for other processes: what cannot be finished without them is left to the next start. */
  hurry(): void;
  /** Takes nothing more from outside, and resolves when what was taken is answered; the modules go on serving each other. */
  closeDoors(): Promise<void>;
  /** Closes the doors, stops modules in reverse order, then the ports. */
  stop(): Promise<void>;
}

export type ProcessState = 'starting' | 'ready' | 'stopping';

/** A process whose modules have not started yet. */
export interface PreparedProcess extends RunningProcess {
  /** Whether the module will be served here, and is not yet. */
  isStarting(module: string): boolean;
  /** Starts the modules in the order of their needs. When one fails, those before it are stopped again. */
  start(): Promise<void>;
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
  /** Nothing is relayed and no timer fires by itself: whoever replays a run does it. */
  byHand?: boolean;
}

/** A module that has no migrations has no database; whoever touches it is told so. */
const absentDatabase = (module: string): Database =>
  new Proxy({} as Database, {
    get() {
      throw new Error(`module ${module} has no migrations, so it has no database`);
    },
  });

/** A caller is told that the database is away, and may come again: nothing is wrong with the request, nor with us. */
const sayingAway = (dispatch: Dispatch): Dispatch => (operation, request, options) =>
  dispatch(operation, request, options).catch((error: unknown) => {
    if (error instanceof Problem || !isUnreachable(error)) throw error;
    throw new Problem('unavailable', isWithoutSlot(error) ? 'the database has no connection left for this module' : 'the database does not answer', { retryAfterSeconds: 1, cause: error });
  });

class ModuleStarter {
  state: ProcessState = 'starting';
  readonly dispatches = new Map<string, { contract: Contract; dispatch: Dispatch }>();
  readonly databases = new Map<string, ModuleDatabase>();
  readonly started: { name: string; module: StartedModule }[] = [];
  readonly #options: ProcessOptions;
  readonly #hurry = new AbortController();
  #connections: Promise<Agent> | undefined;
  #doors: Promise<void> | undefined;

  constructor(options: ProcessOptions) {
    this.#options = options;
  }

  hurry(): void {
    this.#hurry.abort();
  }

  /** Opened when the first call goes to another process. */
  #remote(module: string, urls: readonly string[]): Dispatch {
    const { configuration, ports } = this.#options;
    let dispatch: Dispatch | undefined;
    return async (...call) => {
      this.#connections ??= readInternalTls(configuration).then(openPeerConnections);
      dispatch ??= remoteDispatch(module, urls, { headersFor: peerHeaders(ports.keys), dispatcher: await this.#connections, stopping: this.#hurry.signal });
      return dispatch(...call);
    };
  }

  /** Local when the module runs here, else remote; looked up at the call, so that order does not matter. */
  dispatchTo(module: string, caller: string): Dispatch {
    const { configuration, ports } = this.#options;
    let dispatch: Dispatch | undefined;
    return (operation, request, options) => {
      dispatch ??= this.dispatches.get(module)?.dispatch;
      if (!dispatch) {
        const urls = configuration.MOBILITY_PEERS[module];
        if (!urls) throw new Error(`module ${module} is neither in this process nor in MOBILITY_PEERS`);
        dispatch = tracedCalls(module, this.#remote(module, urls), ports.tracer.of(caller));
      }
      return dispatch(operation, request, options);
    };
  }

  async start(module: Module): Promise<void> {
    const { configuration, ports, checkAnswers, byHand } = this.#options;
    const logger = ports.logger.child({ module: module.name });
    const tracer = ports.tracer.of(module.name);
    let database: ModuleDatabase | undefined;
    if (module.migrations) {
      database = await openDatabase({
        module: module.name, access: ports.database, poolSize: configuration.MOBILITY_POOL_SIZE, migrations: module.migrations,
        clock: ports.clock, events: ports.events, logger, metrics: ports.metrics, tracer, byHand,
      });
      this.databases.set(module.name, database);
    }
    const { database: _ofTheWholeServer, close: _ofTheProgram, ...openPorts } = ports;
    const context: ModuleContext = {
      ...openPorts, configuration, logger, tracer, database: database ?? absentDatabase(module.name),
      client: (contract) => {
        if (!module.needs.includes(contract.module)) throw new Error(`module ${module.name} calls ${contract.module} without naming it in needs`);
        return createClient(contract, this.dispatchTo(contract.module, module.name), { caller: moduleCaller(module.name) });
      },
      dispatchTo: (name) => this.dispatchTo(name, module.name),
      isReady: () => this.state === 'ready',
    };
    const started = await module.start(context);
    this.started.push({ name: module.name, module: started });
    if (module.contract && started.handlers) {
      const local = localDispatch(module.contract, started.handlers as Record<string, unknown>, { checkAnswers });
      const dispatch = observedDispatch(module.contract, database ? sayingAway(local) : local, { tracer, metrics: ports.metrics });
      this.dispatches.set(module.name, { contract: module.contract, dispatch });
    }
    database?.start();
  }

  closeDoors(): Promise<void> {
    this.#doors ??= Promise.all(this.started.map(async ({ module }) => module.closeDoor?.())).then(() => undefined);
    return this.#doors;
  }

  async stop(): Promise<void> {
    await this.closeDoors();
    for (const { name, module } of this.started.toReversed()) {
      await module.stop?.();
      await this.databases.get(name)?.stop();
    }
    const unstarted = [...this.databases].filter(([name]) => !this.started.some((entry) => entry.name === name));
    await Promise.all(unstarted.map(([, database]) => database.stop()));
    await (await this.#connections?.catch(() => undefined))?.destroy();
  }
}

/** A process that can tell how it stands before its modules start. */
export function prepareProcess(options: ProcessOptions): PreparedProcess {
  const starter = new ModuleStarter(options);
  let stopped: Promise<void> | undefined;
  const stopAll = async () => {
    starter.state = 'stopping';
    await starter.stop();
    await options.ports.close();
  };
  const stop = () => (stopped ??= stopAll());
  options.ports.metrics.gauge('mobility_ready', '1 while the process has started and is not stopping', () => (starter.state === 'ready' ? 1 : 0));
  options.ports.metrics.gauge('mobility_module_started', '1 for each module that runs in the process', () => starter.started.map(({ name }) => ({ labels: { module: name }, value: 1 })));
  const clientOf: RunningProcess['client'] = (contract) => createClient(contract, starter.dispatchTo(contract.module, 'program'), { caller: moduleCaller('program') });
  return {
    ports: options.ports,
    client: clientOf,
    served: (module) => starter.dispatches.get(module),
    isStarting: (module) => starter.state === 'starting' && !starter.dispatches.has(module) && options.modules.some(({ name }) => name === module),
    database: (module) => starter.databases.get(module),
    isReady: () => starter.state === 'ready',
    state: () => starter.state,
    drain: () => void (starter.state = 'stopping'),
    hurry: () => starter.hurry(),
    closeDoors: () => starter.closeDoors(),
    stop,
    async start() {
      try {
        for (const module of inOrderOfNeeds(options.modules, Object.keys(options.configuration.MOBILITY_PEERS))) {
          options.onProgress?.(module.name);
          await starter.start(module);
        }
        await options.beforeReady?.(clientOf);
        if (starter.state === 'starting') starter.state = 'ready';
      } catch (error) {
        await stop();
        throw error;
      }
    },
  };
}

/** Prepares and starts. */
export async function startProcess(options: ProcessOptions): Promise<RunningProcess> {
  const prepared = prepareProcess(options);
  await prepared.start();
  return prepared;
}
