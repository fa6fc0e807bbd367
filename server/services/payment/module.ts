/** Wiring of the Payment service. */
import { paymentsOrchestratorContract } from '../../orchestrators/payments/contract.ts';
import type { Caller } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { defineModule, type ModuleContext } from '../../module.ts';
import { userContract } from '../user/contract.ts';
import { paymentContract } from './contract.ts';
import { Methods } from './methods.ts';
import { Payments } from './payments.ts';
import { receiptFor } from './receipts.ts';
import { Refunds } from './refunds.ts';
import { observePayments } from './figures.ts';
import { debtOf, ledgerAccounts, methodsOf } from './store.ts';

const recoveryIntervalMs = 5_000;
const recoveryBatch = 100;

function riderOf(caller: Caller | undefined): string {
  if (!caller) throw new Problem('unauthenticated');
  return caller.subject;
}

/**
 * Timers: unsettled payments and refunds, debts, cards to forget, and the recovery that finds what a
 * cut has left without a timer.
 */
function registerTimers({ database, clock, logger }: ModuleContext, { payments, refunds, methods }: { payments: Payments; refunds: Refunds; methods: Methods }): void {
  database.onTimer('payment-check', async ({ key }) => void (await payments.advance(key)));
  database.onTimer('refund-check', ({ key }) => refunds.advance(key));
  database.onTimer('method-detach', ({ key }) => methods.detach(key));
  database.onTimer('debt-retry', async ({ key: riderId }) => {
    const [method] = await methodsOf(database.sql, riderId);
    if (!method) return;
    const debts = await database.sql<{ bookingId: string }[]>`select booking_id from payments where rider_id = ${riderId} and debt_minor > 0 order by created_at`;
    for (const { bookingId } of debts) await payments.retryDebt(bookingId, method);
  });
  const later = () => new Date(clock.nowMs() + recoveryIntervalMs);
  database.onTimer('payment-recovery', async ({ kind, key }) => {
    const overdue = await database.sql<{ bookingId: string }[]>`select booking_id from payments where next_check_at < ${clock.now()} order by next_check_at limit ${recoveryBatch}`;
    for (const { bookingId } of overdue) {
      await payments.advance(bookingId).catch((error: unknown) => logger.error({ error, bookingId }, 'a payment cannot be moved on; it is tried again'));
    }
    const refundsOverdue = await database.sql<{ id: string }[]>`select id from refunds where next_check_at < ${clock.now()} order by next_check_at limit ${recoveryBatch}`;
    for (const { id } of refundsOverdue) {
      await refunds.advance(id).catch((error: unknown) => logger.error({ error, refundId: id }, 'a refund cannot be moved on; it is tried again'));
    }
    await database.transaction(async (transaction) => transaction.schedule({ kind, key, dueAt: later() }));
  });
}

export const paymentModule = defineModule<typeof paymentContract.operations>({
  name: 'payment',
  contract: paymentContract,
  needs: ['payments-orchestrator'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { database, clock } = context;
    const orchestrator = context.client(paymentsOrchestratorContract);
    const payments = new Payments(context, orchestrator);
    const refunds = new Refunds(context, orchestrator);
    const methods = new Methods(context, orchestrator);
    observePayments(context);
    registerTimers(context, { payments, refunds, methods });
    await database.transaction(async (transaction) => transaction.schedule({ kind: 'payment-recovery', key: 'all', dueAt: clock.now() }));
    const { erased } = userContract.events;
    database.consume([erased.topic], async (event, transaction) => {
      if (event.type === erased.type) await methods.forget(erased.data.parse(event.data).riderId, transaction);
    });
    return {
      handlers: {
        addPaymentMethod: ({ caller, body, idempotencyKey }) => methods.add(riderOf(caller), body, idempotencyKey ?? ''),
        listPaymentMethods: async ({ caller }) => ({ items: await methods.list(riderOf(caller)) }),
        removePaymentMethod: async ({ caller, params }) => {
          await methods.remove(riderOf(caller), params.paymentMethodId);
          return undefined;
        },
        getReceipt: ({ caller, params, accept }) => receiptFor(database.sql, params.bookingId, caller, accept),
        refund: ({ caller, params, body, idempotencyKey }) => refunds.refund(params.bookingId, riderOf(caller), body, idempotencyKey ?? ''),
        getLedger: async () => {
          const accounts = await ledgerAccounts(database.sql);
          const ledgerBalance: Record<string, number> = {};
          for (const { currency, balanceMinor } of accounts) ledgerBalance[currency] = (ledgerBalance[currency] ?? 0) + balanceMinor;
          return { ledgerBalance, accounts: [...accounts] };
        },
        authorise: ({ params, body }) => payments.authorise(params.bookingId, body),
        resolve: ({ params }) => payments.advance(params.bookingId),
        getPayment: ({ params }) => payments.get(params.bookingId),
        capture: ({ params, body }) => payments.capture(params.bookingId, body),
        void: ({ params }) => payments.void(params.bookingId),
        getDebt: ({ params }) => debtOf(database.sql, params.riderId),
      },
    };
  },
});
