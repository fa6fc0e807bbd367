import type { Sql } from 'postgres';
import type { CloudEvent, EventLog } from '../events/port.ts';
import type { Logger } from '../observability/port.ts';
import { runWithoutTrace } from '../observability/trace.ts';

const batchSize = 500;
const pollIntervalMs = 1000;
/** Another process of the module relays at this moment, and may have looked before our events were there. */
const busyPauseMs = 25;
const busy = Symbol('another process relays');

/**
 * Moves committed events from the outbox to the log, in order, one process at a time.
 *
 * Append first, delete then: a cut between the two appends again, and the inbox of the consumers
 * makes twice once.
 */
export class OutboxRelay {
  readonly #sql: Sql;
  readonly #events: EventLog;
  readonly #logger: Logger;
  #running: Promise<void> | undefined;
  #again = false;
  #stopped = true;
  #poll: NodeJS.Timeout | undefined;
  #soon: NodeJS.Timeout | undefined;

  constructor(sql: Sql, events: EventLog, logger: Logger) {
    this.#sql = sql;
    this.#events = events;
    this.#logger = logger;
  }

  start(): void {
    this.#stopped = false;
    // What another process or a run before a kill has left.
    this.#poll = setInterval(() => this.nudge(), pollIntervalMs);
    this.nudge();
  }

  /** There may be something to relay. */
  nudge(): void {
    if (this.#stopped) return;
    if (this.#running) {
      this.#again = true;
      return;
    }
    this.#running = runWithoutTrace(() => this.drain()).finally(() => {
      this.#running = undefined;
      if (this.#again) {
        this.#again = false;
        this.nudge();
      }
    });
  }

  /** Appends all that waits now. */
  async drain(): Promise<void> {
    try {
      let relayed: number | typeof busy;
      do relayed = await this.#relayBatch();
      while (relayed === batchSize && !this.#stopped);
      if (relayed === busy && !this.#stopped) this.#soon ??= setTimeout(() => {
        this.#soon = undefined;
        this.nudge();
      }, busyPauseMs);
    } catch (error) {
      if (!this.#stopped) this.#logger.error({ error }, 'the outbox cannot be relayed; it is tried again');
    }
  }

  /** @returns how many events were relayed */
  async #relayBatch(): Promise<number | typeof busy> {
    return this.#sql.begin(async (transaction) => {
      const [lock] = await transaction<{ mine: boolean }[]>`select pg_try_advisory_xact_lock(hashtext(current_schema() || ' outbox')) as mine`;
      if (!lock?.mine) return busy;
      const rows = await transaction<{ id: number; topic: string; event: CloudEvent }[]>`select id, topic, event from outbox order by id limit ${batchSize}`;
      if (rows.length === 0) return 0;
      const byTopic = new Map<string, CloudEvent[]>();
      for (const { topic, event } of rows) {
        const events = byTopic.get(topic);
        if (events) events.push(event);
        else byTopic.set(topic, [event]);
      }
      for (const [topic, events] of byTopic) await this.#events.append(topic, events);
      await transaction`delete from outbox where id = any(${rows.map((row) => row.id)}::bigint[])`;
      return rows.length;
    }) as Promise<number | typeof busy>;
  }

  async stop(): Promise<void> {
    clearInterval(this.#poll);
    clearTimeout(this.#soon);
    await this.#running;
    this.#stopped = true;
    await this.drain();
  }
}
