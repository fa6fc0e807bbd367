/**
 * The database work of one booking without the platform: the same rows into the same tables (copies with
 * all their indexes and constraints), in the same transactions, from plain SQL.
 */
import postgres from 'postgres';
import { v7 } from 'uuid';

const copies = {
  bookings: 'booking.bookings', booking_outbox: 'booking.outbox', booking_timers: 'booking.timers',
  payments: 'payment.payments', payment_attempts: 'payment.attempts', provider_attempts: 'payments_orchestrator.attempts',
} as const;

export interface BareWork {
  /** The statements of one booking. */
  once(): Promise<void>;
  close(): Promise<void>;
}

/** @param url of the database that the program has just made bookings in: one of them is the pattern */
export async function bareBookings(url: string): Promise<BareWork> {
  const sql = postgres(url, { max: 10, onnotice: () => undefined });
  await sql`drop schema if exists bare cascade`;
  await sql`create schema bare`;
  for (const [copy, original] of Object.entries(copies)) await sql.unsafe(`create table bare.${copy} (like ${original} including all)`);
  const pattern = async (table: string, where = 'true') => {
    const [row] = await sql.unsafe<{ row: Record<string, unknown> }[]>(`select to_jsonb(t) as row from ${table} t where ${where} limit 1`);
    if (!row) throw new Error(`there is no row in ${table} to copy`);
    return row.row;
  };
  const booking = await pattern('booking.bookings', "state = 'confirmed'");
  const payment = await pattern('payment.payments', "state = 'authorised'");
  const attempt = await pattern('payment.attempts', "kind = 'authorise'");
  const providerAttempt = await pattern('payments_orchestrator.attempts');

  type Runner = postgres.Sql | postgres.TransactionSql;
  const rowOf = (table: keyof typeof copies, row: object) => sql`select * from jsonb_populate_record(null::${sql(`bare.${table}`)}, ${sql.json(row as never)})`;
  const insert = (runner: Runner, table: keyof typeof copies, row: object) => runner`insert into ${sql(`bare.${table}`)} overriding system value ${rowOf(table, row)}`;
  let outboxId = 0;
  const announce = () => rowOf('booking_outbox', { id: ++outboxId, topic: 'bookings', event: { ...booking, terms: undefined } });
  const timer = (kind: string, key: string) => rowOf('booking_timers', { kind, key, due_at: new Date(), attempts: 0, generation: outboxId });

  return {
    async once() {
      const id = v7();
      const attemptName = `authorise:${id}:1`;
      await sql.begin(async (transaction) => {
        await insert(transaction, 'bookings', { ...booking, id, vehicle_id: id, rider_id: id, idempotency_key: id, state: 'reserved' });
        await transaction`with timer as (insert into bare.booking_timers overriding system value ${timer('payment-deadline', id)}) insert into bare.booking_outbox overriding system value ${announce()}`;
      });
      await sql`
        with held as (insert into bare.payments ${rowOf('payments', { ...payment, booking_id: id, state: 'pending' })})
        insert into bare.payment_attempts ${rowOf('payment_attempts', { ...attempt, attempt: attemptName, booking_id: id, state: 'open' })}`;
      await insert(sql, 'provider_attempts', { ...providerAttempt, attempt: attemptName });
      await sql`update bare.provider_attempts set state = 'final' where attempt = ${attemptName}`;
      await sql`
        with held as (update bare.payments set state = 'authorised' where booking_id = ${id})
        update bare.payment_attempts set state = 'succeeded' where attempt = ${attemptName}`;
      await sql.begin(async (transaction) => {
        await transaction`select * from bare.bookings where id = ${id} for update`;
        await transaction`update bare.bookings set state = 'confirmed', payment_state = 'authorised' where id = ${id} returning *`;
        await transaction`
          with cancelled as (delete from bare.booking_timers where kind = 'payment-deadline' and key = ${id}),
            timer as (insert into bare.booking_timers overriding system value ${timer('reservation-expiry', id)})
          insert into bare.booking_outbox overriding system value ${announce()}`;
      });
    },
    close: () => sql.end(),
  };
}
