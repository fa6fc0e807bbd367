/** Who is connected through which broker: lets them in, finds them, and ends them, however many brokers there are. */
import type { Clock } from '../infra/clock/port.ts';
import type { Logger, Metrics } from '../infra/observability/port.ts';
import type { Database } from '../infra/sql/port.ts';
import type { Admission, Broker, BrokerCore } from './broker.ts';
import type { Peer } from './door.ts';
import type { Registry } from './registry.ts';
import { storeConnections, storeFirstUse, type ThingRow } from './store.ts';
import { type Counted, lastOfEachReason } from './tally.ts';
import type { ThingMessage } from './thing-messages.ts';

/** Who asks on a connection. */
export interface Asker extends Peer {
  connection: number;
}

interface Connection extends Asker {
  desk: Desk;
  sinceMs: number;
}

/** @returns undefined when nobody serves that topic */
export type AnswerRequest = (asker: Asker, topic: string, payload: Uint8Array) => Promise<readonly ThingMessage[]> | undefined;

export interface CoreOptions {
  database: Database;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  registry: Registry;
  answer: AnswerRequest;
}

const noteEveryMs = 1_000;
const rateWindowMs = 10_000;
const plus = (sums: Record<string, number>, more: Record<string, number>): void => {
  for (const [key, count] of Object.entries(more)) sums[key] = (sums[key] ?? 0) + count;
};

/** One broker's side of the core. */
export class Desk implements BrokerCore {
  readonly connections = new Map<number, Connection>();
  /** Asked to come in, and perhaps gone again before the answer. */
  readonly asking = new Set<number>();
  /** Set before it lets anybody in. */
  broker: Broker | undefined;
  readonly #core: DeviceCore;

  constructor(core: DeviceCore) {
    this.#core = core;
  }

  admit(connection: number, peer: Peer): Promise<Admission> {
    return this.#core.admit(this, { ...peer, connection });
  }

