/** Gives money back: as a whole that is written first, in legs to the charges that it came from. */
import { v7 } from 'uuid';
import type { Transaction } from '../../infra/sql/port.ts';
import type { ModuleContext } from '../../module.ts';
import type { Outcome, paymentsOrchestratorContract } from '../../orchestrators/payments/contract.ts';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { type Payment, paymentContract } from './contract.ts';
import { refundGiven } from './domain/ledger.ts';
import { pauseBeforeCheckMs } from './domain/life-cycle.ts';
import { splitRefund, taxOfRefund } from './domain/money.ts';
import { requestHash } from './methods.ts';
import { type AttemptRow, attemptsOf, book, closeAttempt, findPayment, insertAttempt, lockPayment, type PaymentRow, toPayment } from './store.ts';

export interface RefundInput {
  amountMinor: number;
  reason: string;
}

interface RefundRow {
  id: string;
  bookingId: string;
  requestHash: string;
  amountMinor: number;
  reason: string;
  state: 'open' | 'done' | 'failed';
  checks: number;
}

const isCharge = ({ kind, state }: AttemptRow): boolean => state === 'succeeded' && (kind === 'capture' || kind === 'extra' || kind === 'debt');

export class Refunds {
  readonly #context: ModuleContext;
  readonly #orchestrator: Client<typeof paymentsOrchestratorContract.operations>;

  constructor(context: ModuleContext, orchestrator: Client<typeof paymentsOrchestratorContract.operations>) {
    this.#context = context;
    this.#orchestrator = orchestrator;
  }

  /** @throws Problem `not-found`, `wrong-state`, `refund-too-large`, `payment-unresolved`, `payment-provider-down`, `idempotency-key-reused` */
  async refund(bookingId: string, owner: string, input: RefundInput, idempotencyKey: string): Promise<Payment> {
    const id = await this.#context.database.transaction(({ sql }) => this.#begin(sql, bookingId, owner, input, idempotencyKey));
    await this.advance(id);
    const { sql } = this.#context.database;
    const [refund] = await sql<RefundRow[]>`select * from refunds where id = ${id}`;
    if (refund?.state === 'open') throw new Problem('payment-unresolved', 'the refund is written down and goes on');
    if (refund?.state === 'failed') {
      const refused = (await attemptsOf(sql, bookingId)).some(({ refundId, state }) => refundId === id && state === 'declined');
      throw refused ? new Problem('wrong-state', 'the provider refuses this refund') : new Problem('payment-provider-down', 'nothing was given back; send the same request again');
    }
    const payment = await findPayment(sql, bookingId);
    if (!payment) throw new Error(`the payment of ${bookingId} has vanished`);
    return toPayment(payment);
  }

  async #begin(sql: Transaction['sql'], bookingId: string, owner: string, input: RefundInput, idempotencyKey: string): Promise<string> {
    const hash = requestHash({ bookingId, ...input });
    const payment = await lockPayment(sql, bookingId);
    if (!payment) throw new Problem('not-found', 'this booking has no payment');
    const [known] = await sql<RefundRow[]>`select * from refunds where owner = ${owner} and idempotency_key = ${idempotencyKey}`;
    if (known && known.requestHash !== hash) throw new Problem('idempotency-key-reused');
    if (known && known.state !== 'failed') return known.id;
    this.#mayRefund(payment);
    const attempts = await attemptsOf(sql, bookingId);
    const isReserved = ({ kind, state }: AttemptRow): boolean => kind === 'refund' && (state === 'open' || state === 'succeeded');
    const charges = attempts.filter(isCharge).map((charge) => ({
      ...charge,
      leftMinor: attempts.filter((leg) => isReserved(leg) && leg.chargeAttempt === charge.attempt).reduce((left, leg) => left - leg.amountMinor, charge.amountMinor),
    }));
    const left = charges.reduce((sum, { leftMinor }) => sum + leftMinor, 0);
    if (input.amountMinor > left) throw new Problem('refund-too-large', `at most ${left} can be given back`);
    const now = this.#context.clock.now();
    const id = known?.id ?? v7();
    // Long enough for the request in hand; after a cut the recovery takes it up.
    const nextCheckAt = new Date(now.getTime() + this.#context.configuration.MOBILITY_PAYMENT_TIMEOUT_MS + 2_000);
    await sql`
      insert into refunds (id, booking_id, owner, idempotency_key, request_hash, amount_minor, reason, state, next_check_at, created_at)
      values (${id}, ${bookingId}, ${owner}, ${idempotencyKey}, ${hash}, ${input.amountMinor}, ${input.reason}, 'open', ${nextCheckAt}, ${now})
      on conflict (id) do update set state = 'open', checks = 0, next_check_at = excluded.next_check_at`;
    const number = attempts.filter(({ refundId }) => refundId === id).length + 1;
    for (const [index, { charge, amountMinor }] of splitRefund(input.amountMinor, charges).entries()) {
      await insertAttempt(sql, { attempt: `refund:${id}:${number + index}`, bookingId, kind: 'refund', amountMinor, methodId: null, refundId: id, chargeAttempt: charge.attempt, createdAt: now });
    }
    return id;
  }

