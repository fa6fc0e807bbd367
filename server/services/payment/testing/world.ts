/** For tests: the Payment service and its orchestrator against sandboxes of both providers. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import type { Sandbox } from '../../../../simulator/providers/server.ts';
import { startAdyenSandbox } from '../../../../simulator/providers/adyen.ts';
import { startStripeSandbox } from '../../../../simulator/providers/stripe.ts';
import type { CloudEvent } from '../../../infra/events/port.ts';
import { paymentsOrchestratorContract } from '../../../orchestrators/payments/contract.ts';
import { paymentsOrchestratorModule } from '../../../orchestrators/payments/module.ts';
import { eventually, startModules, type TestProcess } from '../../../program/testing.ts';
import type { Caller, Client } from '../../../wire/contract.ts';
import { Problem, type ProblemCode } from '../../../wire/problem.ts';
import { type Payment, paymentContract } from '../contract.ts';
import { paymentModule } from '../module.ts';

export interface SandboxPayment {
  id: string;
  attempt?: string;
  status: string;
  amountMinor: number;
  heldMinor: number;
  capturedMinor: number;
  refundedMinor: number;
}

export const riderCaller = (riderId: string): Caller => ({ subject: riderId, roles: ['rider'], scopes: ['payments'], clientId: 'test' });
export const staffCaller: Caller = { subject: randomUUID(), roles: ['staff'], scopes: ['payments:manage'], clientId: 'test' };

/** A price of one line (two with a fine), tax included at 19 %. */
export const priceOf = (totalMinor: number, { fineMinor = 0, locale = 'de' as 'en' | 'de' } = {}) => ({
  lines: [
    { kind: 'riding' as const, description: '20 min × 0,25 €', amountMinor: totalMinor - fineMinor },
    ...(fineMinor > 0 ? [{ kind: 'fine-parking' as const, description: 'Zeil 12', amountMinor: fineMinor }] : []),
  ],
  totalMinor, taxMinor: Math.round((totalMinor * 19) / 119), taxPercent: 19,
  ride: {
    vehicleId: 'scooter-1', vehicleType: 'scooter' as const, model: 'Max <Plus>', cityId: 'frankfurt', timeZone: 'Europe/Berlin',
    startedAt: '2026-11-22T10:00:00Z', endedAt: '2026-11-22T10:20:00Z', distanceMetres: 4321, locale,
  },
});

export class PaymentWorld {
  readonly process: TestProcess;
  readonly payments: Client<typeof paymentContract.operations>;
  readonly orchestrator: Client<typeof paymentsOrchestratorContract.operations>;
  readonly #sandboxes: { stripe: Sandbox; adyen: Sandbox };
  readonly #folder: string;

  constructor(process: TestProcess, sandboxes: { stripe: Sandbox; adyen: Sandbox }, folder: string) {
    this.process = process;
    this.payments = process.client(paymentContract);
    this.orchestrator = process.client(paymentsOrchestratorContract);
    this.#sandboxes = sandboxes;
    this.#folder = folder;
  }

  async behave(provider: 'stripe' | 'adyen', behaviour: object): Promise<void> {
    const response = await fetch(`${this.#sandboxes[provider].url}/sandbox/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });
    if (!response.ok) throw new Error(await response.text());
  }

  async atProvider(provider: 'stripe' | 'adyen', bookingId: string): Promise<SandboxPayment[]> {
    const { payments } = (await (await fetch(`${this.#sandboxes[provider].url}/sandbox/payments`)).json()) as { payments: SandboxPayment[] };
    return payments.filter(({ attempt }) => attempt?.includes(bookingId));
  }

  /** A rider with a card. */
  async rider(token = 'pm_card_visa'): Promise<string> {
    const riderId = v7();
    await this.addMethod(riderId, token);
    return riderId;
  }

  addMethod(riderId: string, token: string, idempotencyKey: string = randomUUID()) {
    return this.payments.addPaymentMethod({ body: { provider: token.startsWith('tok_adyen') ? 'adyen' : 'stripe', token } }, { caller: riderCaller(riderId), idempotencyKey });
  }

  authorise(bookingId: string, riderId: string, more: { amountMinor?: number; returnUrl?: string; paymentMethodId?: string } = {}): Promise<Payment> {
    return this.payments.authorise({ params: { bookingId }, body: { riderId, amountMinor: 1500, currency: 'EUR', ...more } });
  }

  capture(bookingId: string, totalMinor: number, options?: Parameters<typeof priceOf>[1]): Promise<Payment> {
    return this.payments.capture({ params: { bookingId }, body: priceOf(totalMinor, options) });
  }

  get(bookingId: string): Promise<Payment> {
    return this.payments.getPayment({ params: { bookingId } });
  }

  untilState(bookingId: string, state: Payment['state'], timeoutMs?: number): Promise<Payment> {
    return eventually(async () => {
      const payment = await this.get(bookingId);
      return payment.state === state ? payment : undefined;
    }, timeoutMs);
  }

  /** A booking that is held, with its rider. */
  async held(token?: string, amountMinor = 1500): Promise<{ bookingId: string; riderId: string }> {
    const riderId = await this.rider(token);
    const bookingId = v7();
    const payment = await this.authorise(bookingId, riderId, { amountMinor });
    if (payment.state !== 'authorised') throw new Error(`the payment is ${payment.state}`);
    return { bookingId, riderId };
  }

  /** Events of the service that concern a booking, in order. */
  async events(bookingId: string): Promise<CloudEvent[]> {
    const { events } = this.process.ports;
    const found: CloudEvent[] = [];
    for (let partition = 0; partition < events.partitions('payments'); partition++) {
      for (const { event } of await events.read('payments', partition, 0, 100_000)) if (event.subject === bookingId) found.push(event);
    }
    return found;
  }

  untilEvent(bookingId: string, type: string): Promise<CloudEvent> {
    return eventually(async () => (await this.events(bookingId)).find((event) => event.type === type));
  }

  async dispose(): Promise<void> {
    await this.process.dispose();
    await Promise.all([this.#sandboxes.stripe.close(), this.#sandboxes.adyen.close()]);
    await rm(this.#folder, { recursive: true });
  }
}

/** @param timeoutMs how long a provider may take: long enough for a busy machine, short enough to wait for */
export async function paymentWorld({ timeoutMs = 1500 } = {}): Promise<PaymentWorld> {
  const folder = await mkdtemp(join(tmpdir(), 'payment-world-'));
  const stripe = await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
  const adyen = await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
  const process = await startModules([paymentsOrchestratorModule, paymentModule], {
    environment: { MOBILITY_STRIPE_URL: stripe.url, MOBILITY_ADYEN_URL: adyen.url, MOBILITY_PAYMENT_TIMEOUT_MS: String(timeoutMs) },
  });
  return new PaymentWorld(process, { stripe, adyen }, folder);
}

/** The code of the problem that a call is refused with. */
export async function refusal(call: Promise<unknown>): Promise<ProblemCode> {
  try {
    await call;
  } catch (error) {
    if (error instanceof Problem) return error.code;
    throw error;
  }
  throw new Error('the call was not refused');
}
