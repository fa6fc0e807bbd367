/** The `Database` of one module over a PostgreSQL pool: transactions with outbox, inbox and timers. */
import postgres, { type Sql, type TransactionSql } from 'postgres';
import { v7 } from 'uuid';
import type { Clock } from '../clock/port.ts';
import type { EventDefinition } from '../../wire/contract.ts';
import type { CloudEvent, EventLog, SubscribeOptions, Subscription } from '../events/port.ts';
import type { Logger, Metrics, Tracer } from '../observability/port.ts';
import { passingTracer } from '../observability/passing-tracer.ts';
import { currentTrace, toTraceparent } from '../observability/trace.ts';
import { type DatabaseAccess, explainRefusedLogin, type Login } from './access.ts';
import { migrate, schemaOf } from './migrations.ts';
import { OutboxRelay } from './outbox.ts';
import { openPool } from './pool.ts';
import type { Database, Timer, TimerFired, Transaction } from './port.ts';
import { TimerWorker } from './timers.ts';
import { isUnreachable } from './unreachable.ts';
import { DatabaseWatch } from './watch.ts';

export interface DatabaseOptions {
  module: string;
  access: DatabaseAccess;
  poolSize: number;
  migrations: URL | undefined;
  clock: Clock;
  events: EventLog;
  logger: Logger;
  metrics: Metrics;
  /** Without one nothing is recorded. */
  tracer?: Tracer;
  /** For tests: how long the claim of a worker on a timer holds when it was killed. */
  timerLeaseMs?: number;
  /** Relays and fires nothing by itself: whoever replays a run does, step by step. */
  byHand?: boolean | undefined;
  /** For tests: after how long a connection that nobody uses is closed. */
  idleSeconds?: number;
}

export interface ModuleDatabase extends Database {
  /** Begins to relay events, fire timers and consume: when all handlers are registered. */
  start(): void;
  /** Appends what waits in the outbox now. */
  relay(): Promise<void>;
  /** Fires the earliest timer that is due, and waits for its handler. @returns undefined when none is due */
  fireNext(): Promise<Pick<TimerFired, 'kind' | 'key'> | undefined>;
  stop(): Promise<void>;
}

type Handle = (event: CloudEvent, transaction: Transaction) => Promise<void>;

interface Consumer {
  wanted: readonly (string | EventDefinition)[];
  handle: Handle;
}

const maximumTries = 5;
const inboxRetentionMs = 7 * 24 * 3600 * 1000;

const unreachablePauseMs = 500;
/** Connections that nobody uses are for others, who may wait for one. */
const defaultIdleSeconds = 10;

/** Deadlock and serialization failure: the transaction did nothing and may be tried again. */
const isTransient = (error: unknown): boolean => error instanceof postgres.PostgresError && (error.code === '40001' || error.code === '40P01');

function connect({ module, poolSize, idleSeconds = defaultIdleSeconds }: DatabaseOptions, { url, ...login }: Login, onclose: () => void): Sql {
  return postgres(url, {
    ...login, onclose,
    max: poolSize,
    idle_timeout: idleSeconds,
    connect_timeout: 10,
    onnotice: () => undefined,
    transform: { column: { from: postgres.toCamel, to: postgres.fromCamel } },
    connection: { search_path: `${schemaOf(module)}, public`, application_name: `mobility ${module}`, TimeZone: 'UTC' } as Record<string, string>,
    types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } },
  }) as Sql;
}

const messaging = (topic: string) => ({ 'messaging.system': 'mobility', 'messaging.destination.name': topic });

class PostgresTransaction implements Transaction {
  readonly sql: TransactionSql;
  readonly events: { topic: string; event: CloudEvent }[] = [];
  readonly timers: (Timer & { traceparent: string | null })[] = [];
  readonly cancelled: { kind: string; key: string }[] = [];
  readonly #module: string;
  readonly #clock: Clock;
  readonly #tracer: Tracer;

  constructor(sql: TransactionSql, { module, clock, tracer }: { module: string; clock: Clock; tracer: Tracer }) {
    this.sql = sql;
    this.#module = module;
    this.#clock = clock;
    this.#tracer = tracer;
  }

  publish: Transaction['publish'] = (definition, subject, data) => {
    const id = v7();
    const span = this.#tracer.open(`send ${definition.topic}`, { kind: 'producer', attributes: { ...messaging(definition.topic), 'messaging.operation.type': 'send', 'messaging.operation.name': 'send', 'messaging.message.id': id, 'cloudevents.event_type': definition.type } });
    span.end();
    this.events.push({
      topic: definition.topic,
      event: {
        specversion: '1.0', id, source: `/${this.#module}`, type: definition.type, subject, time: this.#clock.now().toISOString(),
        datacontenttype: 'application/json', dataschemaversion: definition.version, ...(span.traceparent !== undefined && { traceparent: span.traceparent }), data: definition.data.parse(data),
      },
    });
  };

