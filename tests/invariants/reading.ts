/** Reads the evidence from where the platform keeps it: every schema, the event log, and the providers' own books. */
import postgres, { type Sql } from 'postgres';
import type { CloudEvent, EventLog } from '../../server/infra/events/port.ts';
import { bookingContract } from '../../server/services/booking/contract.ts';
import { iotContract } from '../../server/iot/contract.ts';
import { paymentContract } from '../../server/services/payment/contract.ts';
import { userContract } from '../../server/services/user/contract.ts';
import { vehicleContract } from '../../server/services/vehicle/contract.ts';
import type { BookingFact, Evidence, LifeEvent, PaymentFact, ProviderCharge } from './evidence.ts';

/** What a city has stored; what riders were told and saw comes from whoever plays them. */
export type Stored = Omit<Evidence, 'bodies' | 'told' | 'repeated' | 'rides' | 'clockSlackMs'>;

export interface Sources {
  /** Of a role that may read every schema. */
  databaseUrl: string;
  events: EventLog;
  /** The platform's time: timers are late by it. */
  nowMs(): number;
  charges(): Promise<readonly ProviderCharge[]>;
}

const erased = userContract.events.erased.type;
/** What modules write into their inbox, as their `module.ts` consumes it: whole topics by name, single types with a dot. */
export const consumed: Readonly<Record<string, readonly string[]>> = {
  gateway: ['users'],
  user: ['bookings', 'payments'],
  booking: [vehicleContract.events.unlocked.type, paymentContract.events.resolved.type, paymentContract.events.captured.type, erased],
  payment: ['users'],
  incident: [erased],
  rollout: [iotContract.events.jobExecutionChanged.type],
};
/** Groups that read without an inbox. */
export const otherGroups: Readonly<Record<string, readonly string[]>> = { 'vehicle-reports': ['vehicles'], 'vehicle-bookings': ['bookings'], 'incident-alerts': ['vehicles'], 'telemetry-zones': ['vehicles'] };

const topicOf = (type: string): string => type.split('.')[0] ?? '';
/** A timer that is due may wait for a worker that is at it; later it is overdue. */
const lateAfterMs = 5_000;
const readAtOnce = 1000;

/** Reads on where it stopped, so that a city that runs for long is not read from its beginning each time. */
export class LogReader {
  readonly #events: EventLog;
  readonly #next = new Map<string, number>();
  readonly #read = new Map<string, CloudEvent[]>();

  constructor(events: EventLog) {
    this.#events = events;
  }

  /** Every event of a topic so far, those of one key in order. */
  async all(topic: string): Promise<readonly CloudEvent[]> {
    const known = this.#read.get(topic) ?? [];
    this.#read.set(topic, known);
    for (let partition = 0; partition < this.#events.partitions(topic); partition++) {
      const key = `${topic} ${partition}`;
      for (;;) {
        const batch = await this.#events.read(topic, partition, this.#next.get(key) ?? 0, readAtOnce);
        for (const { offset, event } of batch) {
          known.push(event);
          this.#next.set(key, offset + 1);
        }
        if (batch.length < readAtOnce) break;
      }
    }
    return known;
  }
}

const milliseconds = (date: Date | null): number | null => date?.getTime() ?? null;

async function readBookings(sql: Sql): Promise<BookingFact[]> {
  const rows = await sql`select id, rider_id, vehicle_id, state, starts_at, ends_at, started_at, ended_at, (price->>'totalMinor')::int as total_minor from booking.bookings order by id`;
  return rows.map((row) => ({
    id: row['id'], riderId: row['riderId'], vehicleId: row['vehicleId'], state: row['state'], startsAtMs: (row['startsAt'] as Date).getTime(), endsAtMs: (row['endsAt'] as Date).getTime(),
    startedAtMs: milliseconds(row['startedAt'] as Date | null), endedAtMs: milliseconds(row['endedAt'] as Date | null), totalMinor: row['totalMinor'],
  })) as BookingFact[];
}

async function readMoney(sql: Sql): Promise<Pick<Stored, 'payments' | 'openAttempts' | 'ledger' | 'booked'>> {
  const payments = await sql<PaymentFact[]>`
    select booking_id, state, authorised_minor::int, captured_minor::int, refunded_minor::int, debt_minor::int from payment.payments order by booking_id`;
  const open = await sql<{ attempt: string }[]>`select attempt from payment.attempts where state = 'open'`;
  const ledger = await sql<{ currency: string; balanceMinor: number }[]>`select currency, sum(amount_minor)::int as balance_minor from payment.ledger_postings group by currency`;
  const booked = await sql<{ bookingId: string; rides: number; owedMinor: number; receivedMinor: number }[]>`
    select booking_id, count(distinct entries.id) filter (where kind = 'ride-charged')::int as rides,
      coalesce(sum(amount_minor) filter (where kind = 'ride-charged' and account = 'rider-receivable'), 0)::int as owed_minor,
      coalesce(-sum(amount_minor) filter (where kind = 'payment-received' and account = 'rider-receivable'), 0)::int as received_minor
    from payment.ledger_entries as entries join payment.ledger_postings as postings on postings.entry_id = entries.id group by booking_id`;
  return { payments, openAttempts: open.map(({ attempt }) => attempt), ledger, booked };
}

