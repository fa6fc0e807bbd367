/** Stripe's objects and errors, in the shape of its API version 2026-10-28, with the members that matter for cards. */
import { randomBytes } from 'node:crypto';
import type { CardBehaviour, TestCard } from './cards.ts';
import type { Answer } from './server.ts';

export interface Customer {
  id: string;
  object: 'customer';
  created: number;
  livemode: false;
  metadata: Record<string, string>;
}

export interface PaymentMethod {
  id: string;
  object: 'payment_method';
  type: 'card';
  card: { brand: string; last4: string; exp_month: number; exp_year: number; country: string; funding: string; fingerprint: string };
  created: number;
  customer: string | null;
  livemode: false;
  metadata: Record<string, string>;
}

/** Kept beside the method; never sent. */
export interface KeptMethod {
  method: PaymentMethod;
  behaviour: CardBehaviour;
}

export type IntentStatus = 'requires_payment_method' | 'requires_confirmation' | 'requires_action' | 'requires_capture' | 'succeeded' | 'canceled';

export interface PaymentIntent {
  id: string;
  object: 'payment_intent';
  amount: number;
  amount_capturable: number;
  amount_received: number;
  canceled_at: number | null;
  cancellation_reason: string | null;
  capture_method: 'automatic' | 'manual';
  client_secret: string;
  confirmation_method: 'automatic';
  created: number;
  currency: string;
  customer: string | null;
  last_payment_error: Record<string, unknown> | null;
  latest_charge: string | null;
  livemode: false;
  metadata: Record<string, string>;
  next_action: { type: 'redirect_to_url'; redirect_to_url: { url: string; return_url: string } } | null;
  payment_method: string | null;
  payment_method_types: string[];
  status: IntentStatus;
}

export interface Refund {
  id: string;
  object: 'refund';
  amount: number;
  created: number;
  currency: string;
  metadata: Record<string, string>;
  payment_intent: string;
  reason: string | null;
  status: 'succeeded';
}

export const newId = (prefix: string): string => `${prefix}_${randomBytes(12).toString('hex')}`;

export function newMethod(card: TestCard, createdSeconds: number): PaymentMethod {
  return {
    id: newId('pm'), object: 'payment_method', type: 'card', created: createdSeconds, customer: null, livemode: false, metadata: {},
    card: { brand: card.brand, last4: card.last4, exp_month: 12, exp_year: new Date(createdSeconds * 1000).getUTCFullYear() + 3, country: 'DE', funding: 'credit', fingerprint: `sandbox${card.last4}` },
  };
}

interface ErrorDetails {
  code?: string;
  decline_code?: string;
  param?: string;
  payment_intent?: PaymentIntent;
}

const failure = (status: number, type: string, message: string, details: ErrorDetails = {}): Answer => ({ status, body: { error: { type, message, ...details } } });

export const invalid = (message: string, details: ErrorDetails = {}, status = 400): Answer => failure(status, 'invalid_request_error', message, details);
export const missing = (what: string, id: string): Answer => invalid(`No such ${what}: '${id}'`, { code: 'resource_missing', param: what }, 404);
export const cardError = (message: string, details: ErrorDetails): Answer => failure(402, 'card_error', message, details);
export const unauthorised: Answer = failure(401, 'invalid_request_error', 'You did not provide a valid API key. Sandbox keys begin with sk_test_.');
export const outage: Answer = failure(503, 'api_error', 'The sandbox plays an outage.');
export const keyReused: Answer = failure(400, 'idempotency_error', 'Keys for idempotent requests can only be used with the same parameters they were first used with.');

export const list = (url: string, data: unknown[], hasMore = false): Answer => ({ status: 200, body: { object: 'list', url, has_more: hasMore, data } });

/** What a bank says to a charge of this card; undefined: it agrees. */
export function declineOf(behaviour: CardBehaviour): { message: string; code: string; decline_code: string } | undefined {
  if (behaviour === 'declined') return { message: 'Your card was declined.', code: 'card_declined', decline_code: 'generic_decline' };
  if (behaviour === 'insufficient-funds') return { message: 'Your card has insufficient funds.', code: 'card_declined', decline_code: 'insufficient_funds' };
  return undefined;
}

export const authenticationRequired = { message: 'Your card was declined. This transaction requires authentication.', code: 'authentication_required', decline_code: 'authentication_required' };
