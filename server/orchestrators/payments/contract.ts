/** What the payment orchestrator promises: one contract over Stripe (primary) and Adyen (fallback). */
import { z } from 'zod';
import { defineContract } from '../../wire/contract.ts';
import { Currency, Id, Minor } from '../../wire/schemas.ts';

const internal = { roles: ['machine'], scope: 'internal' } as const;

export const Provider = z.enum(['stripe', 'adyen']);
export type Provider = z.infer<typeof Provider>;

/** A payment method as a provider stored it. One rider's card can be known to both, so that either can charge it. */
export const StoredMethod = z.object({ provider: Provider, customerReference: z.string(), methodReference: z.string() });
export type StoredMethod = z.infer<typeof StoredMethod>;

/**
 * `unknown`: a provider was asked and has not answered for certain. Nobody may repeat the attempt
 * elsewhere before `lookup` has said how it ended.
 */
export const Outcome = z.object({
  result: z.enum(['succeeded', 'declined', 'action-required', 'unknown', 'unavailable']),
  provider: Provider.nullable(),
  /** The provider's id of the charge (Stripe `pi_…`, Adyen pspReference). */
  providerReference: z.string().nullable(),
  amountMinor: Minor,
  declineReason: z.string().optional(),
  actionUrl: z.string().optional(),
});
export type Outcome = z.infer<typeof Outcome>;

/** Our own reference of one attempt; the provider's idempotency key is derived from it. */
const Attempt = z.string().regex(/^[A-Za-z0-9:_-]{8,100}$/);
const charge = z.object({ attempt: Attempt, provider: Provider, providerReference: z.string(), amountMinor: Minor.min(0), currency: Currency });

export const paymentsOrchestratorContract = defineContract({
  module: 'payments-orchestrator',
  operations: {
    attachMethod: {
      method: 'POST', path: '/internal/payments-orchestrator/methods', summary: 'Store a tokenised card at the provider for later rides', access: internal, public: false,
      body: z.object({ riderId: Id, provider: Provider, token: z.string() }), status: 200,
      response: z.object({ methods: z.array(StoredMethod).min(1), brand: z.string(), last4: z.string() }), errors: ['payment-method-invalid', 'payment-provider-down'],
    },
    detachMethod: {
      method: 'POST', path: '/internal/payments-orchestrator/methods/detach', summary: 'Forget a stored card at its providers', access: internal, public: false,
      body: z.object({ methods: z.array(StoredMethod) }), status: 204, errors: ['payment-provider-down'],
    },
    authorise: {
      method: 'POST', path: '/internal/payments-orchestrator/authorise', summary: 'Hold (or with `capture` charge at once) an amount; falls over to the other provider only when the first certainly did nothing', access: internal, public: false,
      body: z.object({ attempt: Attempt, riderId: Id, amountMinor: Minor.min(1), currency: Currency, methods: z.array(StoredMethod).min(1), capture: z.boolean().default(false), returnUrl: z.string().optional() }),
      status: 200, response: Outcome, errors: [],
    },
    lookup: {
      method: 'POST', path: '/internal/payments-orchestrator/lookup', summary: 'How an attempt ended, by asking the providers that were tried', access: internal, public: false,
      body: z.object({ attempt: Attempt }), status: 200, response: Outcome, errors: ['not-found'],
    },
    capture: {
      method: 'POST', path: '/internal/payments-orchestrator/capture', summary: 'Take (part of) a held amount', access: internal, public: false,
      body: charge, status: 200, response: Outcome, errors: [],
    },
    void: {
      method: 'POST', path: '/internal/payments-orchestrator/void', summary: 'Release a held amount', access: internal, public: false,
      body: charge.omit({ amountMinor: true, currency: true }), status: 200, response: Outcome, errors: [],
    },
    refund: {
      method: 'POST', path: '/internal/payments-orchestrator/refund', summary: 'Give (part of) a captured amount back', access: internal, public: false,
      body: charge, status: 200, response: Outcome, errors: [],
    },
    getProviderHealth: {
      method: 'GET', path: '/internal/payments-orchestrator/health', summary: 'The breaker of each provider', access: internal, public: false,
      status: 200, response: z.object({ providers: z.array(z.object({ provider: Provider, breaker: z.enum(['closed', 'open', 'half-open']) })) }), errors: [],
    },
  },
  events: {},
});
