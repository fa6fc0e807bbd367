/**
 * The hot path of every booking, each half in one statement: the intent (payment and attempt) before
 * the provider is asked, and its answer when nothing has happened in between.
 */
import { doNotWaitForDisk } from '../../infra/sql/port.ts';
import type { StoredMethod } from '../../orchestrators/payments/contract.ts';
import type { Settlement } from './domain/settle.ts';
import type { AttemptRow, PaymentRow, Runner } from './store.ts';

export interface HoldIntent {
  bookingId: string;
  riderId: string;
  amountMinor: number;
  currency: string;
  paymentMethodId: string | null;
  returnUrl: string | null;
  attempt: string;
  now: Date;
  nextCheckAt: Date;
}

/**
 * Writes payment and attempt of a booking that has none, for a rider without debts. Without a usable
 * method the payment is declined at once.
 * @returns undefined when the booking has a payment already, or the rider a debt
 */
export async function insertHold(sql: Runner, intent: HoldIntent): Promise<{ payment: PaymentRow; methods: StoredMethod[] | null } | undefined> {
  const [row] = await sql<(PaymentRow & { methods: StoredMethod[] | null })[]>`
    with method as (
      select id, methods from payment_methods
      where rider_id = ${intent.riderId} and removed_at is null and (${intent.paymentMethodId}::uuid is null or id = ${intent.paymentMethodId})
      order by created_at desc, id desc limit 1
    ), payment as (
      insert into payments (booking_id, rider_id, method_id, state, currency, requested_minor, return_url, failure_code, next_check_at, created_at)
      select ${intent.bookingId}, ${intent.riderId}, method.id, case when method.id is null then 'declined' else 'pending' end, ${intent.currency}, ${intent.amountMinor}, ${intent.returnUrl},
        case when method.id is null then 'payment-method-missing' end, case when method.id is null then null else ${intent.nextCheckAt}::timestamptz end, ${intent.now}
      from (select 1) as always left join method on true
      where not exists (select 1 from payments where rider_id = ${intent.riderId} and debt_minor > 0)
      on conflict (booking_id) do nothing returning *
    ), attempt as (
      insert into attempts (attempt, booking_id, kind, amount_minor, state, method_id, created_at)
      select ${intent.attempt}, booking_id, 'authorise', requested_minor, 'open', method_id, created_at from payment where method_id is not null
    )
    select payment.*, method.methods from payment left join method on true`;
  if (!row) return undefined;
  const { methods, ...payment } = row;
  return { payment, methods };
}

/**
 * Writes how a hold ended, if nobody has touched the payment since it was begun: nobody waits to be
 * told, and nothing else is wanted of it.
 * @returns undefined when somebody has: then it takes a transaction that looks first
 */
export async function settleHoldAtOnce(sql: Runner, attempt: AttemptRow, settlement: Settlement): Promise<PaymentRow | undefined> {
  const { state, authorisedMinor, failureCode, hold } = settlement.payment;
  const [row] = await sql<PaymentRow[]>`
    with changed as (
      update payments set state = ${state}, authorised_minor = ${authorisedMinor}, failure_code = ${failureCode}, provider = ${hold?.provider ?? null},
        provider_reference = ${hold?.providerReference ?? null}, next_check_at = null
      where booking_id = ${attempt.bookingId} and state = 'pending' and not answered_pending and not void_requested and checks = 0 and ${doNotWaitForDisk(sql)} returning *
    ), closed as (
      update attempts set state = ${settlement.attempt}, provider = ${hold?.provider ?? null}, provider_reference = ${hold?.providerReference ?? null}
      from changed where attempts.attempt = ${attempt.attempt} and attempts.state = 'open'
    )
    select * from changed`;
  return row;
}
