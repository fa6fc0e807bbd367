import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type Entry, paymentReceived, refundGiven, rideCharged } from './ledger.ts';

const sumOf = (entry: Entry): number => entry.postings.reduce((sum, { amountMinor }) => sum + amountMinor, 0);
const on = (entry: Entry, account: string): number => entry.postings.find((posting) => posting.account === account)?.amountMinor ?? 0;

describe('ledger', () => {
  test('PAYMENT-21: every entry adds up to zero, whatever the price is made of', () => {
    const line = fc.record({ kind: fc.constantFrom('unlock', 'riding', 'cap', 'discount', 'fine-parking', 'fine-late'), amountMinor: fc.integer({ min: -2000, max: 20_000 }) });
    fc.assert(fc.property(fc.array(line, { maxLength: 8 }), fc.integer({ min: 0, max: 30 }), (lines, taxPercent) => {
      const totalMinor = Math.max(0, lines.reduce((sum, { amountMinor }) => sum + amountMinor, 0));
      const taxMinor = Math.round((totalMinor * taxPercent) / (100 + taxPercent));
      const entry = rideCharged('booking', 'EUR', { lines, totalMinor, taxMinor });
      expect(sumOf(entry)).toBe(0);
      expect(on(entry, 'rider-receivable')).toBe(totalMinor);
      expect(on(entry, 'vat-payable')).toBe(taxMinor === 0 ? 0 : -taxMinor);
      expect(on(entry, 'revenue:rides')).toBeLessThanOrEqual(0);
      expect(on(entry, 'revenue:fines')).toBeLessThanOrEqual(0);
    }));
    fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.integer({ min: 0, max: 1_000_000 }), (amountMinor, tax) => {
      expect(sumOf(paymentReceived('a', 'EUR', 'stripe', amountMinor))).toBe(0);
      expect(sumOf(refundGiven('a', 'EUR', 'adyen', amountMinor, Math.min(tax, amountMinor)))).toBe(0);
    }));
  });

  test('a fine is revenue of its own, each in proportion without its tax', () => {
    const lines = [{ kind: 'riding', amountMinor: 690 }, { kind: 'fine-parking', amountMinor: 500 }];
    expect(rideCharged('booking', 'EUR', { lines, totalMinor: 1190, taxMinor: 190 }).postings).toEqual([
      { account: 'rider-receivable', amountMinor: 1190 }, { account: 'revenue:rides', amountMinor: -580 }, { account: 'revenue:fines', amountMinor: -420 }, { account: 'vat-payable', amountMinor: -190 },
    ]);
  });
});
