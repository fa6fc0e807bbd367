import type { PaymentMethod } from '../api/contract';

/** `Visa ···· 4242` */
export function cardName({ brand, last4 }: Pick<PaymentMethod, 'brand' | 'last4'>): string {
  const known: Record<string, string> = { visa: 'Visa', mc: 'Mastercard', mastercard: 'Mastercard', amex: 'American Express' };
  return `${known[brand.toLowerCase()] ?? brand} ···· ${last4}`;
}
