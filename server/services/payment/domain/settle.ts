/** What the answer of a provider changes: the payment, the attempt, the books, and who is told. Pure. */
import { type Entry, paymentReceived, type ProviderName } from './ledger.ts';
import { type AttemptKind, type AttemptState, maximumCaptureChecks, nextState, type PaymentFacts } from './life-cycle.ts';

export interface Answer {
  result: 'succeeded' | 'declined' | 'action-required' | 'unknown' | 'unavailable';
  provider: ProviderName | null;
  providerReference: string | null;
  actionUrl?: string;
}

export interface SettleablePayment extends PaymentFacts {
  currency: string;
  debtMinor: number;
  answeredPending: boolean;
  actionUrl: string | null;
  checks: number;
}

export interface OpenAttempt {
  attempt: string;
  kind: Exclude<AttemptKind, 'refund'>;
  amountMinor: number;
}

export interface PaymentChange {
  state: PaymentFacts['state'];
  authorisedMinor: number;
  capturedMinor: number;
  debtMinor: number;
  failureCode: 'payment-declined' | 'payment-provider-down' | null;
  /** Of the hold; undefined leaves what is there. */
  hold?: { provider: ProviderName | null; providerReference: string | null };
  actionUrl: string | null;
}

export interface Settlement {
  payment: PaymentChange;
  attempt: AttemptState;
  entries: Entry[];
  /** Whether something is left to ask for later: the same attempt, or a new one. */
  askAgain: boolean;
  tell: { resolved: boolean; captured: boolean; captureFailed: boolean };
}

const silent = { resolved: false, captured: false, captureFailed: false };

function unchanged(payment: SettleablePayment): PaymentChange {
  const { state, authorisedMinor, capturedMinor, debtMinor, actionUrl } = payment;
  return { state, authorisedMinor, capturedMinor, debtMinor, failureCode: null, actionUrl };
}

function settleHold(payment: SettleablePayment, attempt: OpenAttempt, answer: Answer): Settlement {
  const hold = { provider: answer.provider, providerReference: answer.providerReference };
  const wasChallenged = payment.state === 'action-required';
  const resolved = payment.answeredPending || wasChallenged;
  if (answer.result === 'succeeded') {
    return {
      payment: { ...unchanged(payment), state: nextState(payment.state, 'hold-made'), authorisedMinor: attempt.amountMinor, hold },
      attempt: 'succeeded', entries: [], askAgain: false, tell: { ...silent, resolved },
    };
  }
  if (answer.result === 'action-required') {
    const state = wasChallenged ? payment.state : nextState(payment.state, 'challenged');
    return { payment: { ...unchanged(payment), state, hold, actionUrl: answer.actionUrl ?? payment.actionUrl }, attempt: 'open', entries: [], askAgain: true, tell: { ...silent, resolved: !wasChallenged && payment.answeredPending } };
  }
  const failureCode = answer.result === 'declined' ? 'payment-declined' : 'payment-provider-down';
  return {
    payment: { ...unchanged(payment), state: nextState(payment.state, 'hold-refused'), failureCode, hold },
    attempt: answer.result === 'declined' ? 'declined' : 'unavailable', entries: [], askAgain: false, tell: { ...silent, resolved },
  };
}

/** Money came: books it, and sees whether the price is paid. */
function settleMoney(payment: SettleablePayment, attempt: OpenAttempt, answer: Answer): Settlement {
  if (!answer.provider) throw new Error(`attempt ${attempt.attempt} succeeded at no provider`);
  const capturedMinor = payment.capturedMinor + attempt.amountMinor;
  const totalMinor = payment.totalMinor ?? 0;
  if (capturedMinor > totalMinor) throw new Error(`attempt ${attempt.attempt} would take ${capturedMinor} of ${totalMinor}`);
  const paid = capturedMinor === totalMinor;
  return {
    payment: {
      ...unchanged(payment), capturedMinor, debtMinor: Math.max(0, payment.debtMinor - (attempt.kind === 'debt' ? attempt.amountMinor : 0)),
      state: paid ? nextState(payment.state, 'paid') : payment.state,
    },
    attempt: 'succeeded', entries: [paymentReceived(attempt.attempt, payment.currency, answer.provider, attempt.amountMinor)],
    askAgain: !paid, tell: { ...silent, captured: paid },
  };
}

/** The price cannot be taken now: a refusal ends it with a debt, an outage only after long trying. */
function settleNoMoney(payment: SettleablePayment, attempt: OpenAttempt, answer: Answer): Settlement {
  const state = answer.result === 'declined' ? 'declined' : 'unavailable';
  if (attempt.kind === 'debt') return { payment: unchanged(payment), attempt: state, entries: [], askAgain: false, tell: silent };
  if (answer.result === 'unavailable' && payment.checks < maximumCaptureChecks) {
    return { payment: unchanged(payment), attempt: state, entries: [], askAgain: true, tell: silent };
  }
  return {
    payment: {
      ...unchanged(payment), state: nextState(payment.state, 'payment-refused'), debtMinor: (payment.totalMinor ?? 0) - payment.capturedMinor,
      failureCode: answer.result === 'declined' ? 'payment-declined' : 'payment-provider-down',
    },
    attempt: state, entries: [], askAgain: false, tell: { ...silent, captureFailed: true },
  };
}

function settleRelease(payment: SettleablePayment, answer: Answer): Settlement {
  if (answer.result === 'unavailable') return { payment: unchanged(payment), attempt: 'unavailable', entries: [], askAgain: true, tell: silent };
  // A refused release has nothing left to release: the hold has lapsed or was never completed.
  const event = payment.state === 'capture-pending' ? 'nothing-to-capture' : 'released';
  return {
    payment: { ...unchanged(payment), state: nextState(payment.state, event) },
    attempt: answer.result === 'succeeded' ? 'succeeded' : 'declined', entries: [], askAgain: false, tell: { ...silent, resolved: payment.answeredPending && event === 'released' },
  };
}

/** What an answer to an open attempt means. An uncertain one changes nothing and is asked for again. */
export function settle(payment: SettleablePayment, attempt: OpenAttempt, answer: Answer): Settlement {
  const settlement = settleByKind(payment, attempt, answer);
  if (settlement.payment.state !== 'action-required') settlement.payment.actionUrl = null;
  return settlement;
}

function settleByKind(payment: SettleablePayment, attempt: OpenAttempt, answer: Answer): Settlement {
  if (answer.result === 'unknown') return { payment: unchanged(payment), attempt: 'open', entries: [], askAgain: true, tell: silent };
  if (attempt.kind === 'authorise') return settleHold(payment, attempt, answer);
  // A charge without a rider cannot be challenged: nothing was taken.
  const certain: Answer = answer.result === 'action-required' ? { ...answer, result: 'declined' } : answer;
  if (attempt.kind === 'void') return settleRelease(payment, certain);
  return certain.result === 'succeeded' ? settleMoney(payment, attempt, certain) : settleNoMoney(payment, attempt, certain);
}
