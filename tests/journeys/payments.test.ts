/** What a rider meets when a payment does not simply work; the sandboxes stand in for Stripe and Adyen. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { startAdyenSandbox } from '../../simulator/providers/adyen.ts';
import type { Sandbox } from '../../simulator/providers/server.ts';
import { startStripeSandbox } from '../../simulator/providers/stripe.ts';
import { type ApiUser, demoUser, type Program, startProgram, until } from './program.ts';

let folder: string;
let stripe: Sandbox;
let adyen: Sandbox;
let program: Program;
let rider: ApiUser;

interface Booking {
  id: string;
  state: string;
  code?: string;
  payment: { state: string; actionUrl?: string };
}

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-sandboxes-'));
  stripe = await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
  adyen = await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
  program = await startProgram({
    environment: {
      MOBILITY_VEHICLES: '30', MOBILITY_PAYMENT_TIMEOUT_MS: '700', MOBILITY_STRIPE_URL: stripe.url, MOBILITY_STRIPE_KEY: 'sk_test_sandbox', MOBILITY_ADYEN_URL: adyen.url, MOBILITY_ADYEN_KEY: 'sandbox',
    },
  });
});
afterAll(async () => {
  await program?.dispose();
  await Promise.all([stripe?.close(), adyen?.close()]);
  await rm(folder, { recursive: true, force: true });
});
beforeEach(async () => {
  await Promise.all([behave(stripe, 'none'), behave(adyen, 'none')]);
  rider = await demoUser(program.url, `payer-${v7()}@example.com`);
});

async function behave(sandbox: Sandbox, fault: 'none' | 'outage'): Promise<void> {
  const answer = await fetch(`${sandbox.url}/sandbox/behaviour`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ fault }) });
  if (!answer.ok) throw new Error(`sandbox: ${answer.status}`);
}

/** What a sandbox has charged or held for a booking, by its attempts. */
async function chargesAt(sandbox: Sandbox, bookingId: string): Promise<unknown[]> {
  const { payments } = (await (await fetch(`${sandbox.url}/sandbox/payments`)).json()) as { payments: unknown[] };
  return payments.filter((payment) => JSON.stringify(payment).includes(bookingId));
}

async function payWith(token: string): Promise<string> {
  const added = await rider.post<{ id: string }>('/v1/me/payment-methods', { provider: 'stripe', token });
  expect(added.status).toBe(201);
  return added.body.id;
}

async function freeVehicle(): Promise<string> {
  const items = await until(async () => {
    const { body } = await rider.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=scooter&minBattery=30');
    return body.items.length > 0 && body.items;
  });
  return items[0]?.id ?? '';
}

const book = async (paymentMethodId?: string) => rider.post<Booking>('/v1/bookings', { vehicleId: await freeVehicle(), ...(paymentMethodId && { paymentMethodId }) });
const untilState = (bookingId: string, state: string) =>
  until(async () => {
    const { body } = await rider.get<Booking>(`/v1/bookings/${bookingId}`);
    return body.state === state && body;
  }, 40_000);

test('charged, but the answer never comes: the provider is asked, and holds the money once', async () => {
  const booked = await book(await payWith('pm_sandbox_timeoutAfterCharge'));
  expect(booked.status).toBe(201);
  await untilState(booked.body.id, 'confirmed');
  expect(await chargesAt(stripe, booked.body.id)).toHaveLength(1);
  expect(await chargesAt(adyen, booked.body.id)).toHaveLength(0);
}, 90_000);

test('Stripe is down: Adyen takes over within the same request; both down: a clear answer, and the vehicle is free again', async () => {
  await behave(stripe, 'outage');
  const vehicleId = await freeVehicle();
  const booked = await rider.post<Booking>('/v1/bookings', { vehicleId });
  expect(booked).toMatchObject({ status: 201, body: { state: 'confirmed' } });
  expect(await chargesAt(adyen, booked.body.id)).toHaveLength(1);
  expect((await rider.post(`/v1/bookings/${booked.body.id}/cancel`)).status).toBe(200);

  await behave(adyen, 'outage');
  const refused = await book();
  expect(refused.status).toBe(503);
  expect(refused.body.code).toBe('payment-provider-down');
  await behave(stripe, 'none');
  await behave(adyen, 'none');
  // The breakers let a call through again after a while; no restart is needed.
  await until(async () => (await book()).status === 201, 60_000);
}, 120_000);

test('3-D Secure: the booking waits for the bank, and goes on when the rider has approved', async () => {
  const booked = await book(await payWith('pm_card_authenticationRequired'));
  expect(booked).toMatchObject({ status: 201, body: { state: 'reserved', payment: { state: 'action-required' } } });
  const page = await fetch(booked.body.payment.actionUrl ?? '');
  const action = /action="([^"]+)"/.exec(await page.text())?.[1] ?? '';
  await fetch(new URL(action, booked.body.payment.actionUrl), { method: 'POST', redirect: 'manual', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: 'decision=approve' });
  expect(await rider.post(`/v1/bookings/${booked.body.id}/confirm-payment`)).toMatchObject({ status: 200, body: { state: 'confirmed' } });
}, 60_000);

test('declined: 402, nothing is held, and another rider gets the vehicle', async () => {
  const vehicleId = await freeVehicle();
  const method = await payWith('pm_card_visa_chargeDeclined');
  expect(await rider.post('/v1/bookings', { vehicleId, paymentMethodId: method })).toMatchObject({ status: 402, body: { code: 'payment-declined' } });
  const other = await demoUser(program.url, `other-${v7()}@example.com`);
  await until(async () => (await other.post<Booking>('/v1/bookings', { vehicleId })).status === 201);
}, 60_000);

test('cancelled before the ride: what was held is released', async () => {
  const booked = await book();
  await rider.post(`/v1/bookings/${booked.body.id}/cancel`);
  await until(async () => (await rider.get<Booking>(`/v1/bookings/${booked.body.id}`)).body.payment.state === 'voided');
}, 60_000);
