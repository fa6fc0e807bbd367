import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import Stripe from 'stripe';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startAdyenSandbox } from './adyen.ts';
import { decodeForm, text, texts } from './form.ts';
import type { Sandbox } from './server.ts';
import { startStripeSandbox } from './stripe.ts';

const open = (url: string): Stripe => {
  const { hostname, port } = new URL(url);
  return new Stripe('sk_test_sandbox', { host: hostname, port: Number(port), protocol: 'http', maxNetworkRetries: 0, telemetry: false });
};

let folder: string;
let stripe: Sandbox;
let adyen: Sandbox;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sandboxes-'));
  stripe = await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
  adyen = await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
});
afterAll(async () => {
  await Promise.all([stripe.close(), adyen.close()]);
  await rm(folder, { recursive: true });
});

async function card(sdk: Stripe, token = 'pm_card_visa'): Promise<{ customer: string; payment_method: string }> {
  const customer = await sdk.customers.create({ metadata: { rider: 'r' } });
  const method = await sdk.paymentMethods.attach(token, { customer: customer.id });
  return { customer: customer.id, payment_method: method.id };
}

describe('forms', () => {
  test('nested names become objects, lists objects with numbers', () => {
    const form = decodeForm('amount=5&metadata[attempt]=a%20b&allowed[0]=card&allowed[1]=link');
    expect(text(form['amount'])).toBe('5');
    expect(texts(form['metadata'])).toEqual({ attempt: 'a b' });
    expect(texts(form['allowed'])).toEqual({ 0: 'card', 1: 'link' });
  });

  test('names cannot reach a prototype', () => {
    decodeForm('__proto__[polluted]=yes&constructor[prototype][polluted]=yes');
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  });
});

describe('stripe', () => {
  test('one key has one effect: the same parameters get the same answer, others are refused', async () => {
    const sdk = open(stripe.url);
    const held = { amount: 900, currency: 'eur', ...(await card(sdk)), confirm: true, off_session: true, capture_method: 'manual' as const };
    const first = await sdk.paymentIntents.create(held, { idempotencyKey: 'key-1' });
    const again = await sdk.paymentIntents.create(held, { idempotencyKey: 'key-1' });
    expect(again.id).toBe(first.id);
    expect(again.lastResponse.headers['idempotent-replayed']).toBe('true');
    await expect(sdk.paymentIntents.create({ ...held, amount: 901 }, { idempotencyKey: 'key-1' })).rejects.toBeInstanceOf(Stripe.errors.StripeIdempotencyError);
  });

  test('a decline is kept under its key, a malformed request is not', async () => {
    const sdk = open(stripe.url);
    const declined = { amount: 900, currency: 'eur', ...(await card(sdk, 'pm_card_visa_chargeDeclined')), confirm: true };
    for (const _time of [1, 2]) await expect(sdk.paymentIntents.create(declined, { idempotencyKey: 'key-2' })).rejects.toBeInstanceOf(Stripe.errors.StripeCardError);
    await expect(sdk.paymentIntents.create({ amount: -1, currency: 'eur' }, { idempotencyKey: 'key-3' })).rejects.toBeInstanceOf(Stripe.errors.StripeInvalidRequestError);
    expect(await sdk.paymentIntents.create({ amount: 1, currency: 'eur' }, { idempotencyKey: 'key-3' })).toMatchObject({ status: 'requires_payment_method' });
  });

  test('charges are found by metadata and listed by customer, newest first', async () => {
    const sdk = open(stripe.url);
    const rider = await card(sdk);
    for (const attempt of ['find-1', 'find-2']) await sdk.paymentIntents.create({ amount: 900, currency: 'eur', ...rider, confirm: true, off_session: true, metadata: { attempt } });
    const found = await sdk.paymentIntents.search({ query: "metadata['attempt']:'find-1'" });
    expect(found.data.map(({ metadata }) => metadata)).toEqual([{ attempt: 'find-1' }]);
    const listed = await sdk.paymentIntents.list({ customer: rider.customer, limit: 1 });
    expect(listed).toMatchObject({ has_more: true, data: [{ status: 'succeeded' }] });
  });

  test('without a key that is a test key nothing is answered', async () => {
    const response = await fetch(`${stripe.url}/v1/customers/cus_1`, { headers: { authorization: 'Bearer sk_live_1' } });
    expect(response.status).toBe(401);
    expect((await fetch(`${adyen.url}/v72/paymentMethods`, { method: 'POST', body: '{}' })).status).toBe(401);
  });

  test('what it has answered survives a kill', async () => {
    const home = join(folder, 'killed');
    const begin = async () => {
      const child = spawn(process.execPath, [new URL('./sandbox-process.ts', import.meta.url).pathname, home], { stdio: ['ignore', 'pipe', 'inherit'] });
      const [chunk] = (await once(child.stdout, 'data')) as [Buffer];
      return { child, sdk: open(chunk.toString().trim()), url: chunk.toString().trim() };
    };
    const before = await begin();
    const intent = await before.sdk.paymentIntents.create({ amount: 700, currency: 'eur', ...(await card(before.sdk)), confirm: true, off_session: true, capture_method: 'manual' }, { idempotencyKey: 'kill-1' });
    before.child.kill('SIGKILL');
    await once(before.child, 'exit');
    const after = await begin();
    expect(after.url).toBe(before.url);
    expect(await after.sdk.paymentIntents.retrieve(intent.id)).toMatchObject({ status: 'requires_capture', amount_capturable: 700 });
    after.child.kill('SIGKILL');
    await once(after.child, 'exit');
  });
});

describe('misbehaviour', () => {
  test('is counted, told when it is nonsense, and goes away', async () => {
    const behave = (behaviour: object) => fetch(`${adyen.url}/sandbox/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });
    const ask = async () => (await fetch(`${adyen.url}/v72/paymentMethods`, { method: 'POST', headers: { 'x-api-key': 'k' }, body: '{}' })).status;
    expect((await behave({ fault: 'earthquake' })).status).toBe(400);
    await behave({ fault: 'outage', times: 2 });
    expect([await ask(), await ask(), await ask()]).toEqual([503, 503, 200]);
  });

  test('an unknown challenge is not found, and deciding it does nothing', async () => {
    for (const { url } of [stripe, adyen]) {
      expect((await fetch(`${url}/sandbox/challenges/none`)).status).toBe(404);
      const decided = await fetch(`${url}/sandbox/challenges/none`, { method: 'POST', body: new URLSearchParams({ decision: 'approve' }), redirect: 'manual' });
      expect([decided.status, decided.headers.get('location')]).toEqual([303, '/sandbox/done']);
    }
  });
});
