/** What a ride costs at this second: the server's last answer, moved on by the tariff until the next. */
import type { Booking, Tariff } from '../api/contract';
import { ridingDueMinor } from './tariff';

/**
 * @param answeredAtMs when the booking was read, by the clock of this device
 * @returns minor units; the server's own figure while paused or before the tariff is known
 */
export function liveCostMinor(booking: Booking, tariff: Tariff | undefined, answeredAtMs: number, nowMs: number): number {
  const { totalMinor } = booking.price;
  if (booking.state !== 'riding' || !booking.startedAt || !tariff) return totalMinor;
  const startedMs = Date.parse(booking.startedAt);
  const minutesAt = (instantMs: number): number => Math.max(0, (instantMs - startedMs) / 60_000);
  return totalMinor + ridingDueMinor(tariff.segments, minutesAt(answeredAtMs), minutesAt(Math.max(answeredAtMs, nowMs)), booking.multiplier);
}
