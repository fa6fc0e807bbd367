/** The platform as it runs at scale: a process for each target, over one database and one event log. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { freePort } from '../../server/infra/free-port.ts';
import { pinoLogger } from '../../server/infra/observability/pino.ts';
import { startEmbeddedPostgres } from '../../server/infra/sql/embedded.ts';
import { type Started, startMobility } from '../journeys/mobility.ts';
import { journeyEnvironment, type Program } from '../journeys/program.ts';

/** One target for each process; those that others need first. */
export const targets = ['iot', 'user', 'payments-orchestrator', 'vehicle', 'payment', 'booking', 'telemetry', 'incident', 'rollout', 'gateway'] as const;
export type Target = (typeof targets)[number];

/** One process of a cluster; it keeps its name and its ports over restarts. */
export interface ClusterProcess {
  /** `booking-1`; `outside` has the sandboxes of the payment providers and the simulated vehicles. */
  readonly name: string;
  /** What it is started with: `serve --target=booking`. */
  readonly arguments: readonly string[];
  /** Of its internal server, or for `gateway` of its door. */
  readonly url: string;
  readonly processId: number | undefined;
  isRunning(): boolean;
  /** The end of what it has printed, errors included, since it was started last. */
  output(): string;
  start(environment?: Record<string, string>): Promise<void>;
  /** SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
  /** SIGKILL: its power goes. */
  kill(): Promise<void>;
  /** SIGTERM, then a start at the same ports. @returns the exit code of what was stopped */
  restart(environment?: Record<string, string>): Promise<number | null>;
  /** SIGSTOP: it is there and answers nothing. */
  pause(): void;
  resume(): void;
}

export interface Cluster extends Program {
  processes: readonly ClusterProcess[];
  /** The process `booking-2`, or the first of `booking`. @throws Error when there is none */
  process(name: string): ClusterProcess;
  /** All processes of one target. */
  of(target: Target): readonly ClusterProcess[];
  restart(environment?: Record<string, string>): Promise<Cluster>;
}

export interface ClusterOptions {
  environment?: Record<string, string>;
  /** Processes of a target; one unless told. */
  replicas?: Partial<Record<Target, number>>;
  /** Settings that lead to engines; without them an own embedded PostgreSQL and a folder that all share. */
  engines?: Record<string, string>;
  home?: string;
  /** The address that people use, for example of a balancer; that of the first gateway without it. */
  publicUrl?: string;
  /** Ports of the gateways, in their order, where a balancer has to know them; free ones without. */
  gatewayPorts?: readonly number[];
  /** Whether vehicles and payment sandboxes run beside the platform; true unless told. */
  outside?: boolean;
  readyTimeoutMs?: number;
}

interface Plan {
  name: string;
  arguments: readonly string[];
  url: string;
  environment: Record<string, string>;
}

const readyTimeoutMs = 240_000;

class ProcessOfCluster implements ClusterProcess {
  readonly #plan: Plan;
  readonly #readyTimeoutMs: number;
  #started: Started | undefined;

  constructor(plan: Plan, timeoutMs: number) {
    this.#plan = plan;
    this.#readyTimeoutMs = timeoutMs;
  }

  get name(): string {
    return this.#plan.name;
  }

  get arguments(): readonly string[] {
    return this.#plan.arguments;
  }

  get url(): string {
    return this.#plan.url;
  }

  get processId(): number | undefined {
    return this.isRunning() ? this.#started?.child.pid : undefined;
  }

  isRunning(): boolean {
    return this.#started?.isRunning() ?? false;
  }

  output(): string {
    return this.#started?.output() ?? '';
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    if (this.isRunning()) throw new Error(`${this.name} runs already`);
    this.#started = await startMobility({ arguments: this.arguments, environment: { ...this.#plan.environment, ...environment }, readyTimeoutMs: this.#readyTimeoutMs });
  }

  async stop(): Promise<number | null> {
    return this.isRunning() && this.#started ? this.#started.stop() : null;
  }

  async kill(): Promise<void> {
    if (this.isRunning()) await this.#started?.kill();
  }

  async restart(environment: Record<string, string> = {}): Promise<number | null> {
    const code = await this.stop();
    await this.start(environment);
    return code;
  }

  pause(): void {
    this.#started?.child.kill('SIGSTOP');
  }

  resume(): void {
    this.#started?.child.kill('SIGCONT');
  }
}

interface Ground {
  home: string;
  /** What leads every process to the same data. */
  settings: Record<string, string>;
  close(): Promise<void>;
}

