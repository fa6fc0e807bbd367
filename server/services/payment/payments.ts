/**
 * Moves payments on, so that a cut at any line is harmless: what a provider is to be asked for is
 * written first, under an attempt's name that has one effect however often it is sent; what it
 * answered is written together with the books and the events.
 */
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { ModuleContext } from '../../module.ts';
import type { Transaction } from '../../infra/sql/port.ts';
import type { Outcome, paymentsOrchestratorContract, StoredMethod } from '../../orchestrators/payments/contract.ts';
import { type Payment, paymentContract } from './contract.ts';
import { rideCharged } from './domain/ledger.ts';
import { nextState, nextStep, type PaymentFacts, pauseBeforeCheckMs } from './domain/life-cycle.ts';
import { yearOf } from './domain/receipt.ts';
import { type OpenAttempt, settle } from './domain/settle.ts';
import { insertHold, settleHoldAtOnce } from './holds.ts';
import {
  type AttemptRow, attemptsOf, book, type Charge, closeAttempt, debtOf, findMethod, findPayment, insertAttempt, insertReceipt, lockPayment,
  type MethodRow, type PaymentRow, toPayment,
} from './store.ts';

export interface AuthoriseInput {
  riderId: string;
  amountMinor: number;
  currency: string;
  paymentMethodId?: string;
  returnUrl?: string;
}

/** A payment has at most hold, capture, extra and a retry of each in one go. */
const maximumStepsAtOnce = 6;

/** An attempt that is to be asked, with what the orchestrator needs to know. */
interface Plan {
  attempt: AttemptRow;
  payment: PaymentRow;
  /** Whether it was begun just now, by us. */
  fresh: boolean;
}

const factsOf = (row: PaymentRow): PaymentFacts => ({ ...row, totalMinor: row.charge?.totalMinor ?? null });
const unknown: Outcome = { result: 'unknown', provider: null, providerReference: null, amountMinor: 0 };

export class Payments {
  readonly #context: ModuleContext;
  readonly #orchestrator: Client<typeof paymentsOrchestratorContract.operations>;
  /** A step that was begun and never settled is somebody else's after this long. */
  readonly #graceMs: number;

  constructor(context: ModuleContext, orchestrator: Client<typeof paymentsOrchestratorContract.operations>) {
    this.#context = context;
    this.#orchestrator = orchestrator;
    this.#graceMs = context.configuration.MOBILITY_PAYMENT_TIMEOUT_MS + 2_000;
  }

