/** The SQL of payments, attempts, methods, ledger and receipts. */
import type { Sql, TransactionSql } from 'postgres';
import { v7 } from 'uuid';
import type { Provider, StoredMethod } from '../../orchestrators/payments/contract.ts';
import type { Payment, Receipt, RideSummary } from './contract.ts';
import type { Entry } from './domain/ledger.ts';
import type { AttemptKind, AttemptState, PaymentState } from './domain/life-cycle.ts';
import { receiptNumber } from './domain/receipt.ts';
import type { z } from 'zod';

/** A pool or a transaction: both run statements. */
export type Runner = Sql | TransactionSql;

export interface Charge {
  lines: Receipt['lines'];
  totalMinor: number;
  taxMinor: number;
  taxPercent: number;
  ride: z.infer<typeof RideSummary>;
}

export interface PaymentRow {
  bookingId: string;
  riderId: string;
  methodId: string | null;
  state: PaymentState;
  provider: Provider | null;
  providerReference: string | null;
  currency: string;
  requestedMinor: number;
  authorisedMinor: number;
  capturedMinor: number;
  refundedMinor: number;
  debtMinor: number;
  returnUrl: string | null;
  actionUrl: string | null;
  failureCode: Payment['failureCode'] | null;
  charge: Charge | null;
  voidRequested: boolean;
  answeredPending: boolean;
  checks: number;
  nextCheckAt: Date | null;
  createdAt: Date;
}

export interface AttemptRow {
  attempt: string;
  bookingId: string;
  kind: AttemptKind;
  amountMinor: number;
  state: AttemptState;
  methodId: string | null;
  provider: Provider | null;
  providerReference: string | null;
  refundId: string | null;
  chargeAttempt: string | null;
  createdAt: Date;
}

export interface MethodRow {
  id: string;
  riderId: string;
  methods: StoredMethod[];
  provider: Provider;
  brand: string;
  last4: string;
  requestHash: string | null;
  createdAt: Date;
  removedAt: Date | null;
}

export const toPayment = (row: PaymentRow): Payment => ({
  bookingId: row.bookingId, state: row.state, provider: row.provider, authorisedMinor: row.authorisedMinor, capturedMinor: row.capturedMinor,
  refundedMinor: row.refundedMinor, currency: row.currency,
  ...(row.actionUrl !== null && { actionUrl: row.actionUrl }), ...(row.failureCode && { failureCode: row.failureCode }),
});

export async function findPayment(sql: Runner, bookingId: string): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`select * from payments where booking_id = ${bookingId}`;
  return row;
}

export async function lockPayment(sql: TransactionSql, bookingId: string): Promise<PaymentRow | undefined> {
  const [row] = await sql<PaymentRow[]>`select * from payments where booking_id = ${bookingId} for update`;
  return row;
}

export async function attemptsOf(sql: Runner, bookingId: string): Promise<AttemptRow[]> {
  return sql<AttemptRow[]>`select * from attempts where booking_id = ${bookingId} order by created_at, attempt`;
}

export async function insertAttempt(sql: TransactionSql, attempt: Omit<AttemptRow, 'state' | 'provider' | 'providerReference'>): Promise<void> {
  await sql`
    insert into attempts (attempt, booking_id, kind, amount_minor, state, method_id, refund_id, charge_attempt, created_at)
    values (${attempt.attempt}, ${attempt.bookingId}, ${attempt.kind}, ${attempt.amountMinor}, 'open', ${attempt.methodId}, ${attempt.refundId}, ${attempt.chargeAttempt}, ${attempt.createdAt})`;
}

/** Closes an open attempt. @returns false when it was closed already */
export async function closeAttempt(sql: TransactionSql, attempt: string, state: AttemptState, provider: Provider | null, providerReference: string | null): Promise<boolean> {
  const closed = await sql`update attempts set state = ${state}, provider = ${provider}, provider_reference = ${providerReference} where attempt = ${attempt} and state = 'open'`;
  return closed.count > 0;
}

export async function findMethod(sql: Runner, id: string): Promise<MethodRow | undefined> {
  const [row] = await sql<MethodRow[]>`select * from payment_methods where id = ${id}`;
  return row;
}

/** Newest first: the one that was added last is used. */
export async function methodsOf(sql: Runner, riderId: string): Promise<MethodRow[]> {
  return sql<MethodRow[]>`select * from payment_methods where rider_id = ${riderId} and removed_at is null order by created_at desc, id desc`;
}

/** Books entries; one that is booked already is left as it is. */
export async function book(sql: TransactionSql, bookingId: string, entries: readonly Entry[], now: Date): Promise<void> {
  for (const { kind, reference, currency, postings } of entries) {
    const id = v7();
    const booked = await sql`insert into ledger_entries (id, booking_id, kind, reference, booked_at) values (${id}, ${bookingId}, ${kind}, ${reference}, ${now}) on conflict (kind, reference) do nothing`;
    if (booked.count === 0 || postings.length === 0) continue;
    await sql`
      insert into ledger_postings (entry_id, account, currency, amount_minor)
      select ${id}, account, ${currency}, amount from unnest(${postings.map(({ account }) => account)}::text[], ${postings.map(({ amountMinor }) => amountMinor)}::bigint[]) as rows(account, amount)`;
  }
}

/** Takes the next number of a year; given back when the transaction does not commit. */
async function nextReceiptNumber(sql: TransactionSql, year: number): Promise<string> {
  const [counter] = await sql<{ last: number }[]>`insert into receipt_counters (year, last) values (${year}, 1) on conflict (year) do update set last = receipt_counters.last + 1 returning last`;
  if (!counter) throw new Error(`no receipt number for ${year}`);
  return receiptNumber(year, counter.last);
}

export type ReceiptDocument = Omit<Receipt, 'number' | 'refundedMinor'>;

/** Issues the receipt of a booking. @returns its number */
export async function insertReceipt(sql: TransactionSql, receipt: { bookingId: string; riderId: string; year: number; document: ReceiptDocument; issuedAt: Date }): Promise<string> {
  const number = await nextReceiptNumber(sql, receipt.year);
  await sql`insert into receipts (number, booking_id, rider_id, document, issued_at) values (${number}, ${receipt.bookingId}, ${receipt.riderId}, ${sql.json(receipt.document as never)}, ${receipt.issuedAt})`;
  return number;
}

export async function findReceipt(sql: Runner, bookingId: string): Promise<{ number: string; riderId: string; document: ReceiptDocument; refundedMinor: number } | undefined> {
  const [row] = await sql<{ number: string; riderId: string; document: ReceiptDocument; refundedMinor: number }[]>`
    select receipts.number, receipts.rider_id, receipts.document, payments.refunded_minor from receipts join payments using (booking_id) where booking_id = ${bookingId}`;
  return row;
}

export async function debtOf(sql: Runner, riderId: string): Promise<{ amountMinor: number; currency: string | null }> {
  const [debt] = await sql<{ amountMinor: number; currency: string }[]>`
    select sum(debt_minor)::bigint as amount_minor, currency from payments where rider_id = ${riderId} and debt_minor > 0 group by currency order by 1 desc limit 1`;
  return debt ?? { amountMinor: 0, currency: null };
}

export async function ledgerAccounts(sql: Runner): Promise<{ account: string; currency: string; balanceMinor: number }[]> {
  return sql<{ account: string; currency: string; balanceMinor: number }[]>`
    select account, currency, sum(amount_minor)::bigint as balance_minor from ledger_postings group by account, currency order by currency, account`;
}
