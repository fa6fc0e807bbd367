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
  const keyOfProviderAttempt = 'attempt' in providerAttempt ? 'attempt' : 'id';

  type Runner = postgres.Sql | postgres.TransactionSql;
  const insert = (runner: Runner, table: string, row: object) =>
    runner.unsafe(`insert into bare.${table} overriding system value select * from jsonb_populate_record(null::bare.${table}, $1::jsonb)`, [row as never]);
  let outboxId = 0;
  const announce = (runner: Runner) => insert(runner, 'booking_outbox', { id: ++outboxId, topic: 'bookings', event: { ...booking, terms: undefined } });

  return {
    async once() {
      const id = v7();
      const attemptName = `authorise-${id}`;
      await sql.begin(async (transaction) => {
        await insert(transaction, 'bookings', { ...booking, id, vehicle_id: id, rider_id: id, idempotency_key: id, state: 'reserved' });
        await Promise.all([announce(transaction), insert(transaction, 'booking_timers', { kind: 'payment-deadline', key: id, due_at: new Date(), attempts: 0, generation: outboxId })]);
      });
      await sql.begin(async (transaction) => {
        await insert(transaction, 'payments', { ...payment, booking_id: id, state: 'pending' });
        await insert(transaction, 'payment_attempts', { ...attempt, attempt: attemptName, booking_id: id, state: 'open' });
      });
      await insert(sql, 'provider_attempts', { ...providerAttempt, [keyOfProviderAttempt]: attemptName });
      await sql`update bare.provider_attempts set ${sql({ [keyOfProviderAttempt]: attemptName })} where ${sql(keyOfProviderAttempt)} = ${attemptName}`;
      await sql.begin(async (transaction) => {
        await transaction`update bare.payments set state = 'authorised' where booking_id = ${id}`;
        await transaction`update bare.payment_attempts set state = 'succeeded' where attempt = ${attemptName}`;
      });
      await sql.begin(async (transaction) => {
        await transaction`select * from bare.bookings where id = ${id} for update`;
        await transaction`update bare.bookings set state = 'confirmed', payment_state = 'authorised' where id = ${id}`;
        await Promise.all([
          announce(transaction), transaction`delete from bare.booking_timers where kind = 'payment-deadline' and key = ${id}`,
          insert(transaction, 'booking_timers', { kind: 'reservation-expiry', key: id, due_at: new Date(), attempts: 0, generation: outboxId }),
        ]);
      });
    },
    close: () => sql.end(),
  };
}
