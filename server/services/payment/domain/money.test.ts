import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { allocate, splitRefund, taxOfRefund } from './money.ts';

const amount = fc.integer({ min: 0, max: 1_000_000_000 });

describe('allocate', () => {
  test('PAYMENT-23: the parts of an amount add up to it, none negative, each within one unit of its share', () => {
    fc.assert(fc.property(amount, fc.array(fc.integer({ min: -1000, max: 1_000_000 }), { minLength: 1, maxLength: 6 }), (amountMinor, weights) => {
      const parts = allocate(amountMinor, weights);
      expect(parts.reduce((sum, part) => sum + part, 0)).toBe(amountMinor);
      const total = weights.reduce((sum, weight) => sum + Math.max(0, weight), 0);
      for (const [index, part] of parts.entries()) {
        expect(part).toBeGreaterThanOrEqual(0);
        if (total > 0) expect(Math.abs(part - (amountMinor * Math.max(0, weights[index] ?? 0)) / total)).toBeLessThan(1);
      }
    }));
  });

  test.each([
    [100, [1, 1, 1], [34, 33, 33]],
    [101, [0, 0], [101, 0]],
    [0, [3, 4], [0, 0]],
    [1000, [-500, 1500], [0, 1000]],
  ])('%i by %j is %j', (amountMinor, weights, parts) => {
    expect(allocate(amountMinor, weights)).toEqual(parts);
  });
});

describe('refunds', () => {
  test('PAYMENT-23: however a price is given back, the taxes of the refunds add up to its tax', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 1, max: 100_000 }), { minLength: 1, maxLength: 8 }), fc.integer({ min: 0, max: 100 }), (refunds, taxShare) => {
      const totalMinor = refunds.reduce((sum, refund) => sum + refund, 0);
      const taxMinor = Math.floor((totalMinor * taxShare) / 100);
      let refundedBeforeMinor = 0;
      let taxes = 0;
      for (const refundMinor of refunds) {
        const tax = taxOfRefund({ totalMinor, taxMinor, refundedBeforeMinor, refundMinor });
        expect(tax).toBeGreaterThanOrEqual(0);
        expect(tax).toBeLessThanOrEqual(refundMinor);
        taxes += tax;
        refundedBeforeMinor += refundMinor;
      }
      expect(taxes).toBe(taxMinor);
    }));
  });

  test('PAYMENT-23: a refund is split over charges without exceeding any of them', () => {
    fc.assert(fc.property(fc.array(fc.integer({ min: 0, max: 10_000 }), { maxLength: 5 }), fc.integer({ min: 1, max: 40_000 }), (lefts, amountMinor) => {
      const charges = lefts.map((leftMinor) => ({ leftMinor }));
      const available = lefts.reduce((sum, left) => sum + left, 0);
      if (amountMinor > available) {
        expect(() => splitRefund(amountMinor, charges)).toThrow(RangeError);
        return;
      }
      const legs = splitRefund(amountMinor, charges);
      expect(legs.reduce((sum, leg) => sum + leg.amountMinor, 0)).toBe(amountMinor);
      for (const leg of legs) {
        expect(leg.amountMinor).toBeGreaterThan(0);
        expect(leg.amountMinor).toBeLessThanOrEqual(leg.charge.leftMinor);
      }
    }));
  });
});
