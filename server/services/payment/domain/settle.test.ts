import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type AttemptFacts, nextState, nextStep, pauseBeforeCheckMs, type PaymentState, paymentTransitions } from './life-cycle.ts';
import { receiptNumber, yearOf } from './receipt.ts';
import { type Answer, type OpenAttempt, settle, type SettleablePayment } from './settle.ts';

const answers: Answer['result'][] = ['succeeded', 'declined', 'action-required', 'unknown', 'unavailable'];
const final: PaymentState[] = ['declined', 'captured', 'voided'];

/** Runs a payment to its end against a provider that answers as the list says, then with success. */
function play(heldMinor: number, totalMinor: number, voidFirst: boolean, script: readonly Answer['result'][]) {
  let payment: SettleablePayment = {
    state: 'pending', requestedMinor: heldMinor, authorisedMinor: 0, capturedMinor: 0, voidRequested: false, totalMinor: null, currency: 'EUR', debtMinor: 0, answeredPending: false, actionUrl: null, checks: 0,
  };
  const attempts: (AttemptFacts & OpenAttempt)[] = [{ attempt: 'authorise:1', kind: 'authorise', amountMinor: heldMinor, state: 'open' }];
  const takenMinor: number[] = [];
  const told: string[] = [];
  for (let turn = 0; turn < 60; turn++) {
    const open = attempts.find(({ state }) => state === 'open');
    if (!open) {
      if (payment.state === 'authorised' && !payment.voidRequested && payment.totalMinor === null) {
        payment = voidFirst ? { ...payment, voidRequested: true } : { ...payment, totalMinor, state: nextState(payment.state, 'capture-asked') };
      }
      const step = nextStep(payment, attempts);
      if (!step) break;
      attempts.push({ attempt: `${step.kind}:${attempts.length}`, ...step, state: 'open' });
      continue;
    }
    const settlement = settle(payment, open, { result: script[turn] ?? 'succeeded', provider: 'stripe', providerReference: 'pi_1', actionUrl: 'https://bank.example' });
    if (settlement.attempt === 'succeeded' && open.kind !== 'authorise' && open.kind !== 'void') takenMinor.push(open.amountMinor);
    open.state = settlement.attempt;
    const { hold: _hold, failureCode: _failureCode, ...changed } = settlement.payment;
    payment = { ...payment, ...changed, checks: settlement.askAgain ? payment.checks + 1 : 0 };
    told.push(...Object.entries(settlement.tell).filter(([, tell]) => tell).map(([name]) => name));
  }
  return { payment, attempts, taken: takenMinor.reduce((sum, amountMinor) => sum + amountMinor, 0), told };
}

describe('settling', () => {
  test('PAYMENT-24: whatever providers answer, a price is never taken twice, never exceeded, and what is not taken is a debt', () => {
    const script = fc.array(fc.constantFrom(...answers), { maxLength: 40 });
    fc.assert(fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 0, max: 9000 }), fc.boolean(), script, (heldMinor, totalMinor, voidFirst, results) => {
      const { payment, taken, told } = play(heldMinor, totalMinor, voidFirst, results);
      expect(payment.capturedMinor).toBe(taken);
      expect(taken).toBeLessThanOrEqual(payment.totalMinor ?? 0);
      expect([...final, 'capture-failed']).toContain(payment.state);
      if (payment.state === 'captured') expect([payment.capturedMinor, payment.debtMinor]).toEqual([totalMinor, 0]);
      if (payment.state === 'capture-failed') expect(payment.capturedMinor + payment.debtMinor).toBe(totalMinor);
      if (payment.state === 'voided' || payment.state === 'declined') expect(taken).toBe(0);
      expect(told.filter((event) => event === 'captured').length).toBe(payment.state === 'captured' ? 1 : 0);
      expect(told.filter((event) => event === 'captureFailed').length).toBe(payment.state === 'capture-failed' ? 1 : 0);
    }));
  });

  test('PAYMENT-24: money that would exceed the price is a fault, not a charge', () => {
    const payment: SettleablePayment = { state: 'capture-pending', requestedMinor: 10, authorisedMinor: 10, capturedMinor: 10, voidRequested: false, totalMinor: 10, currency: 'EUR', debtMinor: 0, answeredPending: false, actionUrl: null, checks: 0 };
    expect(() => settle(payment, { attempt: 'extra:1', kind: 'extra', amountMinor: 1 }, { result: 'succeeded', provider: 'stripe', providerReference: 'pi' })).toThrow(/would take 11 of 10/);
  });

  test('an event that a state does not know is a fault', () => {
    expect(() => nextState('captured', 'released')).toThrow(/captured does not know released/);
    for (const { from, event, to } of paymentTransitions) expect(nextState(from, event)).toBe(to);
  });

  test('pauses grow to ten minutes', () => {
    expect([0, 1, 4, 9, 10, 100].map(pauseBeforeCheckMs)).toEqual([1_000, 2_000, 16_000, 512_000, 600_000, 600_000]);
  });

  test('the number of a receipt carries the year at the place of the ride', () => {
    const newYear = new Date('2026-12-31T23:30:00Z');
    expect(receiptNumber(yearOf(newYear, 'Europe/Berlin'), 1)).toBe('2027-000001');
    expect(receiptNumber(yearOf(newYear, 'Europe/London'), 123)).toBe('2026-000123');
  });
});
