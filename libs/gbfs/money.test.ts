import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { currencyExponent, decimalAmount, minorUnits } from './money.ts';

describe('money', () => {
  it.each([
    [0.28, 'EUR', 28, true], [1.1, 'EUR', 110, true], [126.0, 'NOK', 12600, true], ['10.50', 'NOK', 1050, true], [0.1 + 0.2, 'EUR', 30, false],
    [1.005, 'EUR', 100, false], [500, 'JPY', 500, true], [0.5, 'JPY', 0, false], [1.234, 'KWD', 1234, true], [4.35, 'USD', 435, true], [1e21, 'JPY', undefined, undefined],
    [-2.5, 'EUR', -250, true], [-0.001, 'EUR', -1, false], [1e-7, 'EUR', 0, false], ['1e2', 'EUR', 10000, true], [' 3 ', 'EUR', 300, true], [-0, 'EUR', 0, true],
  ] as const)('%s %s is %s minor units', (amount, currency, minor, exact) => {
    expect(minorUnits(amount, currency)).toEqual(minor === undefined ? undefined : { minor, exact });
  });

  it.each(['', 'free', '1,50', '1.2.3', '0x10', 'NaN', 'Infinity', '1e999', '9'.repeat(40)])('"%s" is no amount', (text) => {
    expect(minorUnits(text, 'EUR')).toBeUndefined();
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])('%s is no amount', (amount) => expect(minorUnits(amount, 'EUR')).toBeUndefined());

  it('takes every amount of whole minor units exactly, there and back', () => {
    fc.assert(fc.property(fc.integer({ min: -9_999_999_999, max: 9_999_999_999 }), fc.constantFrom('EUR', 'JPY', 'KWD', 'CLF'), (minor, currency) => {
      expect(minorUnits(decimalAmount(minor, currency), currency)).toEqual({ minor, exact: true });
    }));
  });

  it('never charges more than the decimal says, and less than one minor unit less', () => {
    fc.assert(fc.property(fc.bigInt({ min: 0n, max: 10n ** 12n }), fc.integer({ min: 0, max: 9 }), fc.constantFrom('EUR', 'JPY', 'KWD'), (digits, scale, currency) => {
      const padded = String(digits).padStart(scale + 1, '0');
      const text = scale === 0 ? padded : `${padded.slice(0, -scale)}.${padded.slice(-scale)}`;
      const amount = minorUnits(text, currency);
      const scaled = digits * 10n ** BigInt(currencyExponent(currency));
      const floor = scaled / 10n ** BigInt(scale);
      expect(amount).toEqual(Number.isSafeInteger(Number(floor)) ? { minor: Number(floor), exact: scaled % 10n ** BigInt(scale) === 0n } : undefined);
    }));
  });
});
