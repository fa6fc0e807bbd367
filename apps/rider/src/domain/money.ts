/** Amounts in minor units with an ISO 4217 currency, for people to read. */

/** Minor units in one major unit, as a power of ten: 2 for EUR, 0 for JPY. */
export function fractionDigits(currency: string): number {
  return new Intl.NumberFormat('en', { style: 'currency', currency }).resolvedOptions().maximumFractionDigits ?? 2;
}

/**
 * @param amountMinor may have a fraction (a price per minute out of a price per hour); shown rounded
 * @param locale a BCP 47 tag, for example `de-DE`
 */
export function formatMoney(amountMinor: number, currency: string, locale: string): string {
  return new Intl.NumberFormat(locale, { style: 'currency', currency }).format(amountMinor / 10 ** fractionDigits(currency));
}
