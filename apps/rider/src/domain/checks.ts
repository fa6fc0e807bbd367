/** "Are you all right?": when to listen for it, and what it says. */
import type { Booking, RiderCheck } from '../api/contract';

const shortlyAfterMs = 60 * 60_000;

/** How often to ask whether somebody asks, in milliseconds: during a ride, more rarely in the hour after it, else not at all. */
export function checkIntervalMs(bookings: readonly Booking[], nowMs: number): number | false {
  if (bookings.some(({ state }) => state === 'riding' || state === 'paused')) return 2_000;
  return bookings.some(({ endedAt }) => endedAt !== null && nowMs - Date.parse(endedAt) < shortlyAfterMs) ? 10_000 : false;
}

/** What was answered and put away, as `incident answer`. */
export const seenAs = ({ incidentId, answer }: Pick<RiderCheck, 'incidentId' | 'answer'>): string => `${incidentId} ${answer ?? 'open'}`;

/** The check to show: one without an answer first, then one whose answer was not put away yet. */
export function checkToShow(checks: readonly RiderCheck[], putAway: ReadonlySet<string>): RiderCheck | undefined {
  return checks.find(({ answer }) => answer === null) ?? checks.find((check) => !putAway.has(seenAs(check)));
}
