import fc from 'fast-check';
import { expect, test } from 'vitest';
import { formatMoney, fractionDigits } from './money';

const plain = (text: string): string => text.replaceAll(/\s/g, ' ');

test('minor units become amounts in the words of the locale', () => {
  expect(plain(formatMoney(560, 'EUR', 'en-GB'))).toBe('€5.60');
  expect(plain(formatMoney(560, 'EUR', 'de-DE'))).toBe('5,60 €');
  expect(plain(formatMoney(-50, 'EUR', 'en-GB'))).toBe('-€0.50');
});

test('a currency without cents is not divided', () => {
  expect(fractionDigits('JPY')).toBe(0);
  expect(plain(formatMoney(1200, 'JPY', 'en-GB'))).toContain('1,200');
});

test('a price per minute with a fraction is rounded, not cut', () => {
  expect(plain(formatMoney(16.67, 'EUR', 'en-GB'))).toBe('€0.17');
});

test('what is shown reads back as the same minor units', () => {
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 10_000_000 }), (minor) => {
      const digits = formatMoney(minor, 'EUR', 'en-GB').replaceAll(/[^\d]/g, '');
      expect(Number(digits)).toBe(minor);
    }),
  );
});