  schedule(timer: Timer): void {
    const earlier = this.timers.findIndex(({ kind, key }) => kind === timer.kind && key === timer.key);
    if (earlier >= 0) this.timers.splice(earlier, 1);
    const trace = currentTrace();
    // One that sets itself again and again would never come to the end of its trace.
    this.timers.push({ ...timer, traceparent: trace && trace.timer !== timer.kind ? toTraceparent(trace) : null });
  }

  cancelTimer(kind: string, key: string): void {
    const scheduled = this.timers.findIndex((timer) => timer.kind === kind && timer.key === key);
    if (scheduled >= 0) this.timers.splice(scheduled, 1);
    this.cancelled.push({ kind, key });
  }

  /** Writes what was collected, just before the commit: in one statement, whatever it is. */
  async flush(): Promise<void> {
    const { sql, events, timers } = this;
    const moved = new Set(timers.map(({ kind, key }) => `${kind} ${key}`));
    const cancelled = this.cancelled.filter(({ kind, key }) => !moved.has(`${kind} ${key}`));
    if (events.length + timers.length + cancelled.length === 0) return;
    const scheduled = timers.map(({ kind, key, dueAt, payload, traceparent }) => ({ kind, key, due_at: dueAt.toISOString(), payload: payload ?? null, traceparent }));
    await sql`
      with cancelled as (
        delete from timers using jsonb_to_recordset(${sql.json(cancelled)}) as gone(kind text, key text) where timers.kind = gone.kind and timers.key = gone.key
      ), scheduled as (
        insert into timers (kind, key, due_at, payload, traceparent)
        select kind, key, due_at, payload, traceparent from jsonb_to_recordset(${sql.json(scheduled as never)}) as rows(kind text, key text, due_at timestamptz, payload jsonb, traceparent text)
        on conflict (kind, key) do update set due_at = excluded.due_at, payload = excluded.payload, traceparent = excluded.traceparent, attempts = 0, locked_until = null, generation = default
      )
      insert into outbox (topic, event) select topic, event from jsonb_to_recordset(${sql.json(events as never)}) as rows(topic text, event jsonb)`;
  }
}

type RunTransaction = Database['transaction'];

const nextCleaning = (clock: Clock): Timer => ({ kind: 'inbox-cleaning', key: 'daily', dueAt: new Date(clock.nowMs() + 24 * 3600 * 1000) });

/** Forgets handled events that are so old that nobody delivers them again. */
function keepInboxSmall({ transaction, timers, clock }: { transaction: RunTransaction; timers: TimerWorker; clock: Clock }): void {
  timers.register('inbox-cleaning', () =>
    transaction(async (current) => {
      await current.sql`delete from inbox where handled_at < ${new Date(clock.nowMs() - inboxRetentionMs)}`;
      current.schedule(nextCleaning(clock));
    }),
  );
}

const scheduleFirstCleaning = (transaction: RunTransaction, clock: Clock): Promise<void> =>
  transaction(async (current) => {
    const [known] = await current.sql`select 1 from timers where kind = 'inbox-cleaning'`;
    if (!known) current.schedule(nextCleaning(clock));
  });

/** Subscribes to the topics of what is wanted, and hands on only that. */
function deliveryTo({ wanted, handle }: Consumer, handleBatch: (batch: readonly CloudEvent[], handle: Handle) => Promise<void>): Pick<SubscribeOptions, 'topics' | 'handle'> {
  const topics = [...new Set(wanted.map((entry) => (typeof entry === 'string' ? entry : entry.topic)))];
  const whole = new Set(wanted.filter((entry) => typeof entry === 'string'));
  const types = new Set(wanted.map((entry) => (typeof entry === 'string' ? '' : entry.type)));
  const isWanted = (event: CloudEvent) => types.has(event.type) || whole.has(event.type.split('.')[0] ?? '');
  return {
    topics,
    async handle(batch) {
      const mine = batch.filter(isWanted);
      if (mine.length > 0) await handleBatch(mine, handle);
    },
  };
}

interface Handling {
  transaction: RunTransaction;
  module: string;
  tracer: Tracer;
}

