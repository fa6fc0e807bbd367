/** A tariff in the terms of a rider. The server prices; this only moves the display between two answers of it. */
import type { Tariff } from '../api/contract';

type Segment = Tariff['segments'][number];

/** How many charges of a segment fall due in the half-open stretch `[fromMinutes, toMinutes)`. */
function chargesDue(segment: Segment, fromMinutes: number, toMinutes: number): number {
  const start = segment.startMinute;
  const end = Math.min(toMinutes, segment.endMinute ?? Number.POSITIVE_INFINITY);
  if (end <= start || fromMinutes >= end) return 0;
  if (segment.intervalMinutes === 0) return fromMinutes <= start ? 1 : 0;
  const before = fromMinutes <= start ? 0 : Math.ceil((fromMinutes - start) / segment.intervalMinutes);
  return Math.ceil((end - start) / segment.intervalMinutes) - before;
}

/**
 * The riding price that falls due between two moments of a ride, in minor units.
 * @param multiplier of the pricing zone that the ride began in
 */
export function ridingDueMinor(segments: readonly Segment[], fromMinutes: number, toMinutes: number, multiplier = 1): number {
  const due = segments.reduce((sum, segment) => sum + chargesDue(segment, fromMinutes, toMinutes) * segment.rateMinor, 0);
  return Math.round(due * multiplier);
}

/** What could be charged at the end on top of the ride, from where the vehicle stands. */
export function expectedFines(
  standing: { inBay: boolean; baysOnly: boolean; pluggedIn: boolean; pluggable: boolean; lateByMinutes: number },
  fines: Tariff['fines'],
): { kind: 'fine-parking' | 'fine-plug' | 'fine-late'; amountMinor: number }[] {
  const late = standing.lateByMinutes > 0 ? fines.lateFixedMinor + Math.ceil(standing.lateByMinutes) * fines.latePerMinuteMinor : 0;
  return [
    { kind: 'fine-parking' as const, amountMinor: standing.baysOnly && !standing.inBay ? fines.outsideBayMinor : 0 },
    { kind: 'fine-plug' as const, amountMinor: standing.pluggable && !standing.pluggedIn ? fines.notPluggedInMinor : 0 },
    { kind: 'fine-late' as const, amountMinor: late },
  ].filter(({ amountMinor }) => amountMinor > 0);
}
