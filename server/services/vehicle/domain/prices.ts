/** The one figure by which riders compare vehicles. */
import type { Tariff } from '../contract.ts';

/**
 * The price of a riding minute at the beginning of a ride, before the multiplier; with a fraction where the
 * tariff counts in hours. What is charged once is no price of a minute.
 */
export function pricePerMinuteMinor({ segments }: Pick<Tariff, 'segments'>): number {
  const repeating = segments.filter(({ intervalMinutes }) => intervalMinutes > 0);
  const earliest = Math.min(...repeating.map(({ startMinute }) => startMinute));
  return repeating.filter(({ startMinute }) => startMinute === earliest).reduce((sum, { rateMinor, intervalMinutes }) => sum + rateMinor / intervalMinutes, 0);
}
