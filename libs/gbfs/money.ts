/** Amounts as feeds write them, decimals in the currency, to integer minor units: by digits, never by floating point. */

const exponents: Record<string, number> = {
  BIF: 0, CLP: 0, DJF: 0, GNF: 0, ISK: 0, JPY: 0, KMF: 0, KRW: 0, PYG: 0, RWF: 0, UGX: 0, UYI: 0, VND: 0, VUV: 0, XAF: 0, XOF: 0, XPF: 0,
  BHD: 3, IQD: 3, JOD: 3, KWD: 3, LYD: 3, OMR: 3, TND: 3,
  CLF: 4, UYW: 4,
};

/** Decimal places of the minor unit by ISO 4217: EUR 2, JPY 0, KWD 3. */
export const currencyExponent = (currency: string): number => (Object.hasOwn(exponents, currency) ? exponents[currency] ?? 2 : 2);

const decimal = /^([+-]?)(\d{1,30})(?:\.(\d{0,40}))?(?:[eE]([+-]?\d{1,3}))?$/;

/**
 * 0.28 EUR → 28. What is finer than the minor unit is rounded down (towards minus infinity), so that nobody pays more than published,
 * and `exact` is false.
 * @param amount a JSON number, whose shortest decimal form is what the feed wrote, or a decimal string with a point
 * @returns undefined when it is no decimal number or the result is not a safe integer
 */
export function minorUnits(amount: number | string, currency: string): { minor: number; exact: boolean } | undefined {
  const match = decimal.exec(typeof amount === 'number' ? String(amount) : amount.trim());
  if (!match) return undefined;
  const [, sign, whole = '', fraction = '', exponent = '0'] = match;
  const shift = currencyExponent(currency) + Number(exponent) - fraction.length;
  const digits = BigInt(whole + fraction) * (sign === '-' ? -1n : 1n);
  if (shift >= 0) return shift > 40 && digits !== 0n ? undefined : safe(digits * 10n ** BigInt(Math.min(shift, 40)), true);
  if (shift < -400) return digits === 0n ? { minor: 0, exact: true } : { minor: digits < 0n ? -1 : 0, exact: false };
  const divisor = 10n ** BigInt(-shift);
  const remainder = digits % divisor;
  return safe(digits / divisor - (remainder < 0n ? 1n : 0n), remainder === 0n);
}

function safe(value: bigint, exact: boolean): { minor: number; exact: boolean } | undefined {
  const minor = Number(value);
  return Number.isSafeInteger(minor) ? { minor: minor === 0 ? 0 : minor, exact } : undefined;
}

/** The other way, for writing feeds: 28 EUR cents → 0.28, the double whose shortest decimal form is exact. */
export function decimalAmount(minor: number, currency: string): number {
  const exponent = currencyExponent(currency);
  const digits = String(Math.abs(minor)).padStart(exponent + 1, '0');
  const text = exponent === 0 ? digits : `${digits.slice(0, -exponent)}.${digits.slice(-exponent)}`;
  return Number(minor < 0 ? `-${text}` : text);
}
