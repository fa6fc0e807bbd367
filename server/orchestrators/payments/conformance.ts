/** What every payment provider's adapter must do. Runs against a sandbox that speaks the provider's wire format. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import type { StoredMethod } from './contract.ts';
import { type ChargeRequest, type LookupRequest, MethodRefused, type PaymentProvider, ProviderDown } from './port.ts';

export interface ConformanceTarget {
  provider: PaymentProvider;
  /** Of the sandbox. */
  url: string;
  /** Stops what was started for the suite. */
  close(): Promise<void>;
  tokens: Record<'success' | 'declined' | 'insufficientFunds' | 'challenge' | 'timeoutAfter' | 'timeoutBefore' | 'resetAfter' | 'captureFails' | 'refused', string>;
}

interface Deviations {
  /** A charge that was lost on its way: proven never to happen, or made once by asking. */
  lostCharge: 'never-happened' | 'made-once';
}

interface SandboxPayment {
  attempt?: string;
  status: string;
  heldMinor: number;
  capturedMinor: number;
  refundedMinor: number;
}

/** Calls that never get an answer are given up after this. */
const patienceMs = 300;
const givenUp = Symbol('given up');
const impatiently = <T>(work: Promise<T>): Promise<T | typeof givenUp> =>
  Promise.race([work, new Promise<typeof givenUp>((resume) => setTimeout(() => resume(givenUp), patienceMs))]);

