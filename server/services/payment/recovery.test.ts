/** Cuts, wherever they fall: an orchestrator that loses requests and answers, and a service that forgets what it was doing. */
import { v7 } from 'uuid';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Problem } from '../../wire/problem.ts';
import { type Outcome, paymentsOrchestratorContract } from '../../orchestrators/payments/contract.ts';
import { eventually, moduleOf, startModules, type TestProcess } from '../../program/testing.ts';
import type { Client } from '../../wire/contract.ts';
import { type Payment, paymentContract } from './contract.ts';
import { paymentModule } from './module.ts';
import { priceOf, riderCaller, staffCaller } from './testing/world.ts';

/** A small generator with a seed (mulberry32), so that a failing run can be played again. */
function randomFrom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

type Fate = 'fine' | 'lost-before' | 'lost-after' | 'never-returns' | 'declined' | 'unavailable';

/** What the provider holds and has taken, by attempt. Each attempt has one effect. */
class TruthfulProvider {
  readonly effects = new Map<string, { kind: string; amountMinor: number; outcome: Outcome }>();
  random: () => number = () => 0;
  /** How often things go wrong, 0…1. */
  trouble = 0;

  #fate(kind: string): Fate {
    if (this.random() > this.trouble) return 'fine';
    const fates: Fate[] = kind === 'authorise' ? ['lost-before', 'lost-after', 'never-returns'] : ['lost-before', 'lost-after', 'never-returns', 'unavailable', ...(kind === 'capture' ? ['declined' as const] : [])];
    return fates[Math.floor(this.random() * fates.length)] ?? 'fine';
  }

  async ask(kind: string, attempt: string, amountMinor: number): Promise<Outcome> {
    const fate = this.#fate(kind);
    if (fate === 'lost-before') throw new Problem('timeout');
    const known = this.effects.get(attempt);
    const result = fate === 'declined' || fate === 'unavailable' ? fate : 'succeeded';
    const outcome: Outcome = known?.outcome ?? { result, provider: 'stripe', providerReference: `ref:${attempt}`, amountMinor };
    this.effects.set(attempt, known ?? { kind, amountMinor, outcome });
    if (fate === 'lost-after') throw new Problem('unavailable');
    // As when the program is killed while it waits: what comes after never runs.
    if (fate === 'never-returns') await new Promise(() => undefined);
    return outcome;
  }

  takenMinor(bookingId: string): number {
    return this.#sum(bookingId, ['charge', 'capture']);
  }

  refundedMinor(): number {
    return [...this.effects.values()].filter(({ kind, outcome }) => kind === 'refund' && outcome.result === 'succeeded').reduce((sum, effect) => sum + effect.amountMinor, 0);
  }

  heldMinor(bookingId: string): number {
    const finished = [...this.effects].some(([attempt, { kind, outcome }]) => attempt.includes(bookingId) && (kind === 'capture' || kind === 'void') && outcome.result === 'succeeded');
    return finished ? 0 : this.#sum(bookingId, ['authorise']);
  }

  #sum(bookingId: string, kinds: string[]): number {
    return [...this.effects].filter(([attempt, { kind, outcome }]) => attempt.includes(bookingId) && kinds.includes(kind) && outcome.result === 'succeeded').reduce((sum, [, effect]) => sum + effect.amountMinor, 0);
  }
}

const provider = new TruthfulProvider();
let started: TestProcess;
let payments: Client<typeof paymentContract.operations>;

const orchestrator = moduleOf(paymentsOrchestratorContract, {
  attachMethod: async ({ body }) => ({ methods: [{ provider: 'stripe', customerReference: body.riderId, methodReference: body.token }], brand: 'visa', last4: '4242' }),
  authorise: ({ body }) => provider.ask(body.capture ? 'charge' : 'authorise', body.attempt, body.amountMinor),
  capture: ({ body }) => provider.ask('capture', body.attempt, body.amountMinor),
  void: ({ body }) => provider.ask('void', body.attempt, 0),
  refund: ({ body }) => provider.ask('refund', body.attempt, body.amountMinor),
  lookup: async ({ body }) => provider.effects.get(body.attempt)?.outcome ?? { result: 'unknown', provider: 'stripe', providerReference: null, amountMinor: 0 },
});

beforeAll(async () => {
  started = await startModules([orchestrator, paymentModule], { environment: { MOBILITY_LOG_LEVEL: 'silent' } });
  payments = started.client(paymentContract);
});
afterAll(() => started.dispose());