  #now(): Date {
    return this.#context.clock.now();
  }

  async get(bookingId: string): Promise<Payment> {
    const row = await findPayment(this.#context.database.sql, bookingId);
    if (!row) throw new Problem('not-found', 'this booking has no payment');
    return toPayment(row);
  }

  /** Holds an amount, once for a booking. @throws Problem `debt-outstanding` */
  async authorise(bookingId: string, input: AuthoriseInput): Promise<Payment> {
    const { sql } = this.#context.database;
    const now = this.#now();
    const attempt = `authorise:${bookingId}:1`;
    const begun = await insertHold(sql, {
      bookingId, riderId: input.riderId, amountMinor: input.amountMinor, currency: input.currency, paymentMethodId: input.paymentMethodId ?? null, returnUrl: input.returnUrl ?? null,
      attempt, now, nextCheckAt: new Date(now.getTime() + this.#graceMs),
    });
    if (!begun) return this.#heldBefore(bookingId, input.riderId);
    const { payment, methods } = begun;
    if (methods === null) return toPayment(payment);
    const plan: Plan = {
      attempt: { attempt, bookingId, kind: 'authorise', amountMinor: input.amountMinor, state: 'open', methodId: payment.methodId, provider: null, providerReference: null, refundId: null, chargeAttempt: null, createdAt: now },
      payment, fresh: true,
    };
    const outcome = await this.#ask(plan, methods);
    const settlement = settle({ ...payment, ...factsOf(payment) }, plan.attempt as OpenAttempt, outcome);
    const settled = settlement.attempt === 'open' ? undefined : await settleHoldAtOnce(sql, plan.attempt, settlement);
    return toPayment(settled ?? (await this.#settle(plan, outcome)));
  }

  /** A hold that was not begun: there is one already, or a debt. Whoever is told "pending" is told the end, too. */
  async #heldBefore(bookingId: string, riderId: string): Promise<Payment> {
    const { sql } = this.#context.database;
    await sql`update payments set answered_pending = true where booking_id = ${bookingId} and state = 'pending' and not answered_pending`;
    const known = await findPayment(sql, bookingId);
    if (known) return toPayment(known);
    const debt = await debtOf(sql, riderId);
    if (debt.amountMinor > 0) throw new Problem('debt-outstanding', `${debt.amountMinor} ${debt.currency} in minor units are open`);
    // The debt was paid, or the other one rolled back, just now.
    throw new Problem('unavailable', 'the payment could not be begun; ask again');
  }

  /** Charges the final price, once. @throws Problem `not-found`, `wrong-state` */
  async capture(bookingId: string, charge: Charge): Promise<Payment> {
    const known = await this.#context.database.transaction(async ({ sql }) => {
      const payment = await lockPayment(sql, bookingId);
      if (!payment) throw new Problem('not-found', 'this booking has no payment');
      if (payment.charge) return payment;
      if (payment.state !== 'authorised' || payment.voidRequested) throw new Problem('wrong-state', `the payment is ${payment.voidRequested ? 'being released' : payment.state}`);
      const now = this.#now();
      if (charge.totalMinor > 0) await book(sql, bookingId, [rideCharged(bookingId, payment.currency, charge)], now);
      await sql`
        update payments set state = ${nextState(payment.state, 'capture-asked')}, charge = ${sql.json(charge as never)}, checks = 0, next_check_at = ${new Date(now.getTime() + this.#graceMs)}
        where booking_id = ${bookingId}`;
      return undefined;
    });
    return known && known.state !== 'capture-pending' ? toPayment(known) : this.advance(bookingId);
  }

  /** Releases what is held, once; what is still uncertain is released when it is known. @throws Problem `not-found` */
  async void(bookingId: string): Promise<Payment> {
    const row = await this.#context.database.transaction(async ({ sql }) => {
      const payment = await lockPayment(sql, bookingId);
      if (!payment) throw new Problem('not-found', 'this booking has no payment');
      if (!['pending', 'action-required', 'authorised'].includes(payment.state)) return payment;
      await sql`update payments set void_requested = true, checks = 0, next_check_at = ${new Date(this.#now().getTime() + this.#graceMs)} where booking_id = ${bookingId}`;
      return { ...payment, voidRequested: true };
    });
    return row.voidRequested && row.state !== 'voided' && row.state !== 'declined' ? this.advance(bookingId) : toPayment(row);
  }

  /**
   * Does what is open for a payment: asks again for what is uncertain, takes the next step, until
   * nothing is left to do now. @throws Problem `not-found`
   */
  async advance(bookingId: string): Promise<Payment> {
    const { database } = this.#context;
    for (let step = 0; step < maximumStepsAtOnce; step++) {
      const plan = await database.transaction(({ sql }) => this.#plan(sql, bookingId));
      if (!plan) break;
      const method = plan.attempt.methodId === null ? undefined : await findMethod(database.sql, plan.attempt.methodId);
      const outcome = await this.#ask(plan, method?.methods);
      const settled = await this.#settle(plan, outcome);
      const certain = outcome.result === 'succeeded' || outcome.result === 'declined';
      if (!certain || settled.nextCheckAt === null) return toPayment(settled);
    }
    return this.get(bookingId);
  }

  async #plan(sql: Transaction['sql'], bookingId: string): Promise<Plan | undefined> {
    const payment = await lockPayment(sql, bookingId);
    if (!payment) throw new Problem('not-found', 'this booking has no payment');
    const attempts = (await attemptsOf(sql, bookingId)).filter(({ kind }) => kind !== 'refund');
    const open = attempts.find(({ state }) => state === 'open');
    const challengeGivenUp = open?.kind === 'authorise' && payment.state === 'action-required' && payment.voidRequested;
    if (open && !challengeGivenUp) return { attempt: open, payment, fresh: false };
    if (open) await closeAttempt(sql, open.attempt, 'abandoned', payment.provider, payment.providerReference);
    const step = nextStep(factsOf(payment), attempts);
    if (!step) {
      if (payment.nextCheckAt) await sql`update payments set next_check_at = null where booking_id = ${bookingId}`;
      return undefined;
    }
    const number = attempts.filter(({ kind }) => kind === step.kind).length + 1;
    const attempt = {
      attempt: `${step.kind}:${bookingId}:${number}`, bookingId, kind: step.kind, amountMinor: step.amountMinor, methodId: step.kind === 'extra' ? payment.methodId : null,
      refundId: null, chargeAttempt: null, createdAt: this.#now(),
    };
    await insertAttempt(sql, attempt);
    return { attempt: { ...attempt, state: 'open', provider: null, providerReference: null }, payment, fresh: true };
  }

  /** Begins to charge a debt to a method. @returns undefined when there is none, or it is being charged */
  async retryDebt(bookingId: string, method: MethodRow): Promise<Payment | undefined> {
    const plan = await this.#context.database.transaction(async ({ sql }): Promise<Plan | undefined> => {
      const payment = await lockPayment(sql, bookingId);
      if (!payment || payment.debtMinor === 0) return undefined;
      const attempts = (await attemptsOf(sql, bookingId)).filter(({ kind }) => kind !== 'refund');
      if (attempts.some(({ state }) => state === 'open')) return undefined;
      const number = attempts.filter(({ kind }) => kind === 'debt').length + 1;
      const attempt = { attempt: `debt:${bookingId}:${number}`, bookingId, kind: 'debt', amountMinor: payment.debtMinor, methodId: method.id, refundId: null, chargeAttempt: null, createdAt: this.#now() } as const;
      await insertAttempt(sql, attempt);
      await sql`update payments set checks = 0, next_check_at = ${new Date(this.#now().getTime() + this.#graceMs)} where booking_id = ${bookingId}`;
      return { attempt: { ...attempt, state: 'open', provider: null, providerReference: null }, payment, fresh: true };
    });
    return plan ? toPayment(await this.#settle(plan, await this.#ask(plan, method.methods))) : undefined;
  }

  /** Asks the orchestrator. What cannot be asked, or is not certain, is unknown. */
  async #ask(plan: Plan, methods: readonly StoredMethod[] | undefined): Promise<Outcome> {
    const { attempt, fresh } = plan;
    try {
      const outcome = await this.#send(plan, methods);
      const open = outcome.result === 'unknown' || outcome.result === 'action-required';
      return open && !fresh ? await this.#orchestrator.lookup({ body: { attempt: attempt.attempt } }) : outcome;
    } catch (error) {
      this.#context.logger.warn({ error, attempt: attempt.attempt }, 'the payment orchestrator cannot be asked; it is tried again');
      return unknown;
    }
  }

  async #send({ attempt, payment }: Plan, methods: readonly StoredMethod[] | undefined): Promise<Outcome> {
    const { attempt: name, amountMinor } = attempt;
    if (attempt.kind === 'authorise' || attempt.kind === 'extra' || attempt.kind === 'debt') {
      if (!methods || methods.length === 0) return { ...unknown, result: 'declined', declineReason: 'method-removed' };
      const returnUrl = attempt.kind === 'authorise' && payment.returnUrl !== null ? { returnUrl: payment.returnUrl } : {};
      return this.#orchestrator.authorise({
        body: { attempt: name, riderId: payment.riderId, amountMinor, currency: payment.currency, methods: [...methods], capture: attempt.kind !== 'authorise', ...returnUrl },
      });
    }
    if (!payment.provider || !payment.providerReference) throw new Error(`attempt ${name} has nothing at a provider to change`);
    const charge = { attempt: name, provider: payment.provider, providerReference: payment.providerReference };
    if (attempt.kind === 'void') return this.#orchestrator.void({ body: charge });
    return this.#orchestrator.capture({ body: { ...charge, amountMinor, currency: payment.currency } });
  }

  /** Writes what a provider answered: payment, attempt, books, receipt and events in one transaction. */
  async #settle({ attempt }: Plan, outcome: Outcome): Promise<PaymentRow> {
    return this.#context.database.transaction(async (transaction) => {
      const { sql } = transaction;
      const payment = await lockPayment(sql, attempt.bookingId);
      if (!payment) throw new Error(`the payment of ${attempt.bookingId} has vanished`);
      if (attempt.kind === 'refund') throw new Error('refunds are settled on their own');
      const [open] = await sql`select 1 from attempts where attempt = ${attempt.attempt} and state = 'open'`;
      // Somebody else, with the same answer, was quicker.
      if (!open) return payment;
      const settlement = settle({ ...payment, ...factsOf(payment) }, attempt as OpenAttempt, outcome);
      if (settlement.attempt !== 'open') await closeAttempt(sql, attempt.attempt, settlement.attempt, outcome.provider, outcome.providerReference);
      const { state, authorisedMinor, capturedMinor, debtMinor, failureCode, actionUrl, hold } = settlement.payment;
      const nextCheckAt = this.#nextCheck(transaction, payment, settlement.askAgain || (payment.voidRequested && state === 'authorised'));
      const answeredPending = state === 'pending' || (payment.answeredPending && state === 'action-required');
      const [changed] = await sql<PaymentRow[]>`
        update payments set state = ${state}, authorised_minor = ${authorisedMinor}, captured_minor = ${capturedMinor}, debt_minor = ${debtMinor}, failure_code = ${failureCode},
          action_url = ${actionUrl}, provider = ${hold ? hold.provider : payment.provider}, provider_reference = ${hold ? hold.providerReference : payment.providerReference},
          answered_pending = ${answeredPending}, checks = ${nextCheckAt && settlement.askAgain ? payment.checks + 1 : 0}, next_check_at = ${nextCheckAt}
        where booking_id = ${payment.bookingId} returning *`;
      if (!changed) throw new Error(`the payment of ${payment.bookingId} has vanished`);
      await book(sql, payment.bookingId, settlement.entries, this.#now());
      await this.#tell(transaction, changed, attempt, settlement.tell);
      return changed;
    });
  }

  /** Sets the timer for what is not settled. */
  #nextCheck(transaction: Transaction, payment: PaymentRow, open: boolean): Date | null {
    if (!open) {
      if (payment.checks > 0) transaction.cancelTimer('payment-check', payment.bookingId);
      return null;
    }
    const dueAt = new Date(this.#now().getTime() + pauseBeforeCheckMs(payment.checks));
    transaction.schedule({ kind: 'payment-check', key: payment.bookingId, dueAt });
    return dueAt;
  }

  async #tell(transaction: Transaction, payment: PaymentRow, attempt: AttemptRow, tell: { resolved: boolean; captured: boolean; captureFailed: boolean }): Promise<void> {
    const { events } = paymentContract;
    const { bookingId, riderId, currency } = payment;
    if (tell.resolved) transaction.publish(events.resolved, bookingId, toPayment(payment));
    if (tell.captureFailed) transaction.publish(events.captureFailed, bookingId, { bookingId, riderId, amountMinor: payment.debtMinor, currency });
    if (!tell.captured || !payment.charge || !payment.provider) return;
    const method = await findMethod(transaction.sql, attempt.methodId ?? payment.methodId ?? '');
    if (!method) throw new Error(`the payment of ${bookingId} has no method`);
    const issuedAt = this.#now();
    const { ride, lines, totalMinor, taxMinor, taxPercent } = payment.charge;
    const receiptNumber = await insertReceipt(transaction.sql, {
      bookingId, riderId, issuedAt, year: yearOf(issuedAt, ride.timeZone),
      document: { bookingId, issuedAt: issuedAt.toISOString(), ride, lines, totalMinor, taxMinor, taxPercent, currency, paidWith: { provider: payment.provider, brand: method.brand, last4: method.last4 } },
    });
    transaction.publish(events.captured, bookingId, { bookingId, riderId, amountMinor: totalMinor, currency, receiptNumber });
  }
}