export function describePaymentProvider(name: string, open: () => Promise<ConformanceTarget>, deviations: Deviations): void {
  describe(`payment provider ${name}`, () => {
    let target: ConformanceTarget;
    const riderId = randomUUID();
    beforeAll(async () => {
      target = await open();
    });
    afterAll(() => target.close());

    const behave = (behaviour: object) => fetch(`${target.url}/sandbox/behaviour`, { method: 'POST', body: JSON.stringify(behaviour) });
    beforeEach(async () => {
      await behave({});
    });
    const paymentsOf = async (attempt: string): Promise<SandboxPayment[]> => {
      const { payments } = (await (await fetch(`${target.url}/sandbox/payments`)).json()) as { payments: SandboxPayment[] };
      return payments.filter((payment) => payment.attempt === attempt);
    };
    const attach = async (token: string): Promise<StoredMethod> => (await target.provider.attach({ riderId, token })).method;
    const charge = async (token: string, more: Partial<ChargeRequest> = {}): Promise<ChargeRequest> => ({
      attempt: `test:${randomUUID()}`, riderId, amountMinor: 1250, currency: 'EUR', method: await attach(token), capture: false, ...more,
    });
    const asLookup = (request: ChargeRequest, providerReference: string | null = null): LookupRequest => ({ ...request, requestedAt: new Date(), providerReference });
    const held = async (token: string): Promise<{ request: ChargeRequest; reference: string }> => {
      const request = await charge(token);
      const { providerReference } = await target.provider.authorise(request);
      if (providerReference === null) throw new Error('a held amount needs a reference');
      return { request, reference: providerReference };
    };
    const change = (providerReference: string, amountMinor = 1250) => ({ attempt: `test:${randomUUID()}`, providerReference, amountMinor, currency: 'EUR' });

    it('keeps a card and tells brand and last digits', async () => {
      const attached = await target.provider.attach({ riderId, token: target.tokens.success });
      expect(attached).toMatchObject({ method: { provider: target.provider.name }, brand: expect.stringMatching(/^\w+$/), last4: expect.stringMatching(/^\d{4}$/) });
    });

    it.each(['refused', 'unknown'] as const)('refuses a card that is %s', async (kind) => {
      await expect(attach(kind === 'unknown' ? 'no_such_token' : target.tokens.refused)).rejects.toBeInstanceOf(MethodRefused);
    });

    it('forgets a card, twice without complaint, and cannot charge it then', async () => {
      const request = await charge(target.tokens.success);
      await target.provider.detach(request.method);
      await target.provider.detach(request.method);
      expect(await target.provider.authorise(request)).toMatchObject({ result: 'declined' });
    });

    it('holds an amount, once for one attempt', async () => {
      const request = await charge(target.tokens.success);
      const first = await target.provider.authorise(request);
      const second = await target.provider.authorise(request);
      expect(first).toMatchObject({ result: 'succeeded', amountMinor: 1250 });
      expect(second).toEqual(first);
      expect(await paymentsOf(request.attempt)).toMatchObject([{ heldMinor: 1250, capturedMinor: 0 }]);
    });

    it('charges at once when asked to', async () => {
      const request = await charge(target.tokens.success, { capture: true });
      expect(await target.provider.authorise(request)).toMatchObject({ result: 'succeeded' });
      expect(await paymentsOf(request.attempt)).toMatchObject([{ heldMinor: 0, capturedMinor: 1250 }]);
    });

    it.each(['declined', 'insufficientFunds'] as const)('tells that a bank has refused: %s', async (token) => {
      expect(await target.provider.authorise(await charge(target.tokens[token]))).toMatchObject({ result: 'declined', declineReason: expect.stringMatching(/./) });
    });

    it('captures a part, once for one attempt, and releases the rest', async () => {
      const { request, reference } = await held(target.tokens.success);
      const capture = change(reference, 800);
      expect(await target.provider.capture(capture)).toMatchObject({ result: 'succeeded', amountMinor: 800, providerReference: reference });
      expect(await target.provider.capture(capture)).toMatchObject({ result: 'succeeded' });
      expect(await paymentsOf(request.attempt)).toMatchObject([{ heldMinor: 0, capturedMinor: 800 }]);
    });

    it('tells that a capture has failed', async () => {
      const { request, reference } = await held(target.tokens.captureFails);
      expect(await target.provider.capture(change(reference))).toMatchObject({ result: 'declined' });
      expect(await paymentsOf(request.attempt)).toMatchObject([{ capturedMinor: 0 }]);
    });

    it('releases a held amount, once', async () => {
      const { request, reference } = await held(target.tokens.success);
      const release = change(reference);
      expect(await target.provider.void(release)).toMatchObject({ result: 'succeeded' });
      expect(await target.provider.void(release)).toMatchObject({ result: 'succeeded' });
      expect(await target.provider.capture(change(reference))).toMatchObject({ result: 'declined' });
      expect(await paymentsOf(request.attempt)).toMatchObject([{ heldMinor: 0, capturedMinor: 0 }]);
    });

    it('refunds in parts, each once, and never more than was captured', async () => {
      const { request, reference } = await held(target.tokens.success);
      await target.provider.capture(change(reference));
      const part = change(reference, 1000);
      expect(await target.provider.refund(part)).toMatchObject({ result: 'succeeded', amountMinor: 1000 });
      expect(await target.provider.refund(part)).toMatchObject({ result: 'succeeded' });
      expect(await target.provider.refund(change(reference, 251))).toMatchObject({ result: 'declined' });
      expect(await paymentsOf(request.attempt)).toMatchObject([{ refundedMinor: 1000 }]);
    });

    it.each(['approve', 'reject'] as const)('sends the rider to the bank and learns of the decision: %s', async (decision) => {
      const request = await charge(target.tokens.challenge, { returnUrl: 'https://rider.example/back' });
      const { result, actionUrl, providerReference } = await target.provider.authorise(request);
      expect(result).toBe('action-required');
      const page = await fetch(actionUrl ?? '');
      expect(await page.text()).toContain('Approve');
      const decided = await fetch(actionUrl ?? '', { method: 'POST', body: new URLSearchParams({ decision }), redirect: 'manual' });
      expect(decided.headers.get('location')).toMatch(/^https:\/\/rider\.example\/back\?/);
      expect(await target.provider.lookup(asLookup(request, providerReference))).toMatchObject({ result: decision === 'approve' ? 'succeeded' : 'declined' });
    });

    it('declines a challenge when no rider is there', async () => {
      expect(await target.provider.authorise(await charge(target.tokens.challenge))).toMatchObject({ result: 'declined' });
    });

    it('finds a charge whose answer never came, and does not make it again', async () => {
      const request = await charge(target.tokens.timeoutAfter);
      expect(await impatiently(target.provider.authorise(request))).toBe(givenUp);
      expect(await target.provider.lookup(asLookup(request))).toMatchObject({ result: 'succeeded', amountMinor: 1250 });
      expect(await paymentsOf(request.attempt)).toHaveLength(1);
    });

    it('finds a charge also when its own clock is days away from the provider\'s', async () => {
      const request = await charge(target.tokens.timeoutAfter);
      expect(await impatiently(target.provider.authorise(request))).toBe(givenUp);
      expect(await target.provider.lookup({ ...asLookup(request), requestedAt: new Date(Date.now() + 3 * 24 * 3600 * 1000) })).toMatchObject({ result: 'succeeded' });
    });

    it('finds a charge after which the connection broke', async () => {
      const request = await charge(target.tokens.resetAfter);
      const answer = await target.provider.authorise(request).catch((error: unknown) => {
        expect(error).not.toBeInstanceOf(ProviderDown);
        return undefined;
      });
      // The SDK may have sent it again under the same key, and have got the answer.
      if (answer) expect(answer).toMatchObject({ result: 'succeeded' });
      expect(await target.provider.lookup(asLookup(request))).toMatchObject({ result: 'succeeded' });
      expect(await paymentsOf(request.attempt)).toHaveLength(1);
    });

    it(`clears up a charge that was lost on its way: ${deviations.lostCharge}`, async () => {
      const request = await charge(target.tokens.timeoutBefore);
      expect(await impatiently(target.provider.authorise(request))).toBe(givenUp);
      const { result } = await target.provider.lookup(asLookup(request));
      const payments = await paymentsOf(request.attempt);
      if (deviations.lostCharge === 'made-once') {
        expect(result).toBe('succeeded');
        expect(payments).toHaveLength(1);
        return;
      }
      expect(result).toBe('never-happened');
      // The request that was lost comes in after all: it is too late.
      await expect(target.provider.authorise(request)).rejects.not.toBeInstanceOf(ProviderDown);
      expect(await paymentsOf(request.attempt)).toEqual([]);
    });

    it('tells an outage, in which nothing was done', async () => {
      const request = await charge(target.tokens.success);
      await behave({ fault: 'outage' });
      await expect(target.provider.authorise(request)).rejects.toBeInstanceOf(ProviderDown);
      await behave({});
      expect(await paymentsOf(request.attempt)).toEqual([]);
      expect(await target.provider.authorise(request)).toMatchObject({ result: 'succeeded' });
    });

    it.each(['capture', 'void', 'refund'] as const)('makes a %s once, also when the first answer never came', async (kind) => {
      const { request, reference } = await held(target.tokens.success);
      if (kind === 'refund') await target.provider.capture(change(reference));
      const changed = change(reference, 500);
      await behave({ fault: 'timeout-after', times: 1 });
      expect(await impatiently(target.provider[kind](changed))).toBe(givenUp);
      expect(await target.provider[kind](changed)).toMatchObject({ result: 'succeeded' });
      const expected = { capture: { capturedMinor: 500 }, void: { heldMinor: 0, capturedMinor: 0 }, refund: { refundedMinor: 500 } }[kind];
      expect(await paymentsOf(request.attempt)).toMatchObject([expected]);
    });
  });
}
