/** Stripe through its SDK, by payment intents. */
import { createHash } from 'node:crypto';
import { Agent as HttpAgent } from 'node:http';
import { Agent as HttpsAgent } from 'node:https';
import Stripe from 'stripe';
import type { StoredMethod } from './contract.ts';
import {
  type ChargeRequest, type LookupOutcome, type LookupRequest, MethodRefused, type ModificationRequest, type PaymentProvider, ProviderDown,
  type ProviderOutcome, turnedAway, wasNeverSent,
} from './port.ts';

export interface StripeOptions {
  key: string;
  /** Of a sandbox; Stripe itself without it. */
  url?: string;
  timeoutMs: number;
}

/** Clocks differ, and a list of one rider's charges is short. */
const lookBackSeconds = 24 * 3600;

const keyOf = (attempt: string): string => createHash('sha256').update(`stripe:${attempt}`).digest('hex');

/** @throws ProviderDown for errors that say that nothing was done; all others as they are */
function rethrow(error: unknown): never {
  if (wasNeverSent(error)) throw new ProviderDown('Stripe cannot be reached', { cause: error });
  if (error instanceof Stripe.errors.StripeError && turnedAway(error.statusCode)) throw new ProviderDown(`Stripe turned the call away (${error.statusCode})`, { cause: error });
  throw error;
}

const outcomeOf = (intent: Stripe.PaymentIntent): ProviderOutcome | { result: 'undecided' } => {
  const common = { providerReference: intent.id, amountMinor: intent.amount };
  switch (intent.status) {
    case 'succeeded':
    case 'requires_capture':
      return { result: 'succeeded', ...common };
    case 'requires_action': {
      const actionUrl = intent.next_action?.redirect_to_url?.url;
      return actionUrl ? { result: 'action-required', ...common, actionUrl } : { result: 'declined', ...common, declineReason: 'challenge-not-supported' };
    }
    case 'requires_payment_method':
    case 'canceled': {
      const error = intent.last_payment_error;
      return { result: 'declined', ...common, declineReason: error?.decline_code ?? error?.code ?? intent.cancellation_reason ?? intent.status };
    }
    default:
      return { result: 'undecided' };
  }
};

export class StripeProvider implements PaymentProvider {
  readonly name = 'stripe';
  readonly #stripe: Stripe;
  readonly #agent: HttpAgent;

