/** Payment methods of riders: added by a token, removed, and forgotten with the person. */
import { createHash } from 'node:crypto';
import { v7 } from 'uuid';
import type { z } from 'zod';
import type { Transaction } from '../../infra/sql/port.ts';
import type { ModuleContext } from '../../module.ts';
import type { Provider, paymentsOrchestratorContract } from '../../orchestrators/payments/contract.ts';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { PaymentMethod } from './contract.ts';
import { findMethod, type MethodRow, methodsOf, type Runner } from './store.ts';

type PaymentMethod = z.input<typeof PaymentMethod>;

/** Names a request, to tell a repetition from another request under the same key. */
export const requestHash = (request: unknown): string => createHash('sha256').update(JSON.stringify(request)).digest('hex');

const toMethod = ({ id, provider, brand, last4, createdAt }: MethodRow): PaymentMethod => ({ id, provider, brand, last4, createdAt: createdAt.toISOString() });

export class Methods {
  readonly #context: ModuleContext;
  readonly #orchestrator: Client<typeof paymentsOrchestratorContract.operations>;

  constructor(context: ModuleContext, orchestrator: Client<typeof paymentsOrchestratorContract.operations>) {
    this.#context = context;
    this.#orchestrator = orchestrator;
  }

  async list(riderId: string): Promise<PaymentMethod[]> {
    return (await methodsOf(this.#context.database.sql, riderId)).map(toMethod);
  }

  /** @throws Problem `payment-method-invalid`, `payment-provider-down`, `idempotency-key-reused` */
  async add(riderId: string, { provider, token }: { provider: Provider; token: string }, idempotencyKey: string): Promise<PaymentMethod> {
    const { database, clock } = this.#context;
    const hash = requestHash({ provider, token });
    const known = await this.#byKey(database.sql, riderId, idempotencyKey, hash);
    if (known) return known;
    const attached = await this.#orchestrator.attachMethod({ body: { riderId, provider, token } });
    return database.transaction(async (transaction) => {
      const now = clock.now();
      const [row] = await transaction.sql<MethodRow[]>`
        insert into payment_methods (id, rider_id, methods, provider, brand, last4, idempotency_key, request_hash, created_at)
        values (${v7()}, ${riderId}, ${transaction.sql.json(attached.methods as never)}, ${provider}, ${attached.brand}, ${attached.last4}, ${idempotencyKey}, ${hash}, ${now})
        on conflict (rider_id, idempotency_key) do nothing returning *`;
      const method = row ? toMethod(row) : await this.#byKey(transaction.sql, riderId, idempotencyKey, hash);
      if (!method) throw new Error('a payment method is there and not there');
      const [debt] = await transaction.sql`select 1 from payments where rider_id = ${riderId} and debt_minor > 0 limit 1`;
      if (debt) transaction.schedule({ kind: 'debt-retry', key: riderId, dueAt: now });
      return method;
    });
  }

  async #byKey(sql: Runner, riderId: string, idempotencyKey: string, hash: string): Promise<PaymentMethod | undefined> {
    const [row] = await sql<MethodRow[]>`select * from payment_methods where rider_id = ${riderId} and idempotency_key = ${idempotencyKey}`;
    if (!row) return undefined;
    if (row.requestHash !== hash) throw new Problem('idempotency-key-reused');
    return toMethod(row);
  }

  /** @throws Problem `not-found`, `rider-has-open-booking` */
  async remove(riderId: string, id: string): Promise<void> {
    await this.#context.database.transaction(async (transaction) => {
      const { sql } = transaction;
      const [row] = await sql<MethodRow[]>`select * from payment_methods where id = ${id} and rider_id = ${riderId} and removed_at is null for update`;
      if (!row) throw new Problem('not-found', 'you have no such payment method');
      const [used] = await sql`select 1 from payments where method_id = ${id} and state in ('pending', 'action-required', 'authorised', 'capture-pending') limit 1`;
      if (used) throw new Problem('rider-has-open-booking', 'this payment method pays for an open booking');
      await this.#markRemoved(transaction, [id]);
    });
  }

  /** Forgets what belongs to a person; amounts, books and receipts stay, as the law wants them. */
  async forget(riderId: string, transaction: Transaction): Promise<void> {
    const rows = await transaction.sql<{ id: string }[]>`select id from payment_methods where rider_id = ${riderId} and removed_at is null for update`;
    await this.#markRemoved(transaction, rows.map(({ id }) => id));
    await transaction.sql`update payment_methods set brand = 'erased', last4 = '', idempotency_key = null, request_hash = null where rider_id = ${riderId}`;
    await transaction.sql`update payments set return_url = null, action_url = null where rider_id = ${riderId} and state in ('declined', 'captured', 'voided')`;
  }

  async #markRemoved(transaction: Transaction, ids: readonly string[]): Promise<void> {
    const now = this.#context.clock.now();
    for (const id of ids) {
      await transaction.sql`update payment_methods set removed_at = ${now} where id = ${id}`;
      transaction.schedule({ kind: 'method-detach', key: id, dueAt: now });
    }
  }

  /** Tells the providers to forget a card, then forgets the references, too. @throws Problem while one does not answer */
  async detach(id: string): Promise<void> {
    const { database } = this.#context;
    const row = await findMethod(database.sql, id);
    if (!row?.removedAt || row.methods.length === 0) return;
    await this.#orchestrator.detachMethod({ body: { methods: row.methods } });
    await database.sql`update payment_methods set methods = '[]' where id = ${id}`;
  }
}
