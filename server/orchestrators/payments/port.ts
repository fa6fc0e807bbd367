/**
 * A payment provider, as far as the platform needs one.
 *
 * Promises of every adapter:
 * - each call carries an idempotency key that follows from `attempt` alone, so that the same attempt
 *   has one effect at the provider, however often it is sent;
 * - `ProviderDown` is thrown only when the provider certainly did nothing;
 * - a refusal by the bank is a result, not an error;
 * - every other error means: nobody knows; ask `lookup` (charges) or send the same attempt again (all others).
 */
import type { Provider, StoredMethod } from './contract.ts';

export interface ChargeRequest {
  attempt: string;
  riderId: string;
  amountMinor: number;
  currency: string;
  method: StoredMethod;
  /** Take the money at once, instead of holding it. */
  capture: boolean;
  /** Where a challenge sends the rider back to. Without it the rider is not there and cannot be challenged. */
  returnUrl?: string;
}

export interface ModificationRequest {
  attempt: string;
  providerReference: string;
  amountMinor: number;
  currency: string;
}

export interface ProviderOutcome {
  result: 'succeeded' | 'declined' | 'action-required';
  providerReference: string | null;
  amountMinor: number;
  declineReason?: string;
  actionUrl?: string;
}

/** How a charge ended: `never-happened` is final (it cannot happen any more), `undecided` says ask again. */
export type LookupOutcome = ProviderOutcome | { result: 'never-happened' } | { result: 'undecided' };

export interface LookupRequest extends ChargeRequest {
  requestedAt: Date;
  /** Known when the provider has answered once, as with a challenge. */
  providerReference: string | null;
}

export interface PaymentProvider {
  readonly name: Provider;
  /** @throws MethodRefused */
  attach(request: { riderId: string; token: string }): Promise<{ method: StoredMethod; brand: string; last4: string }>;
  /** Forgets a card; fine when it is unknown. */
  detach(method: StoredMethod): Promise<void>;
  authorise(request: ChargeRequest): Promise<ProviderOutcome>;
  lookup(request: LookupRequest): Promise<LookupOutcome>;
  capture(request: ModificationRequest): Promise<ProviderOutcome>;
  void(request: Pick<ModificationRequest, 'attempt' | 'providerReference'>): Promise<ProviderOutcome>;
  refund(request: ModificationRequest): Promise<ProviderOutcome>;
  close(): Promise<void>;
}

/** The provider certainly did nothing: the call never reached it, or it was turned away at the door. */
export class ProviderDown extends Error {
  override name = 'ProviderDown';
}

/** The provider does not take this card. */
export class MethodRefused extends Error {
  override name = 'MethodRefused';
}

/** Codes of connections that never carried a request. */
const unsent = new Set(['ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT']);

/** Whether an error, or what caused it, says that nothing was sent. */
export function wasNeverSent(error: unknown): boolean {
  for (let current: unknown = error, depth = 0; current instanceof Error && depth < 5; depth++) {
    if (unsent.has((current as NodeJS.ErrnoException).code ?? '')) return true;
    current = current.cause ?? (current as { detail?: unknown }).detail;
  }
  return false;
}

/**
 * Statuses with which a provider turns a call away before it begins: wrong key, too many calls,
 * not in service. Any other 5xx may come after the charge, and is uncertain.
 */
export const turnedAway = (status: number | undefined): boolean => status === 401 || status === 403 || status === 429 || status === 503;