/** Handles those events of a batch that are new, in one transaction. */
async function handleOnce({ transaction, module, tracer }: Handling, batch: readonly CloudEvent[], handle: Handle): Promise<void> {
  await transaction(async (current) => {
    const rows = await current.sql<{ eventId: string }[]>`
      insert into inbox (event_id) select distinct unnest(${batch.map((event) => event.id)}::uuid[]) on conflict do nothing returning event_id`;
    const fresh = new Set(rows.map((row) => row.eventId));
    for (const event of batch) {
      if (!fresh.delete(event.id)) continue;
      await tracer.span(`process ${event.type}`, {
        kind: 'consumer', parent: event.traceparent, begins: true,
        attributes: { 'messaging.system': 'mobility', 'messaging.operation.type': 'process', 'messaging.operation.name': 'process', 'messaging.consumer.group.name': module, 'messaging.message.id': event.id, 'cloudevents.event_type': event.type },
      }, () => handle(event, current));
    }
  });
}

/** One commit for the whole batch; when an event in it fails, one by one, so that only that one is tried again. */
async function handleBatch(handling: Handling, batch: readonly CloudEvent[], handle: Handle): Promise<void> {
  try {
    await handleOnce(handling, batch, handle);
  } catch (error) {
    if (batch.length === 1) throw error;
    for (const event of batch) await handleOnce(handling, [event], handle);
  }
}

/**
 * Waits for as long as the database is away: the log gives an event up after some attempts, and an
 * event must not be given up because there was no database.
 */
function waitingForDatabase(logger: Logger, isStopping: () => boolean): Database['whileReachable'] {
  return async (work) => {
    for (;;) {
      try {
        return await work();
      } catch (error) {
        if (!isUnreachable(error) || isStopping()) throw error;
        logger.warn({ error }, 'the database is away; events wait');
        await new Promise((resume) => setTimeout(resume, unreachablePauseMs));
      }
    }
  };
}

/** Opens the pool of a module, creates its schema and role, and migrates. */
export async function openDatabase({ tracer = passingTracer('w3c'), ...given }: DatabaseOptions): Promise<ModuleDatabase> {
  const options = { ...given, tracer };
  const { module, access, clock, events, logger } = options;
  await access.prepare(module);
  const login = await access.loginOf(module);
  const pool = await openPool((onClose) => connect(options, login, onClose)).catch((error: unknown) => {
    throw explainRefusedLogin(error, login.username);
  });
  const { sql } = pool;
  await migrate(sql, options.migrations);

  const relay = new OutboxRelay(sql, events, logger);
  const timers = new TimerWorker({ sql, clock, logger, tracer, leaseMs: options.timerLeaseMs });
  const consumers: Consumer[] = [];
  const subscriptions: Subscription[] = [];
  const listeners: ((event: CloudEvent) => void)[] = [];
  let stopping = false;

  const watch = new DatabaseWatch(sql, options);

  const transaction = <T>(work: (transaction: Transaction) => Promise<T>): Promise<T> => watch.transaction((connected) => tryAndCommit(work, connected));

  async function tryAndCommit<T>(work: (transaction: Transaction) => Promise<T>, connected: () => void): Promise<T> {
    for (let attempt = 1; ; attempt++) {
      try {
        let committed: PostgresTransaction | undefined;
        const result = await pool.transaction(async (transactionSql) => {
          connected();
          const current = new PostgresTransaction(transactionSql, options);
          const value = await work(current);
          await current.flush();
          committed = current;
          return { value };
        });
        if (committed && committed.events.length > 0) relay.nudge();
        for (const listen of listeners) for (const { event } of committed?.events ?? []) listen(event);
        for (const timer of committed?.timers ?? []) timers.nudge(timer.dueAt.getTime());
        return (result as { value: T }).value;
      } catch (error) {
        if (!isTransient(error) || attempt === maximumTries) throw error;
      }
    }
  }

  const whileReachable = waitingForDatabase(logger, () => stopping);

  return {
    sql,
    transaction,
    onTimer: (kind: string, handle: (timer: TimerFired) => Promise<void>) => timers.register(kind, handle),
    whileReachable,
    onPublished: (listen) => void listeners.push(listen),
    consume(wanted, handle) {
      // Two members of one group would share the events instead of both being told.
      if (consumers.length > 0) throw new Error(`module ${module} consumes already; handle all its events in one place`);
      consumers.push({ wanted, handle });
    },
    start() {
      keepInboxSmall({ transaction, timers, clock });
      for (const part of options.byHand ? [] : [relay, timers]) part.start();
      void scheduleFirstCleaning(transaction, clock).catch((error: unknown) => logger.error({ error, module }, 'cannot schedule the cleaning of the inbox'));
      for (const consumer of consumers) subscriptions.push(events.subscribe({ group: module, ...deliveryTo(consumer, (batch, handle) => whileReachable(() => handleBatch({ transaction, module, tracer }, batch, handle))) }));
    },
    relay: () => relay.drain(),
    fireNext: () => timers.fireNext(),
    async stop() {
      stopping = true;
      await Promise.all(subscriptions.map((subscription) => subscription.close()));
      await timers.stop();
      await relay.stop();
      await pool.end(5);
    },
  };
}
