import type { Sql } from 'postgres';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../observability/port.ts';
import type { TimerFired } from './port.ts';

interface TimerRow {
  kind: string;
  key: string;
  dueAt: Date;
  payload: unknown;
  attempts: number;
  generation: number;
}

const pollIntervalMs = 1000;
/** Between two rounds, however soon the next timer is due. */
const shortestPauseMs = 10;
const batchSize = 50;
/** A worker that was killed loses its timers after this long. */
const lockMs = 30_000;
const longestPauseMs = 60_000;

/** Fires timers of one schema: claims due ones, runs their handlers, deletes those that resolved. */
export class TimerWorker {
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #handlers = new Map<string, (timer: TimerFired) => Promise<void>>();
  #wake: NodeJS.Timeout | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  /** The earliest timer that was scheduled while others were firing. */
  #scheduledMeanwhileMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> | undefined;
  #stopped = true;

  constructor(sql: Sql, clock: Clock, logger: Logger) {
    this.#sql = sql;
    this.#clock = clock;
    this.#logger = logger;
  }

  register(kind: string, handle: (timer: TimerFired) => Promise<void>): void {
    if (this.#handlers.has(kind)) throw new Error(`timer ${kind} has a handler already`);
    this.#handlers.set(kind, handle);
  }

  start(): void {
    this.#stopped = false;
    this.#arm(0);
  }

  /** A timer was scheduled: wake up in time for it. */
  nudge(dueAtMs: number): void {
    if (this.#running) this.#scheduledMeanwhileMs = Math.min(this.#scheduledMeanwhileMs, dueAtMs);
    const inMs = Math.max(0, dueAtMs - this.#clock.nowMs());
    if (!this.#stopped && !this.#running && inMs < pollIntervalMs && performance.now() + inMs < this.#wakeAtMs) this.#arm(inMs);
  }

  #arm(inMs: number): void {
    clearTimeout(this.#wake);
    this.#wakeAtMs = performance.now() + inMs;
    this.#wake = setTimeout(() => {
      this.#running = this.#fireDue().finally(() => {
        this.#running = undefined;
        const inMs = Math.min(pollIntervalMs, Math.max(shortestPauseMs, this.#scheduledMeanwhileMs - this.#clock.nowMs()));
        this.#scheduledMeanwhileMs = Number.POSITIVE_INFINITY;
        if (!this.#stopped) this.#arm(inMs);
      });
    }, inMs);
  }

  async #fireDue(): Promise<void> {
    try {
      for (;;) {
        const rows = await this.#claim();
        await Promise.all(rows.map((row) => this.#fire(row)));
        if (rows.length < batchSize || this.#stopped) return;
      }
    } catch (error) {
      if (!this.#stopped) this.#logger.error({ error }, 'timers cannot be read; tried again');
    }
  }

  #claim(): Promise<TimerRow[]> {
    const now = this.#clock.now();
    return this.#sql<TimerRow[]>`
      update timers set attempts = attempts + 1, locked_until = ${new Date(now.getTime() + lockMs)}
      where (kind, key) in (
        select kind, key from timers
        where due_at <= ${now} and (locked_until is null or locked_until <= ${now}) and kind = any(${[...this.#handlers.keys()]})
        order by due_at limit ${batchSize} for update skip locked)
      returning kind, key, due_at, payload, attempts, generation`;
  }

  async #fire(row: TimerRow): Promise<void> {
    const { kind, key, dueAt, payload, attempts, generation } = row;
    try {
      await this.#handlers.get(kind)?.({ kind, key, dueAt, payload, attempt: attempts });
      await this.#sql`delete from timers where kind = ${kind} and key = ${key} and generation = ${generation}`;
    } catch (error) {
      const pauseMs = Math.min(longestPauseMs, 250 * 2 ** Math.min(attempts, 10));
      this.#logger.warn({ error, kind, key, attempts, pauseMs }, 'a timer failed; tried again');
      await this.#sql`update timers set locked_until = ${new Date(this.#clock.nowMs() + pauseMs)} where kind = ${kind} and key = ${key} and generation = ${generation}`;
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#wake);
    await this.#running;
  }
}