async function readVehicles(sql: Sql): Promise<Pick<Stored, 'vehicles' | 'holds'>> {
  const vehicles = await sql<{ id: string; locked: boolean; bookingId: string | null }[]>`select vehicle_id as id, (state->>'locked')::boolean as locked, state->>'bookingId' as booking_id from vehicle.states order by vehicle_id`;
  const holds = await sql<{ bookingId: string; vehicleId: string; state: string }[]>`
    select id as booking_id, vehicle_id, state from vehicle.bookings where state in ('reserved', 'confirmed', 'riding', 'paused')`;
  return { vehicles, holds };
}

/** Schemas of modules that are there. */
async function schemasOf(sql: Sql): Promise<string[]> {
  const rows = await sql<{ schemaname: string }[]>`select schemaname from pg_tables where tablename = 'outbox'`;
  return rows.map(({ schemaname }) => schemaname).toSorted();
}

async function readQueues(sql: Sql, schemas: readonly string[], nowMs: number): Promise<Pick<Stored, 'outbox' | 'overdue'>> {
  const outbox: { module: string; events: number }[] = [];
  const overdue: { module: string; kind: string; key: string; lateMs: number }[] = [];
  for (const module of schemas) {
    const [waiting] = await sql<{ events: number }[]>`select count(*)::int as events from ${sql(module)}.outbox`;
    outbox.push({ module, events: waiting?.events ?? 0 });
    const late = await sql<{ kind: string; key: string; dueAt: Date }[]>`select kind, key, due_at from ${sql(module)}.timers where due_at < ${new Date(nowMs - lateAfterMs)}`;
    for (const { kind, key, dueAt } of late) overdue.push({ module, kind, key, lateMs: nowMs - dueAt.getTime() });
  }
  return { outbox, overdue };
}

const schemaOf = (module: string): string => module.replaceAll('-', '_');

async function readUnhandled(sql: Sql, log: LogReader, schemas: readonly string[]): Promise<Stored['unhandled']> {
  const missing: { module: string; eventId: string; type: string }[] = [];
  for (const [module, wanted] of Object.entries(consumed)) {
    if (!schemas.includes(schemaOf(module))) continue;
    const rows = await sql<{ eventId: string }[]>`select event_id from ${sql(schemaOf(module))}.inbox`;
    const handled = new Set(rows.map(({ eventId }) => eventId));
    for (const topic of new Set(wanted.map(topicOf))) {
      for (const { id, type } of await log.all(topic)) if ((wanted.includes(topic) || wanted.includes(type)) && !handled.has(id)) missing.push({ module, eventId: id, type });
    }
  }
  return missing;
}

async function readLag(events: EventLog, log: LogReader, schemas: readonly string[]): Promise<Pick<Stored, 'lag' | 'deadLetters'>> {
  const lag: { group: string; topic: string; events: number }[] = [];
  const reading = { ...Object.fromEntries(Object.entries(consumed).map(([module, wanted]) => [module, [...new Set(wanted.map(topicOf))]])), ...otherGroups };
  for (const [group, topics] of Object.entries(reading)) {
    if (!schemas.includes(schemaOf(group.split('-')[0] ?? ''))) continue;
    for (const topic of topics) lag.push({ group, topic, events: await events.lag(group, topic) });
  }
  const deadLetters: { topic: string; events: number; error: string }[] = [];
  for (const topic of new Set(Object.values(reading).flat())) {
    const letters = await log.all(`${topic}.dead-letter`);
    deadLetters.push({ topic, events: letters.length, error: JSON.stringify(letters[0]?.data ?? null).slice(0, 300) });
  }
  return { lag, deadLetters };
}

const stateOfType = new Map(Object.entries(bookingContract.events).filter(([name]) => name !== 'rated').map(([state, { type }]) => [type, state]));

/** Asks everything anew at each call, besides the log, which is read on. */
export class EvidenceReader {
  readonly #sources: Sources;
  readonly #log: LogReader;

  constructor(sources: Sources) {
    this.#sources = sources;
    this.#log = new LogReader(sources.events);
  }

  async read(): Promise<Stored> {
    const { databaseUrl, events, nowMs, charges } = this.#sources;
    const sql = postgres(databaseUrl, { max: 1, onnotice: () => undefined, transform: { ...postgres.camel, undefined: null }, connect_timeout: 5 }) as Sql;
    try {
      const schemas = await schemasOf(sql);
      const life = (await this.#log.all('bookings')).flatMap(({ id, type, data }): LifeEvent[] => {
        const to = stateOfType.get(type);
        const { bookingId, from } = data as { bookingId: string; from: LifeEvent['from'] };
        return to === undefined ? [] : [{ eventId: id, bookingId, from, to: to as LifeEvent['to'] }];
      });
      return {
        bookings: await readBookings(sql), life, ...(await readMoney(sql)), charges: await charges(), ...(await readQueues(sql, schemas, nowMs())),
        ...(await readLag(events, this.#log, schemas)), unhandled: await readUnhandled(sql, this.#log, schemas), ...(await readVehicles(sql)),
      };
    } finally {
      await sql.end({ timeout: 1 });
    }
  }
}

/** The books of a provider's sandbox. */
export async function chargesAt(provider: string, sandboxUrl: string): Promise<ProviderCharge[]> {
  const response = await fetch(`${sandboxUrl}/sandbox/payments`);
  const { payments } = (await response.json()) as { payments: (Omit<ProviderCharge, 'provider' | 'attempt'> & { attempt?: string })[] };
  return payments.map(({ id, attempt, heldMinor, capturedMinor, refundedMinor }) => ({ provider, id, attempt: attempt ?? '', heldMinor, capturedMinor, refundedMinor }));
}
