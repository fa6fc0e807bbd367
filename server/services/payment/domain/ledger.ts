/**
 * Journal entries in double entry. A posting's amount is positive for a debit and negative for a
 * credit; the postings of an entry add up to zero in each currency.
 */
import { allocate } from './money.ts';

export type ProviderName = 'stripe' | 'adyen';
export type Account = 'rider-receivable' | `provider-clearing:${ProviderName}` | 'revenue:rides' | 'revenue:fines' | 'vat-payable' | 'refunds';

export interface Posting {
  account: Account;
  amountMinor: number;
}

export interface Entry {
  kind: 'ride-charged' | 'payment-received' | 'refund';
  /** With the kind it names the entry: booking nothing twice. */
  reference: string;
  currency: string;
  postings: Posting[];
}

export interface Price {
  lines: readonly { kind: string; amountMinor: number }[];
  totalMinor: number;
  taxMinor: number;
}

/** @throws Error when the postings do not balance: such an entry must never be written */
function entry(kind: Entry['kind'], reference: string, currency: string, postings: readonly Posting[]): Entry {
  const sum = postings.reduce((total, { amountMinor }) => total + amountMinor, 0);
  if (sum !== 0 || !Number.isSafeInteger(sum)) throw new Error(`entry ${kind} of ${reference} is off by ${sum}`);
  return { kind, reference, currency, postings: postings.filter(({ amountMinor }) => amountMinor !== 0) };
}

/** The rider owes the price; what is not tax is our revenue, in the proportion of rides and fines. */
export function rideCharged(bookingId: string, currency: string, price: Price): Entry {
  const finesMinor = price.lines.filter(({ kind }) => kind.startsWith('fine-')).reduce((sum, { amountMinor }) => sum + amountMinor, 0);
  const [rides = 0, fines = 0] = allocate(price.totalMinor - price.taxMinor, [price.totalMinor - finesMinor, finesMinor]);
  return entry('ride-charged', bookingId, currency, [
    { account: 'rider-receivable', amountMinor: price.totalMinor },
    { account: 'revenue:rides', amountMinor: -rides },
    { account: 'revenue:fines', amountMinor: -fines },
    { account: 'vat-payable', amountMinor: -price.taxMinor },
  ]);
}

/** A provider has taken the money: it owes us, the rider owes less. */
export function paymentReceived(attempt: string, currency: string, provider: ProviderName, amountMinor: number): Entry {
  return entry('payment-received', attempt, currency, [
    { account: `provider-clearing:${provider}`, amountMinor },
    { account: 'rider-receivable', amountMinor: -amountMinor },
  ]);
}

/** A provider gives money back: less revenue, less tax to pay. */
export function refundGiven(attempt: string, currency: string, provider: ProviderName, amountMinor: number, taxMinor: number): Entry {
  return entry('refund', attempt, currency, [
    { account: 'refunds', amountMinor: amountMinor - taxMinor },
    { account: 'vat-payable', amountMinor: taxMinor },
    { account: `provider-clearing:${provider}`, amountMinor: -amountMinor },
  ]);
}