/** Where the data lies: on engines, or on the embedded parts that processes of one machine may share. */
async function prepareGround(options: ClusterOptions): Promise<Ground> {
  const home = options.home ?? (await mkdtemp(join(tmpdir(), 'mobility-cluster-')));
  const database = options.engines?.['MOBILITY_DATABASE_URL']
    ? undefined
    : await startEmbeddedPostgres({ folder: join(home, 'postgres-of-all'), password: v7(), logger: pinoLogger('silent'), maximumConnections: 400 });
  return {
    home,
    settings: { ...options.engines, ...(database && { MOBILITY_DATABASE_URL: database.url }) },
    async close() {
      await database?.stop();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

async function planOf(options: ClusterOptions, ground: Ground): Promise<{ plans: Plan[]; publicUrl: string }> {
  const [stripePort, adyenPort, nearFieldPort] = [await freePort(), await freePort(), await freePort()];
  const instances = targets.flatMap((target) => Array.from({ length: options.replicas?.[target] ?? 1 }, (_, index) => ({ target, index })));
  const places = await Promise.all(instances.map(async ({ target, index }) => ({
    target, name: `${target}-${index + 1}`, internalPort: await freePort(), port: target === 'gateway' ? (options.gatewayPorts?.[index] ?? (await freePort())) : 0,
  })));
  const publicUrl = options.publicUrl ?? `http://127.0.0.1:${places.find(({ target }) => target === 'gateway')?.port}`;
  const peersFor = (own: Target) => targets.filter((target) => target !== own)
    .map((target) => `${target}=${places.filter((place) => place.target === target).map(({ internalPort }) => `http://127.0.0.1:${internalPort}`).join('|')}`).join(',');
  const shared = {
    ...journeyEnvironment, MOBILITY_POOL_SIZE: '4', MOBILITY_SIMULATOR: 'false', MOBILITY_DRAIN_MS: '500',
    MOBILITY_STRIPE_URL: `http://127.0.0.1:${stripePort}`, MOBILITY_STRIPE_KEY: 'sk_test_sandbox',
    MOBILITY_ADYEN_URL: `http://127.0.0.1:${adyenPort}`, MOBILITY_ADYEN_KEY: 'sandbox',
    MOBILITY_NEAR_FIELD_URL: `http://127.0.0.1:${nearFieldPort}`, MOBILITY_PUBLIC_URL: publicUrl,
    ...options.environment, ...ground.settings, MOBILITY_HOME: ground.home,
  };
  const plans = places.map(({ target, name, internalPort, port }): Plan => ({
    name, arguments: ['serve', `--target=${target}`], url: `http://127.0.0.1:${target === 'gateway' ? port : internalPort}`,
    environment: { ...shared, PORT: String(port), MOBILITY_INTERNAL_PORT: String(internalPort), MOBILITY_PEERS: peersFor(target) },
  }));
  if (options.outside !== false) plans.push({ name: 'outside', arguments: ['simulate'], url: shared.MOBILITY_NEAR_FIELD_URL, environment: shared });
  return { plans, publicUrl };
}

class RunningCluster implements Cluster {
  readonly url: string;
  readonly home: string;
  readonly processes: readonly ProcessOfCluster[];
  readonly #ground: Ground;

  constructor(url: string, processes: readonly ProcessOfCluster[], ground: Ground) {
    this.url = url;
    this.home = ground.home;
    this.processes = processes;
    this.#ground = ground;
  }

  process(name: string): ProcessOfCluster {
    const found = this.processes.find((process) => process.name === name) ?? this.processes.find((process) => process.name === `${name}-1`);
    if (!found) throw new Error(`there is no process ${name}; there are ${this.processes.map((process) => process.name).join(', ')}`);
    return found;
  }

  of(target: Target): readonly ProcessOfCluster[] {
    return this.processes.filter((process) => process.arguments.includes(`--target=${target}`));
  }

  output(): string {
    return this.processes.map((process) => `[${process.name}] ${process.output()}`).join('\n');
  }

  async start(environment: Record<string, string> = {}): Promise<void> {
    const starts = await Promise.allSettled(this.processes.map((process) => process.start(environment)));
    const failures = starts.flatMap((start, index) => (start.status === 'rejected' ? [`${this.processes[index]?.name}: ${String(start.reason)}`] : []));
    if (failures.length > 0) throw new Error(failures.join('\n'));
  }

  /** Whoever is outside first, then the doors, then what they need. */
  async stop(): Promise<number | null> {
    const codes = [];
    for (const group of [['simulate'], ['serve', '--target=gateway'], ['serve']]) {
      const running = this.processes.filter((process) => process.isRunning() && group.every((argument) => process.arguments.includes(argument)));
      codes.push(...(await Promise.all(running.map((process) => process.stop()))));
    }
    return codes.find((code) => code !== 0) ?? 0;
  }

  async kill(): Promise<void> {
    await Promise.all(this.processes.map((process) => process.kill()));
  }

  async restart(environment: Record<string, string> = {}): Promise<Cluster> {
    await this.start(environment);
    return this;
  }

  async dispose(): Promise<void> {
    for (const process of this.processes) process.resume();
    await this.stop();
    await this.#ground.close();
  }
}

/** Starts every process and waits until all are ready. @throws Error with the output of one that is not */
export async function startCluster(options: ClusterOptions = {}): Promise<Cluster> {
  const ground = await prepareGround(options);
  const { plans, publicUrl } = await planOf(options, ground);
  const cluster = new RunningCluster(publicUrl, plans.map((plan) => new ProcessOfCluster(plan, options.readyTimeoutMs ?? readyTimeoutMs)), ground);
  try {
    await cluster.start();
  } catch (error) {
    await cluster.kill();
    await ground.close();
    throw error;
  }
  return cluster;
}