  constructor({ key, url, timeoutMs }: StripeOptions) {
    const address = url === undefined ? undefined : new URL(url);
    const secure = address?.protocol !== 'http:';
    this.#agent = secure ? new HttpsAgent({ keepAlive: true }) : new HttpAgent({ keepAlive: true });
    this.#stripe = new Stripe(key, {
      // The policy around this adapter decides on time and repetition; the margin only frees the socket.
      timeout: timeoutMs + 1000, maxNetworkRetries: 0, telemetry: false, httpAgent: this.#agent,
      ...(address && { host: address.hostname, port: Number(address.port || (secure ? 443 : 80)), protocol: secure ? 'https' : 'http' }),
    });
  }

  async attach({ riderId, token }: { riderId: string; token: string }): Promise<{ method: StoredMethod; brand: string; last4: string }> {
    try {
      const customer = await this.#stripe.customers.create({ metadata: { rider: riderId } }, { idempotencyKey: keyOf(`customer:${riderId}`) });
      const method = await this.#stripe.paymentMethods.attach(token, { customer: customer.id });
      return {
        method: { provider: 'stripe', customerReference: customer.id, methodReference: method.id },
        brand: method.card?.brand ?? method.type, last4: method.card?.last4 ?? '',
      };
    } catch (error) {
      if (error instanceof Stripe.errors.StripeCardError || error instanceof Stripe.errors.StripeInvalidRequestError) throw new MethodRefused(error.message, { cause: error });
      return rethrow(error);
    }
  }

  async detach({ methodReference }: StoredMethod): Promise<void> {
    try {
      await this.#stripe.paymentMethods.detach(methodReference);
    } catch (error) {
      // Unknown or detached already: what was wanted.
      if (!(error instanceof Stripe.errors.StripeInvalidRequestError)) rethrow(error);
    }
  }

  async authorise(request: ChargeRequest): Promise<ProviderOutcome> {
    try {
      const intent = await this.#stripe.paymentIntents.create(
        {
          amount: request.amountMinor, currency: request.currency.toLowerCase(), customer: request.method.customerReference, payment_method: request.method.methodReference,
          allowed_payment_method_types: ['card'], confirm: true, capture_method: request.capture ? 'automatic' : 'manual',
          metadata: { attempt: request.attempt, rider: request.riderId },
          ...(request.returnUrl === undefined ? { off_session: true } : { return_url: request.returnUrl }),
        },
        { idempotencyKey: keyOf(request.attempt) },
      );
      const outcome = outcomeOf(intent);
      if (outcome.result === 'undecided') throw new Error(`Stripe has not decided on ${intent.id} yet`);
      return outcome;
    } catch (error) {
      return this.#declined(error, request.amountMinor);
    }
  }

  /** A refusal of the bank or of the request as an outcome. @throws everything else */
  #declined(error: unknown, amountMinor: number): ProviderOutcome {
    if (error instanceof Stripe.errors.StripeCardError) {
      return { result: 'declined', providerReference: error.payment_intent?.id ?? null, amountMinor, declineReason: error.decline_code ?? error.code ?? 'declined' };
    }
    if (error instanceof Stripe.errors.StripeInvalidRequestError && error.statusCode !== 409) {
      return { result: 'declined', providerReference: null, amountMinor, declineReason: error.code ?? 'invalid-request' };
    }
    return rethrow(error);
  }

  /**
   * Looks among the rider's charges. When there is none, takes the idempotency key of the attempt for
   * an empty payment intent: a request that is still on its way is refused from then on, so that
   * `never-happened` stays true. Stripe refuses a key with other parameters, and so it tells us if
   * the charge came in just before.
   */
  async lookup(request: LookupRequest): Promise<LookupOutcome> {
    try {
      if (request.providerReference !== null) return outcomeOf(await this.#stripe.paymentIntents.retrieve(request.providerReference));
      const found = await this.#find(request, Math.floor(request.requestedAt.getTime() / 1000) - lookBackSeconds);
      if (found) return outcomeOf(found);
      const fence = await this.#stripe.paymentIntents.create(
        { amount: request.amountMinor, currency: request.currency.toLowerCase(), allowed_payment_method_types: ['card'], metadata: { fence: request.attempt } },
        { idempotencyKey: keyOf(request.attempt) },
      );
      if (fence.status !== 'canceled') await this.#stripe.paymentIntents.cancel(fence.id, {}, { idempotencyKey: keyOf(`${request.attempt}:fence`) });
      return { result: 'never-happened' };
    } catch (error) {
      if (!(error instanceof Stripe.errors.StripeIdempotencyError)) return rethrow(error);
      // It arrived just now, or its time is not ours: look through all.
      const arrived = await this.#find(request, 0);
      return arrived ? outcomeOf(arrived) : { result: 'undecided' };
    }
  }

  async #find(request: LookupRequest, sinceSeconds: number): Promise<Stripe.PaymentIntent | undefined> {
    for await (const intent of this.#stripe.paymentIntents.list({ customer: request.method.customerReference, created: { gte: sinceSeconds }, limit: 100 })) {
      if (intent.metadata['attempt'] === request.attempt) return intent;
    }
    return undefined;
  }

  async capture({ attempt, providerReference, amountMinor }: ModificationRequest): Promise<ProviderOutcome> {
    return this.#change(providerReference, amountMinor, (intent) => intent.status === 'succeeded' && intent.amount_received === amountMinor, () =>
      this.#stripe.paymentIntents.capture(providerReference, { amount_to_capture: amountMinor }, { idempotencyKey: keyOf(attempt) }),
    );
  }

  async void({ attempt, providerReference }: Pick<ModificationRequest, 'attempt' | 'providerReference'>): Promise<ProviderOutcome> {
    return this.#change(providerReference, 0, (intent) => intent.status === 'canceled', () =>
      this.#stripe.paymentIntents.cancel(providerReference, {}, { idempotencyKey: keyOf(attempt) }),
    );
  }

  /** Makes a change of an intent; one that is refused because it is made already has succeeded. */
  async #change(providerReference: string, amountMinor: number, isDone: (intent: Stripe.PaymentIntent) => boolean, make: () => Promise<unknown>): Promise<ProviderOutcome> {
    const succeeded: ProviderOutcome = { result: 'succeeded', providerReference, amountMinor };
    try {
      await make();
      return succeeded;
    } catch (error) {
      if (error instanceof Stripe.errors.StripeInvalidRequestError && error.code === 'payment_intent_unexpected_state') {
        if (isDone(await this.#stripe.paymentIntents.retrieve(providerReference).catch(rethrow))) return succeeded;
      }
      return { ...this.#declined(error, amountMinor), providerReference };
    }
  }

  async refund({ attempt, providerReference, amountMinor }: ModificationRequest): Promise<ProviderOutcome> {
    try {
      // Keys are forgotten after a day; the list of refunds is not.
      const made = await this.#stripe.refunds.list({ payment_intent: providerReference, limit: 100 });
      if (!made.data.some(({ metadata }) => metadata?.['attempt'] === attempt)) {
        await this.#stripe.refunds.create({ payment_intent: providerReference, amount: amountMinor, metadata: { attempt } }, { idempotencyKey: keyOf(attempt) });
      }
      return { result: 'succeeded', providerReference, amountMinor };
    } catch (error) {
      return { ...this.#declined(error, amountMinor), providerReference };
    }
  }

  async close(): Promise<void> {
    this.#agent.destroy();
  }
}
