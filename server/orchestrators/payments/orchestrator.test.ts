import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { startAdyenSandbox } from '../../../simulator/providers/adyen.ts';
import type { Sandbox } from '../../../simulator/providers/server.ts';
import { startStripeSandbox } from '../../../simulator/providers/stripe.ts';
import { eventually, startModules, type TestProcess } from '../../program/testing.ts';
import type { Client } from '../../wire/contract.ts';
import { paymentsOrchestratorContract, type StoredMethod } from './contract.ts';
import { paymentsOrchestratorModule } from './module.ts';
import { StripeProvider } from './stripe.ts';

// Long enough for a busy machine, short enough to wait for.
const timeoutMs = 1500;
let folder: string;
let sandboxes: Record<'stripe' | 'adyen', Sandbox>;
let started: TestProcess;
let orchestrator: Client<typeof paymentsOrchestratorContract.operations>;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'orchestrator-'));
  sandboxes = { stripe: await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') }), adyen: await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') }) };
  started = await startModules([paymentsOrchestratorModule], {
    environment: { MOBILITY_STRIPE_URL: sandboxes.stripe.url, MOBILITY_ADYEN_URL: sandboxes.adyen.url, MOBILITY_PAYMENT_TIMEOUT_MS: String(timeoutMs) },
  });
  orchestrator = started.client(paymentsOrchestratorContract);
});
afterAll(async () => {
  await started.dispose();
  await Promise.all([sandboxes.stripe.close(), sandboxes.adyen.close()]);
  await rm(folder, { recursive: true });
});
beforeEach(async () => {
  await Promise.all([behave('stripe', {}), behave('adyen', {})]);
});

