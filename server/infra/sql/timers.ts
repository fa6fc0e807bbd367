import type { Sql } from 'postgres';
import type { Clock } from '../clock/port.ts';
import type { Logger, Span, Tracer } from '../observability/port.ts';
import { runWithoutTrace } from '../observability/trace.ts';
import type { TimerFired } from './port.ts';

interface TimerRow {
  kind: string;
  key: string;
  dueAt: Date;
  payload: unknown;
  attempts: number;
  generation: number;
  traceparent: string | null;
}

const pollIntervalMs = 1000;
/** Between two rounds, however soon the next timer is due. */
const shortestPauseMs = 10;
/** So many handlers run at a time. */
const maximumRunning = 50;
/** A worker that was killed loses its timers after this long; one that is alive renews its claim as long as the handler takes. */
const defaultLeaseMs = 30_000;
const longestPauseMs = 60_000;

export interface TimerWorkerOptions {
  sql: Sql;
  clock: Clock;
  logger: Logger;
  tracer: Tracer;
  leaseMs?: number | undefined;
}

/**
 * Fires timers of one schema: claims due ones, runs their handlers, deletes those that resolved.
 *
 * When a timer is due, and when it is tried again, is told by the clock of the modules. How long a claim holds is told by the
 * clock of the database, which is the same for all workers, whatever their own clocks do.
 */
export class TimerWorker {
  readonly #sql: Sql;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tracer: Tracer;
  readonly #leaseMs: number;
  readonly #handlers = new Map<string, (timer: TimerFired) => Promise<void>>();
  /** What is being handled, with its handler's end. */
  readonly #running = new Map<TimerRow, Promise<void>>();
  #wake: NodeJS.Timeout | undefined;
  #wakeAtMs = Number.POSITIVE_INFINITY;
  /** The earliest timer that was scheduled while others were claimed. */
  #scheduledMeanwhileMs = Number.POSITIVE_INFINITY;
  #claiming: Promise<void> | undefined;
  #renewal: NodeJS.Timeout | undefined;
  #stopped = true;

  constructor({ sql, clock, logger, tracer, leaseMs = defaultLeaseMs }: TimerWorkerOptions) {
    this.#sql = sql;
    this.#clock = clock;
    this.#logger = logger;
    this.#tracer = tracer;
    this.#leaseMs = leaseMs;
  }

