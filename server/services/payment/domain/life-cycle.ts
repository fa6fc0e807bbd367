/** The states of a payment, as data; what each answer of a provider means; and which step comes next. */

export type PaymentState = 'pending' | 'action-required' | 'authorised' | 'declined' | 'capture-pending' | 'captured' | 'capture-failed' | 'voided';

export type PaymentEvent = 'hold-made' | 'hold-refused' | 'challenged' | 'capture-asked' | 'nothing-to-capture' | 'paid' | 'payment-refused' | 'released';

export const paymentTransitions: readonly { from: PaymentState; event: PaymentEvent; to: PaymentState }[] = [
  { from: 'pending', event: 'hold-made', to: 'authorised' },
  { from: 'pending', event: 'hold-refused', to: 'declined' },
  { from: 'pending', event: 'challenged', to: 'action-required' },
  { from: 'action-required', event: 'hold-made', to: 'authorised' },
  { from: 'action-required', event: 'hold-refused', to: 'declined' },
  { from: 'action-required', event: 'released', to: 'voided' },
  { from: 'authorised', event: 'capture-asked', to: 'capture-pending' },
  { from: 'authorised', event: 'released', to: 'voided' },
  { from: 'capture-pending', event: 'paid', to: 'captured' },
  { from: 'capture-pending', event: 'payment-refused', to: 'capture-failed' },
  { from: 'capture-pending', event: 'nothing-to-capture', to: 'voided' },
  { from: 'capture-failed', event: 'paid', to: 'captured' },
];

/** @throws Error for an event that the state does not know: a fault of ours */
export function nextState(from: PaymentState, event: PaymentEvent): PaymentState {
  const transition = paymentTransitions.find((candidate) => candidate.from === from && candidate.event === event);
  if (!transition) throw new Error(`a payment that is ${from} does not know ${event}`);
  return transition.to;
}

export type AttemptKind = 'authorise' | 'capture' | 'extra' | 'void' | 'debt' | 'refund';
export type AttemptState = 'open' | 'succeeded' | 'declined' | 'unavailable' | 'abandoned';

export interface PaymentFacts {
  state: PaymentState;
  requestedMinor: number;
  authorisedMinor: number;
  capturedMinor: number;
  voidRequested: boolean;
  /** The final price; null before the ride has ended. */
  totalMinor: number | null;
}

export interface AttemptFacts {
  kind: AttemptKind;
  state: AttemptState;
}

/** What to ask a provider for next; undefined when there is nothing to do. */
export type Step = { kind: Exclude<AttemptKind, 'authorise' | 'debt' | 'refund'>; amountMinor: number };

/** The next step of a payment without an open one. */
export function nextStep(payment: PaymentFacts, attempts: readonly AttemptFacts[]): Step | undefined {
  if (payment.voidRequested && (payment.state === 'authorised' || payment.state === 'action-required')) return { kind: 'void', amountMinor: 0 };
  if (payment.state !== 'capture-pending' || payment.totalMinor === null) return undefined;
  if (payment.totalMinor === 0) return { kind: 'void', amountMinor: 0 };
  const captured = attempts.some(({ kind, state }) => kind === 'capture' && state === 'succeeded');
  if (!captured) return { kind: 'capture', amountMinor: Math.min(payment.totalMinor, payment.authorisedMinor) };
  const leftMinor = payment.totalMinor - payment.capturedMinor;
  return leftMinor > 0 ? { kind: 'extra', amountMinor: leftMinor } : undefined;
}

const shortestPauseMs = 1_000;
const longestPauseMs = 10 * 60_000;
/** With the pauses above, about three hours of asking. */
export const maximumCaptureChecks = 28;

/** How long to wait before the provider is asked again: 1 s, 2 s, 4 s, … 10 min. */
export const pauseBeforeCheckMs = (checks: number): number => Math.min(longestPauseMs, shortestPauseMs * 2 ** Math.min(checks, 20));