  async request(connection: number, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[] | undefined> {
    const asker = this.connections.get(connection);
    return asker && (await this.#core.answer(asker, topic, payload));
  }

  closed(connection: number): void {
    this.asking.delete(connection);
    this.#core.closed(this, connection);
  }
}

export class DeviceCore {
  readonly answer: AnswerRequest;
  readonly #registry: Registry;
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #desks = new Set<Desk>();
  readonly #vehicles = new Map<string, Connection>();
  /** What the database is still to be told. */
  #changes = new Map<string, ThingRow>();
  #firstUses = new Set<string>();
  #noting: Promise<void> | undefined;
  readonly #timer: NodeJS.Timeout;
  readonly #counted: Counted = { received: {}, refused: {}, dropped: {}, samples: [] };
  #rate: { atMs: number; received: number }[] = [];

  constructor({ database, clock, logger, metrics, registry, answer }: CoreOptions) {
    this.answer = answer;
    this.#registry = registry;
    this.#database = database;
    this.#clock = clock;
    this.#logger = logger;
    this.#metrics = metrics;
    metrics.gauge('mobility_iot_connected_vehicles', 'Vehicles that are connected now', () => this.#vehicles.size);
    this.#timer = setInterval(() => {
      this.#note();
      void this.#count();
    }, noteEveryMs);
  }

  /** For one more broker. */
  desk(): Desk {
    const desk = new Desk(this);
    this.#desks.add(desk);
    return desk;
  }

  /** Its broker is gone, and its connections with it. */
  drop(desk: Desk): void {
    this.#desks.delete(desk);
    for (const connection of desk.connections.keys()) this.closed(desk, connection);
  }

  async admit(desk: Desk, asker: Asker): Promise<Admission> {
    desk.asking.add(asker.connection);
    let admission = await this.#judge(asker);
    // Revoked between the judgement and this line: judged again.
    while (admission === 'accepted' && !this.#registry.isKnownActive(asker.certificateId)) admission = await this.#judge(asker);
    // Whoever has hung up meanwhile is let in nowhere.
    const isStillThere = desk.asking.delete(asker.connection);
    if (admission !== 'accepted' || !isStillThere) return admission;
    const connection: Connection = { ...asker, desk, sinceMs: this.#clock.nowMs() };
    desk.connections.set(asker.connection, connection);
    if (asker.kind === 'device') this.#takeOver(connection);
    return 'accepted';
  }

  async #judge({ certificateId, kind, name }: Asker): Promise<Admission> {
    try {
      const standing = await this.#registry.standing(certificateId);
      if (!standing || standing.kind !== kind) return 'unknown';
      if (standing.status !== 'active') return standing.status;
      if (standing.expiresAtMs <= this.#clock.nowMs()) return 'expired';
      if (kind === 'device' && standing.vehicleId !== name) return 'unknown';
      if (!standing.isUsed) {
        await this.#registry.succeed(certificateId, standing);
        this.#firstUses.add(certificateId);
      }
      return 'accepted';
    } catch (error) {
      this.#logger.warn({ error, name }, 'a certificate cannot be looked up');
      return 'unavailable';
    }
  }

  /** The newest connection of a vehicle is the one that counts. */
  #takeOver(connection: Connection): void {
    const before = this.#vehicles.get(connection.name);
    this.#vehicles.set(connection.name, connection);
    before?.desk.broker?.end(before.connection);
    const change = this.#changes.get(connection.name) ?? { vehicleId: connection.name, connectedAt: null, disconnectedAt: null };
    this.#changes.set(connection.name, { ...change, connectedAt: new Date(connection.sinceMs) });
  }

  closed(desk: Desk, number: number): void {
    const connection = desk.connections.get(number);
    if (!connection) return;
    desk.connections.delete(number);
    if (this.#vehicles.get(connection.name) !== connection) return;
    this.#vehicles.delete(connection.name);
    const change = this.#changes.get(connection.name) ?? { vehicleId: connection.name, connectedAt: null, disconnectedAt: null };
    this.#changes.set(connection.name, { ...change, disconnectedAt: this.#clock.now() });
  }

  /** Ends every connection that was made with one of these, in whichever broker. */
  endConnectionsOf(certificateIds: readonly string[]): void {
    const ended = new Set(certificateIds);
    for (const desk of this.#desks) {
      for (const { connection, certificateId } of desk.connections.values()) if (ended.has(certificateId)) desk.broker?.end(connection);
    }
  }

  /** @returns since when the vehicle is connected; undefined when it is not */
  connectedSinceMs(vehicleId: string): number | undefined {
    return this.#vehicles.get(vehicleId)?.sinceMs;
  }

  /** What is still on its way to the database. */
  pendingChange(vehicleId: string): ThingRow | undefined {
    return this.#changes.get(vehicleId);
  }

  /** Publishes to a vehicle. @returns whether it is connected now */
  send(vehicleId: string, messages: readonly ThingMessage[]): boolean {
    const connection = this.#vehicles.get(vehicleId);
    connection?.desk.broker?.send(connection.connection, messages);
    return connection !== undefined;
  }

  retainUnlockKeys(payload: Uint8Array): void {
    for (const { broker } of this.#desks) broker?.retainUnlockKeys(payload);
  }

  /** Connections come and go by the thousand: the database hears of them once a second. */
  #note(): void {
    this.#noting ??= this.#writeNotes()
      .catch((error: unknown) => this.#logger.warn({ error }, 'connections cannot be noted; it is tried again'))
      .finally(() => (this.#noting = undefined));
  }

  async #writeNotes(): Promise<void> {
    if (this.#changes.size > 0) {
      const changes = this.#changes;
      this.#changes = new Map();
      try {
        await storeConnections(this.#database.sql, [...changes.values()]);
      } catch (error) {
        this.#changes = new Map([...changes, ...this.#changes]);
        throw error;
      }
    }
    if (this.#firstUses.size > 0) {
      const used = [...this.#firstUses];
      await storeFirstUse(this.#database.sql, used, this.#clock.now());
      for (const id of used) this.#firstUses.delete(id);
    }
  }

  async #count(): Promise<void> {
    const all = await Promise.all([...this.#desks].map(async ({ broker }) =>
      broker?.takeCounted().catch((error: unknown) => this.#logger.debug({ error }, 'a broker does not say what it has counted'))));
    const sums = this.#counted;
    for (const counted of all) {
      if (!counted) continue;
      plus(sums.received, counted.received);
      plus(sums.refused, counted.refused);
      plus(sums.dropped, counted.dropped);
      sums.samples = lastOfEachReason([...sums.samples, ...counted.samples]);
      for (const [route, by] of Object.entries(counted.received)) this.#metrics.count('mobility_iot_messages_total', 'Messages of vehicles that were of use', { route }, by);
      for (const [reason, by] of Object.entries(counted.refused)) this.#metrics.count('mobility_iot_refusals_total', 'What the broker refused', { reason }, by);
      for (const [reason, by] of Object.entries(counted.dropped)) this.#metrics.count('mobility_iot_messages_dropped_total', 'Messages of vehicles that were of no use', { reason }, by);
    }
    const atMs = this.#clock.nowMs();
    this.#rate = [...this.#rate.filter((point) => point.atMs > atMs - rateWindowMs), { atMs, received: Object.values(sums.received).reduce((sum, count) => sum + count, 0) }];
  }

  async statistics(): Promise<{ connected: number; messagesReceived: number; messagesPerSecond: number } & Pick<Counted, 'refused' | 'dropped' | 'samples'>> {
    await this.#count();
    const { received, refused, dropped, samples } = this.#counted;
    const [first, last] = [this.#rate[0], this.#rate.at(-1)];
    const seconds = first && last ? (last.atMs - first.atMs) / 1000 : 0;
    const messagesPerSecond = first && last && seconds > 0 ? (last.received - first.received) / seconds : 0;
    return { connected: this.#vehicles.size, messagesReceived: Object.values(received).reduce((sum, count) => sum + count, 0), messagesPerSecond, refused, dropped, samples };
  }

  /** Call when the brokers are closed. */
  async stop(): Promise<void> {
    clearInterval(this.#timer);
    await this.#noting;
    for (const [vehicleId, { desk, connection }] of this.#vehicles) {
      if (desk.broker) this.closed(desk, connection);
      else this.#vehicles.delete(vehicleId);
    }
    await this.#writeNotes().catch((error: unknown) => this.#logger.warn({ error }, 'connections cannot be noted any more'));
  }
}
