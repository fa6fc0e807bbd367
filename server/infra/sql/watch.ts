/** What is measured and traced of a module's database: transactions, who waits for a connection, what waits in the outbox, late timers. */
import type { Sql } from 'postgres';
import type { Clock } from '../clock/port.ts';
import type { Metrics, Reading, SpanOptions, Tracer } from '../observability/port.ts';

export interface Watched {
  module: string;
  poolSize: number;
  clock: Clock;
  metrics: Metrics;
  tracer: Tracer;
}

interface Waiting {
  events: number;
  oldestAt: string | null;
  overdue: number;
  oldestDueAt: Date | null;
}

/** A timer that is so late is overdue; all are a little late. */
const overdueAfterMs = 5_000;
/** Several gauges are read from one answer. */
const answerHoldsMs = 500;
const answersWithinMs = 800;

export class DatabaseWatch {
  readonly #sql: Sql;
  readonly #watched: Watched;
  readonly #span: SpanOptions;
  readonly #name: string;
  readonly #observe: { committed: (seconds: number) => void; failed: (seconds: number) => void };
  #waiting = 0;
  #running = 0;
  #asked: { atMs: number; isOpen: boolean; answer: Promise<Waiting> } | undefined;

  constructor(sql: Sql, watched: Watched) {
    const { module, poolSize, metrics, clock } = watched;
    this.#sql = sql;
    this.#watched = watched;
    this.#name = `transaction ${module}`;
    this.#span = { kind: 'client', attributes: { 'db.system.name': 'postgresql', 'db.namespace': module, 'db.operation.name': 'transaction' } };
    const observer = (outcome: string) => metrics.seconds('mobility_database_transaction_duration_seconds', 'Time of a transaction, waiting for a connection and trying again included', { module, outcome });
    this.#observe = { committed: observer('committed'), failed: observer('failed') };
    const gauge = (name: string, help: string, read: () => number | Promise<number>) =>
      metrics.gauge(name, help, async (): Promise<Reading> => [{ labels: { module }, value: await read() }]);
    const secondsSince = (atMs: number | undefined) => (atMs === undefined ? 0 : Math.max(0, (clock.nowMs() - atMs) / 1000));
    gauge('mobility_database_pool_size', 'Connections that a module may have', () => poolSize);
    gauge('mobility_database_transactions_running', 'Transactions that have a connection', () => this.#running);
    gauge('mobility_database_transactions_waiting', 'Transactions that wait for a connection', () => this.#waiting);
    gauge('mobility_database_up', '1 while the database answers', () => this.#isUp());
    gauge('mobility_outbox_events', 'Committed events that are not in the log yet', async () => (await this.#ask()).events);
    gauge('mobility_outbox_age_seconds', 'Age of the oldest committed event that is not in the log yet', async () => secondsSince(dateMs((await this.#ask()).oldestAt)));
    gauge('mobility_timers_overdue', 'Timers that should have fired more than five seconds ago', async () => (await this.#ask()).overdue);
    gauge('mobility_timers_delay_seconds', 'How late the oldest overdue timer is', async () => secondsSince((await this.#ask()).oldestDueAt?.getTime()));
  }

  /** @param work calls what it is given when it has its connection */
  transaction<T>(work: (connected: () => void) => Promise<T>): Promise<T> {
    return this.#watched.tracer.span(this.#name, this.#span, async () => {
      const begunMs = performance.now();
      let isWaiting = true;
      this.#waiting++;
      const connected = () => {
        if (!isWaiting) return;
        isWaiting = false;
        this.#waiting--;
        this.#running++;
      };
      let outcome: 'committed' | 'failed' = 'failed';
      try {
        const value = await work(connected);
        outcome = 'committed';
        return value;
      } finally {
        if (isWaiting) this.#waiting--;
        else this.#running--;
        this.#observe[outcome]((performance.now() - begunMs) / 1000);
      }
    });
  }

  async #isUp(): Promise<number> {
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<number>((resolve) => {
      timer = setTimeout(() => resolve(0), answersWithinMs);
    });
    const answer = this.#ask().then(() => 1, () => 0);
    return Promise.race([answer, late]).finally(() => clearTimeout(timer));
  }

  #ask(): Promise<Waiting> {
    const nowMs = performance.now();
    // One that does not come back must not be followed by ever more of its kind.
    if (this.#asked && (this.#asked.isOpen || nowMs - this.#asked.atMs < answerHoldsMs)) return this.#asked.answer;
    const dueBefore = new Date(this.#watched.clock.nowMs() - overdueAfterMs);
    const answer = this.#sql<Waiting[]>`
      select (select count(*)::int from outbox) as events, (select event->>'time' from outbox order by id limit 1) as oldest_at,
        (select count(*)::int from timers where due_at < ${dueBefore}) as overdue, (select min(due_at) from timers where due_at < ${dueBefore}) as oldest_due_at`.then(([row]) => {
      if (!row) throw new Error('no answer');
      return row;
    });
    const asked = { atMs: nowMs, isOpen: true, answer };
    const close = () => void (asked.isOpen = false);
    answer.then(close, close);
    this.#asked = asked;
    return answer;
  }
}

const dateMs = (text: string | null): number | undefined => (text === null ? undefined : Date.parse(text));