async function behave(provider: 'stripe' | 'adyen', behaviour: object): Promise<void> {
  await fetch(`${sandboxes[provider].url}/sandbox/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });
}

async function atProvider(provider: 'stripe' | 'adyen', attempt: string): Promise<{ status: string; capturedMinor: number; refundedMinor: number }[]> {
  const { payments } = (await (await fetch(`${sandboxes[provider].url}/sandbox/payments`)).json()) as { payments: { attempt?: string; status: string; capturedMinor: number; refundedMinor: number }[] };
  return payments.filter((payment) => payment.attempt === attempt);
}

async function methodsFor(token = 'pm_card_visa'): Promise<{ riderId: string; methods: StoredMethod[] }> {
  const riderId = randomUUID();
  const { methods } = await orchestrator.attachMethod({ body: { riderId, provider: 'stripe', token } });
  return { riderId, methods };
}

const request = (rider: { riderId: string; methods: StoredMethod[] }, more: { capture?: boolean } = {}) => ({ attempt: `authorise:${randomUUID()}`, amountMinor: 1200, currency: 'EUR', ...rider, ...more });
const authorise = (body: ReturnType<typeof request>) => orchestrator.authorise({ body });
const lookup = (attempt: string) => orchestrator.lookup({ body: { attempt } });

describe('attempts', () => {
  test('PAYMENTS-ORCHESTRATOR-01: an attempt has one outcome, however often it is sent', async () => {
    const body = request(await methodsFor());
    const outcomes = await Promise.all([1, 2, 3].map(() => authorise(body)));
    expect(outcomes.filter(({ result }) => result === 'succeeded').length).toBeGreaterThanOrEqual(1);
    expect(await authorise(body)).toMatchObject({ result: 'succeeded', provider: 'stripe', amountMinor: 1200 });
    expect(await atProvider('stripe', body.attempt)).toHaveLength(1);
    expect(await atProvider('adyen', body.attempt)).toEqual([]);
  });

  test('PAYMENTS-ORCHESTRATOR-01: a decline is an outcome, too: no other provider is asked', async () => {
    const body = request(await methodsFor('pm_card_visa_chargeDeclined'));
    expect(await authorise(body)).toMatchObject({ result: 'declined', provider: 'stripe', declineReason: 'generic_decline' });
    expect(await authorise(body)).toMatchObject({ result: 'declined' });
    expect(await atProvider('adyen', body.attempt)).toEqual([]);
  });

  test('PAYMENTS-ORCHESTRATOR-02: Adyen is asked when Stripe certainly did nothing', async () => {
    const body = request(await methodsFor());
    await behave('stripe', { fault: 'outage' });
    expect(await authorise(body)).toMatchObject({ result: 'succeeded', provider: 'adyen' });
    await behave('stripe', {});
    expect(await authorise(body)).toMatchObject({ result: 'succeeded', provider: 'adyen' });
    expect(await atProvider('stripe', body.attempt)).toEqual([]);
    expect(await atProvider('adyen', body.attempt)).toHaveLength(1);
  });

  test('PAYMENTS-ORCHESTRATOR-02: without a method there, or with Adyen down, too, the outcome is unavailable and final', async () => {
    const rider = await methodsFor();
    await behave('stripe', { fault: 'outage' });
    const stripeOnly = request({ ...rider, methods: rider.methods.filter(({ provider }) => provider === 'stripe') });
    expect(await authorise(stripeOnly)).toMatchObject({ result: 'unavailable' });
    await behave('adyen', { fault: 'outage' });
    const body = request(rider);
    expect(await authorise(body)).toMatchObject({ result: 'unavailable' });
    await Promise.all([behave('stripe', {}), behave('adyen', {})]);
    expect(await authorise(body)).toMatchObject({ result: 'unavailable' });
    expect(await lookup(body.attempt)).toMatchObject({ result: 'unavailable' });
  });

  test('PAYMENTS-ORCHESTRATOR-03: without a certain answer the outcome is unknown, and nobody else is asked', async () => {
    const body = request(await methodsFor('pm_sandbox_timeoutAfterCharge'));
    expect(await authorise(body)).toMatchObject({ result: 'unknown', provider: 'stripe' });
    expect(await authorise(body)).toMatchObject({ result: 'unknown' });
    expect(await atProvider('adyen', body.attempt)).toEqual([]);
  });
});

describe('lookup', () => {
  test('PAYMENTS-ORCHESTRATOR-04: lookup finds a charge whose answer never came, and does not charge again', async () => {
    const body = request(await methodsFor('pm_sandbox_timeoutAfterCharge'));
    await authorise(body);
    expect(await lookup(body.attempt)).toMatchObject({ result: 'succeeded', provider: 'stripe' });
    expect(await authorise(body)).toMatchObject({ result: 'succeeded' });
    expect(await atProvider('stripe', body.attempt)).toHaveLength(1);
  });

  test('PAYMENTS-ORCHESTRATOR-04: while the provider is down the attempt stays unknown', async () => {
    const body = request(await methodsFor('pm_sandbox_timeoutAfterCharge'));
    await authorise(body);
    await behave('stripe', { fault: 'outage' });
    expect(await lookup(body.attempt)).toMatchObject({ result: 'unknown' });
    await expect(lookup('authorise:nobody-knows')).rejects.toMatchObject({ code: 'not-found' });
  });

  test('PAYMENTS-ORCHESTRATOR-05: a charge that never reached Stripe is proven not to happen any more', async () => {
    const body = request(await methodsFor('pm_sandbox_timeoutBeforeCharge'));
    expect(await authorise(body)).toMatchObject({ result: 'unknown' });
    expect(await lookup(body.attempt)).toMatchObject({ result: 'unavailable', provider: 'stripe' });
    // The lost request comes in after all.
    const late = new StripeProvider({ key: 'sk_test_late', url: sandboxes.stripe.url, timeoutMs });
    const [method] = body.methods;
    if (!method) throw new Error('no method');
    await expect(late.authorise({ ...body, method, capture: false })).rejects.toThrow(/same parameters/);
    await late.close();
    expect(await atProvider('stripe', body.attempt)).toEqual([]);
    expect(await lookup(body.attempt)).toMatchObject({ result: 'unavailable' });
  });

  test.each(['charged', 'not charged'])('PAYMENTS-ORCHESTRATOR-06: an attempt that the program was killed in is unknown, and found by asking: %s', async (how) => {
    const body = { ...request(await methodsFor()), capture: false };
    const [method] = body.methods;
    if (!method) throw new Error('no method');
    const database = started.database('payments-orchestrator');
    if (!database) throw new Error('no database');
    const { sql } = database;
    const write = (requestedAt: Date) => sql`
      insert into attempts (attempt, kind, request, state, provider, requested_at, updated_at)
      values (${body.attempt}, 'authorise', ${sql.json(body)}, 'asking', 'stripe', ${requestedAt}, ${requestedAt})
      on conflict (attempt) do update set requested_at = excluded.requested_at, updated_at = excluded.updated_at`;
    await write(new Date());
    if (how === 'charged') {
      const before = new StripeProvider({ key: 'sk_test_before', url: sandboxes.stripe.url, timeoutMs });
      await before.authorise({ ...body, method });
      await before.close();
    }
    expect(await authorise(body)).toMatchObject({ result: 'unknown' });
    // Somebody may still be at work on it.
    expect(await lookup(body.attempt)).toMatchObject({ result: 'unknown' });
    await write(new Date(Date.now() - 60_000));
    expect(await lookup(body.attempt)).toMatchObject({ result: how === 'charged' ? 'succeeded' : 'unavailable' });
    expect(await atProvider('stripe', body.attempt)).toHaveLength(how === 'charged' ? 1 : 0);
  });
});

test('PAYMENTS-ORCHESTRATOR-10: attempts that ended are forgotten after 30 days, open ones never', async () => {
  const sql = started.database('payments-orchestrator')?.sql;
  if (!sql) throw new Error('no database');
  const [old, recent, open] = [randomUUID(), randomUUID(), randomUUID()];
  const rows = [[old, 'final', 31], [recent, 'final', 29], [open, 'unknown', 400]] as const;
  for (const [attempt, state, days] of rows) {
    await sql`insert into attempts (attempt, kind, request, state, provider, outcome, requested_at, updated_at)
      select ${attempt}, 'void', '{}', ${state}, 'stripe', '{}', at, at from (select now() - make_interval(days => ${days}::int) as at) as moment`;
  }
  await sql`update timers set due_at = now() where kind = 'attempt-cleaning'`;
  await eventually(async () => (await sql`select 1 from attempts where attempt = ${old}`).length === 0);
  expect((await sql`select 1 from attempts where attempt in (${recent}, ${open})`).length).toBe(2);
});

describe('changes of a charge', () => {
  test('PAYMENTS-ORCHESTRATOR-07: a capture or refund without an answer is sent again under its key and has one effect', async () => {
    const body = request(await methodsFor());
    const { provider, providerReference } = await authorise(body);
    if (!provider || !providerReference) throw new Error('nothing held');
    for (const kind of ['capture', 'refund'] as const) {
      const change = { attempt: `${kind}:${randomUUID()}`, provider, providerReference, amountMinor: 700, currency: 'EUR' };
      await behave('stripe', { fault: 'timeout-after', times: 1 });
      expect(await orchestrator[kind]({ body: change })).toMatchObject({ result: 'unknown' });
      expect(await lookup(change.attempt)).toMatchObject({ result: 'succeeded', amountMinor: 700 });
      expect(await orchestrator[kind]({ body: change })).toMatchObject({ result: 'succeeded' });
    }
    expect(await atProvider('stripe', body.attempt)).toMatchObject([{ capturedMinor: 700, refundedMinor: 700 }]);
  });

  test('PAYMENTS-ORCHESTRATOR-07: a capture goes to the provider that holds, never to another', async () => {
    const body = request(await methodsFor());
    const { providerReference } = await authorise(body);
    await behave('stripe', { fault: 'outage' });
    const change = { attempt: `capture:${randomUUID()}`, provider: 'stripe' as const, providerReference: providerReference ?? '', amountMinor: 700, currency: 'EUR' };
    expect(await orchestrator.capture({ body: change })).toMatchObject({ result: 'unavailable' });
    expect(await atProvider('stripe', body.attempt)).toMatchObject([{ capturedMinor: 0 }]);
  });
});

describe('the breaker', () => {
  test('PAYMENTS-ORCHESTRATOR-08: a refused card says nothing about a provider', async () => {
    for (const _call of [1, 2, 3, 4, 5, 6]) await expect(methodsFor('no_such_token')).rejects.toMatchObject({ code: 'payment-method-invalid' });
    expect((await orchestrator.getProviderHealth({})).providers).toEqual([{ provider: 'stripe', breaker: 'closed' }, { provider: 'adyen', breaker: 'closed' }]);
  });
});

describe('methods', () => {
  test('PAYMENTS-ORCHESTRATOR-09: a card is kept at every provider that takes it; one that refuses it does not matter', async () => {
    expect((await methodsFor()).methods.map(({ provider }) => provider)).toEqual(['stripe', 'adyen']);
    await behave('adyen', { fault: 'outage' });
    expect((await methodsFor()).methods.map(({ provider }) => provider)).toEqual(['stripe']);
    await expect(methodsFor('no_such_token')).rejects.toMatchObject({ code: 'payment-method-invalid' });
    await behave('stripe', { fault: 'outage' });
    await expect(methodsFor()).rejects.toMatchObject({ code: 'payment-provider-down' });
  });

  test('PAYMENTS-ORCHESTRATOR-09: a forgotten card cannot be charged anywhere', async () => {
    const rider = await methodsFor();
    await orchestrator.detachMethod({ body: { methods: rider.methods } });
    await orchestrator.detachMethod({ body: { methods: rider.methods } });
    expect(await authorise(request(rider))).toMatchObject({ result: 'declined' });
  });
});