  register(kind: string, handle: (timer: TimerFired) => Promise<void>): void {
    if (this.#handlers.has(kind)) throw new Error(`timer ${kind} has a handler already`);
    this.#handlers.set(kind, handle);
  }

  start(): void {
    this.#stopped = false;
    this.#renewal = setInterval(() => void this.#renew(), this.#leaseMs / 3);
    this.#arm(0);
  }

  /** A timer was scheduled: wake up in time for it. */
  nudge(dueAtMs: number): void {
    if (this.#claiming) this.#scheduledMeanwhileMs = Math.min(this.#scheduledMeanwhileMs, dueAtMs);
    const inMs = Math.max(0, dueAtMs - this.#clock.nowMs());
    if (!this.#stopped && !this.#claiming && inMs < pollIntervalMs && performance.now() + inMs < this.#wakeAtMs) this.#arm(inMs);
  }

  #arm(inMs: number): void {
    clearTimeout(this.#wake);
    this.#wakeAtMs = performance.now() + inMs;
    this.#wake = setTimeout(() => {
      this.#claiming = runWithoutTrace(() => this.#fireDue()).finally(() => {
        this.#claiming = undefined;
        const inMs = Math.min(pollIntervalMs, Math.max(shortestPauseMs, this.#scheduledMeanwhileMs - this.#clock.nowMs()));
        this.#scheduledMeanwhileMs = Number.POSITIVE_INFINITY;
        if (!this.#stopped) this.#arm(inMs);
      });
    }, inMs);
  }

  /** Starts what is due. A handler that takes long holds up nothing but its own timer. */
  async #fireDue(): Promise<void> {
    try {
      while (!this.#stopped) {
        const free = maximumRunning - this.#running.size;
        const rows = free > 0 ? await this.#claim(free) : [];
        for (const row of rows) this.#running.set(row, this.#fire(row).finally(() => this.#running.delete(row)));
        if (rows.length < free) return;
        await Promise.race(this.#running.values());
      }
    } catch (error) {
      if (!this.#stopped) this.#logger.error({ error }, 'timers cannot be read; tried again');
    }
  }

  #claim(limit: number): Promise<TimerRow[]> {
    const now = this.#clock.now();
    return this.#sql<TimerRow[]>`
      update timers set attempts = attempts + 1, leased_until = clock_timestamp() + ${this.#leaseMs} * interval '1 ms', leased_for = generation
      where (kind, key) in (
        select kind, key from timers
        where due_at <= ${now} and (locked_until is null or locked_until <= ${now}) and (leased_until is null or leased_until <= clock_timestamp())
          and kind = any(${[...this.#handlers.keys()]})
        order by due_at, kind, key limit ${limit} for update skip locked)
      returning kind, key, due_at, payload, attempts, generation, traceparent`;
  }

  /** Fires the earliest timer that is due, and waits for its handler. @returns undefined when none is due */
  async fireNext(): Promise<Pick<TimerFired, 'kind' | 'key'> | undefined> {
    const [row] = await this.#claim(1);
    if (row) await this.#fire(row);
    return row;
  }

  /** Holds on to what is still being handled. */
  async #renew(): Promise<void> {
    const claims = [...this.#running.keys()].map(({ kind, key, generation }) => ({ kind, key, generation }));
    if (claims.length === 0) return;
    try {
      await this.#sql`
        update timers set leased_until = clock_timestamp() + ${this.#leaseMs} * interval '1 ms'
        from jsonb_to_recordset(${this.#sql.json(claims)}) as mine(kind text, key text, generation bigint)
        where timers.kind = mine.kind and timers.key = mine.key and timers.leased_for = mine.generation`;
    } catch (error) {
      if (!this.#stopped) this.#logger.warn({ error, timers: claims.length }, 'claims on timers cannot be renewed; tried again');
    }
  }

  #fire(row: TimerRow): Promise<void> {
    const { kind, traceparent, attempts } = row;
    return this.#tracer.span(`timer ${kind}`, { begins: true, timer: kind, parent: traceparent ?? undefined, attributes: { 'mobility.timer.kind': kind, 'mobility.timer.attempt': attempts } }, (span) => this.#handle(row, span));
  }

  async #handle(row: TimerRow, span: Span): Promise<void> {
    const { kind, key, dueAt, payload, attempts } = row;
    try {
      await this.#handlers.get(kind)?.({ kind, key, dueAt, payload, attempt: attempts });
      await this.#done(row);
    } catch (error) {
      span.set({ 'error.type': error instanceof Error ? error.name : 'unknown' });
      const pauseMs = Math.min(longestPauseMs, 250 * 2 ** Math.min(attempts, 10));
      this.#logger.warn({ error, kind, key, attempts, pauseMs }, 'a timer failed; tried again');
      await this.#tryLater(row, pauseMs).catch((cause: unknown) => this.#logger.warn({ error: cause, kind, key }, 'a timer cannot be given back; it is tried again when the claim on it has run out'));
    }
  }

  /** Deletes the timer; one that was moved meanwhile stays, and waits no longer for us. */
  async #done({ kind, key, generation }: TimerRow): Promise<void> {
    const [moved] = await this.#sql<{ dueAt: Date }[]>`
      with done as (delete from timers where kind = ${kind} and key = ${key} and generation = ${generation})
      update timers set leased_until = null where kind = ${kind} and key = ${key} and generation <> ${generation} and leased_for = ${generation}
      returning due_at`;
    if (moved) this.nudge(moved.dueAt.getTime());
  }

  async #tryLater({ kind, key, generation }: TimerRow, pauseMs: number): Promise<void> {
    await this.#sql`
      update timers set leased_until = null, locked_until = case when generation = ${generation} then ${new Date(this.#clock.nowMs() + pauseMs)}::timestamptz else locked_until end
      where kind = ${kind} and key = ${key} and leased_for = ${generation}`;
  }

  /** Begins nothing more, and waits for what is being handled. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearTimeout(this.#wake);
    await this.#claiming;
    await Promise.all(this.#running.values());
    clearInterval(this.#renewal);
  }
}