/** A call whose caller does not wait for ever, as after a kill. */
const cut = <T>(call: Promise<T>): Promise<T | undefined> => Promise.race([call.catch(() => undefined), new Promise<undefined>((resume) => setTimeout(() => resume(undefined), 60))]);

async function rideWithCuts(seed: number): Promise<void> {
  const random = randomFrom(seed);
  provider.random = random;
  provider.trouble = 0;
  const riderId = v7();
  const bookingId = v7();
  const params = { bookingId };
  await payments.addPaymentMethod({ body: { provider: 'stripe', token: 'tok' } }, { caller: riderCaller(riderId), idempotencyKey: v7() });
  provider.trouble = 0.6;
  const authorise = () => payments.authorise({ params, body: { riderId, amountMinor: 1000, currency: 'EUR' } });
  const until = (settled: (payment: Payment) => boolean, nudge: () => Promise<unknown>) =>
    eventually(async () => {
      await cut(nudge());
      const payment = await payments.getPayment({ params }).catch(() => undefined);
      return payment && settled(payment) ? payment : undefined;
    });
  await cut(authorise());
  const held = await until(({ state }) => state === 'authorised' || state === 'declined', () => (random() < 0.5 ? authorise() : payments.resolve({ params })));
  if (held.state === 'declined') return expect(provider.heldMinor(bookingId)).toBe(0), undefined;
  if (random() < 0.2) {
    await until(({ state }) => state === 'voided', () => payments.void({ params }));
    expect([provider.heldMinor(bookingId), provider.takenMinor(bookingId)]).toEqual([0, 0]);
    return;
  }
  const totalMinor = [600, 1000, 1700][Math.floor(random() * 3)] ?? 600;
  const charged = await until(({ state }) => state === 'captured' || state === 'capture-failed', () => (random() < 0.5 ? payments.capture({ params, body: priceOf(totalMinor) }) : payments.resolve({ params })));
  const { amountMinor: debtMinor } = await payments.getDebt({ params: { riderId } });
  expect(provider.takenMinor(bookingId)).toBe(charged.capturedMinor);
  expect(charged.capturedMinor + debtMinor).toBe(totalMinor);
  if (charged.state === 'capture-failed') return;
  const before = provider.refundedMinor();
  const idempotencyKey = v7();
  await until(({ refundedMinor }) => refundedMinor === 250, () => payments.refund({ params, body: { amountMinor: 250, reason: 'Goodwill' } }, { caller: staffCaller, idempotencyKey }));
  expect(provider.refundedMinor() - before).toBe(250);
}

describe('cuts', () => {
  // Seeds, so that a failure can be looked at again.
  test.each(Array.from({ length: 24 }, (_empty, index) => index + 1))('PAYMENT-25: a ride is paid once, wherever the cuts fall (seed %i)', async (seed) => {
    await rideWithCuts(seed);
    const { ledgerBalance } = await payments.getLedger({}, { caller: staffCaller });
    expect(Object.values(ledgerBalance).every((balance) => balance === 0)).toBe(true);
  });

  test('PAYMENT-25: a hold that a kill has left behind is taken up without anybody asking', async () => {
    provider.trouble = 0;
    const riderId = v7();
    const bookingId = v7();
    const method = await payments.addPaymentMethod({ body: { provider: 'stripe', token: 'tok' } }, { caller: riderCaller(riderId), idempotencyKey: v7() });
    const sql = started.database('payment')?.sql;
    if (!sql) throw new Error('no database');
    const minuteAgo = new Date(Date.now() - 60_000);
    await sql`insert into payments (booking_id, rider_id, method_id, state, currency, requested_minor, answered_pending, next_check_at, created_at)
      values (${bookingId}, ${riderId}, ${method.id}, 'pending', 'EUR', 700, true, ${minuteAgo}, ${minuteAgo})`;
    await sql`insert into attempts (attempt, booking_id, kind, amount_minor, state, method_id, created_at) values (${`authorise:${bookingId}:1`}, ${bookingId}, 'authorise', 700, 'open', ${method.id}, ${minuteAgo})`;
    await eventually(async () => (await payments.getPayment({ params: { bookingId } })).state === 'authorised');
    expect(provider.heldMinor(bookingId)).toBe(700);
  });
});