  #mayRefund(payment: PaymentRow): void {
    if (payment.state === 'captured') return;
    if (payment.state === 'pending' || payment.state === 'capture-pending') throw new Problem('payment-unresolved', 'the payment is not certain yet');
    throw new Problem('wrong-state', `a payment that is ${payment.state} has nothing to give back`);
  }

  /** Asks for every leg that is open. */
  async advance(refundId: string): Promise<void> {
    const { database } = this.#context;
    const legs = await database.sql<AttemptRow[]>`select * from attempts where refund_id = ${refundId} and state = 'open' order by attempt`;
    for (const leg of legs) {
      const [charge] = await database.sql<AttemptRow[]>`select * from attempts where attempt = ${leg.chargeAttempt}`;
      const outcome = await this.#ask(leg, charge);
      await database.transaction((transaction) => this.#settle(transaction, leg, outcome));
    }
  }

  async #ask(leg: AttemptRow, charge: AttemptRow | undefined): Promise<Outcome> {
    const payment = await findPayment(this.#context.database.sql, leg.bookingId);
    if (!payment || !charge?.provider || !charge.providerReference) throw new Error(`leg ${leg.attempt} has no charge`);
    try {
      const body = { attempt: leg.attempt, provider: charge.provider, providerReference: charge.providerReference, amountMinor: leg.amountMinor, currency: payment.currency };
      const outcome = await this.#orchestrator.refund({ body });
      return outcome.result === 'unknown' ? await this.#orchestrator.lookup({ body: { attempt: leg.attempt } }) : outcome;
    } catch (error) {
      this.#context.logger.warn({ error, attempt: leg.attempt }, 'the payment orchestrator cannot be asked; it is tried again');
      return { result: 'unknown', provider: null, providerReference: null, amountMinor: leg.amountMinor };
    }
  }

  async #settle(transaction: Transaction, leg: AttemptRow, outcome: Outcome): Promise<void> {
    const { sql } = transaction;
    const payment = await lockPayment(sql, leg.bookingId);
    const [refund] = await sql<RefundRow[]>`select * from refunds where id = ${leg.refundId} for update`;
    if (!payment || !refund) throw new Error(`leg ${leg.attempt} belongs to no refund`);
    const now = this.#context.clock.now();
    if (outcome.result === 'unknown' || outcome.result === 'action-required') {
      const dueAt = new Date(now.getTime() + pauseBeforeCheckMs(refund.checks));
      await sql`update refunds set checks = checks + 1, next_check_at = ${dueAt} where id = ${refund.id}`;
      transaction.schedule({ kind: 'refund-check', key: refund.id, dueAt });
      return;
    }
    if (!(await closeAttempt(sql, leg.attempt, outcome.result, outcome.provider, outcome.providerReference))) return;
    if (outcome.result === 'succeeded') await this.#given(transaction, payment, leg, outcome, refund.reason);
    const [legs] = await sql<{ open: number; failed: number }[]>`
      select count(*) filter (where state = 'open')::int as open, count(*) filter (where state <> 'succeeded' and state <> 'open')::int as failed from attempts
      where refund_id = ${refund.id} and created_at = ${leg.createdAt}`;
    if (!legs || legs.open > 0) return;
    await sql`update refunds set state = ${legs.failed > 0 ? 'failed' : 'done'}, next_check_at = null where id = ${refund.id}`;
  }

  async #given(transaction: Transaction, payment: PaymentRow, leg: AttemptRow, outcome: Outcome, reason: string): Promise<void> {
    if (!outcome.provider || !payment.charge) throw new Error(`leg ${leg.attempt} was given back by nobody`);
    const { totalMinor, taxMinor } = payment.charge;
    const refundTaxMinor = taxOfRefund({ totalMinor, taxMinor, refundedBeforeMinor: payment.refundedMinor, refundMinor: leg.amountMinor });
    await book(transaction.sql, payment.bookingId, [refundGiven(leg.attempt, payment.currency, outcome.provider, leg.amountMinor, refundTaxMinor)], this.#context.clock.now());
    await transaction.sql`update payments set refunded_minor = refunded_minor + ${leg.amountMinor} where booking_id = ${payment.bookingId}`;
    const { bookingId, riderId, currency } = payment;
    transaction.publish(paymentContract.events.refunded, bookingId, { bookingId, riderId, amountMinor: leg.amountMinor, currency, reason });
  }
}
