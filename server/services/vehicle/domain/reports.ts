/** What a report changes, whatever the order in which reports come. */
import type { Position } from '../../../wire/schemas.ts';
import type { ReportedState } from '../contract.ts';
import { distanceMetres } from './geometry.ts';

/** The last state of a vehicle that counts. */
export interface LiveState {
  sequence: number;
  /** By the vehicle's clock, within what can be: never ahead of its arrival by more than the tolerance, never backwards. */
  reportedAtMs: number;
  position: Position;
  speedMetresPerSecond: number;
  odometerMetres: number;
  batteryPercent: number;
  locked: boolean;
  pluggedIn: boolean;
  disabled: boolean;
  bookingId: string | null;
}

/** Something that happened between two states. */
export type LockFact = { kind: 'unlocked'; bookingId: string } | { kind: 'locked'; bookingId: string | null };

export interface Applied {
  state: LiveState;
  facts: LockFact[];
  /** The position was not believed, and the one before kept. */
  positionRefused?: 'null-island' | 'jump';
}

export const clockToleranceMs = 5 * 60_000;
/** A van on a motorway, a lorry that carries scooters, an error of the receiver: beyond that it was not the vehicle. */
const fastestMetresPerSecond = 70;
const receiverErrorMetres = 500;

/** The vehicle's clock, bounded: clocks run ahead, and those without a battery begin at 1970. */
export function boundedTimeMs(report: { reportedAt: string }, arrivedAtMs: number, before: LiveState | undefined): number {
  const said = Date.parse(report.reportedAt);
  const notAhead = said > arrivedAtMs + clockToleranceMs ? arrivedAtMs : said;
  return Math.max(notAhead, Math.min(before?.reportedAtMs ?? notAhead, arrivedAtMs));
}

function refusedPosition(before: LiveState | undefined, next: ReportedState, atMs: number): Applied['positionRefused'] {
  if (next.position.lat === 0 && next.position.lon === 0) return 'null-island';
  if (!before) return undefined;
  const reachable = receiverErrorMetres + fastestMetresPerSecond * (Math.max(0, atMs - before.reportedAtMs) / 1000);
  return distanceMetres(before.position, next.position) > reachable ? 'jump' : undefined;
}

/**
 * What was unlocked and locked between two states. A vehicle names the booking that opened it, and the last
 * one after locking, so a ride shows even when the report of its beginning came too late to count.
 */
export function lockFacts(before: Pick<LiveState, 'locked' | 'bookingId'> | undefined, next: Pick<LiveState, 'locked' | 'bookingId'>): LockFact[] {
  const facts: LockFact[] = [];
  const wasOpen = before !== undefined && !before.locked;
  const another = next.bookingId !== (before?.bookingId ?? null);
  if (wasOpen && (next.locked || another)) facts.push({ kind: 'locked', bookingId: before.bookingId });
  if (next.bookingId !== null && (another || (!next.locked && !wasOpen))) {
    facts.push({ kind: 'unlocked', bookingId: next.bookingId });
    if (next.locked) facts.push({ kind: 'locked', bookingId: next.bookingId });
  }
  return facts;
}

/**
 * Applies a report.
 * @param fallback where the vehicle is, when it has never said so itself and what it says cannot be
 * @returns undefined for a duplicate or a report that came after a newer one
 */
export function applyReport(before: LiveState | undefined, report: ReportedState, arrivedAtMs: number, fallback: Position): Applied | undefined {
  if (before && report.sequence <= before.sequence) return undefined;
  const reportedAtMs = boundedTimeMs(report, arrivedAtMs, before);
  const positionRefused = refusedPosition(before, report, reportedAtMs);
  const state: LiveState = {
    sequence: report.sequence,
    reportedAtMs,
    position: positionRefused ? (before?.position ?? fallback) : { lat: report.position.lat, lon: report.position.lon },
    speedMetresPerSecond: report.speedMetresPerSecond,
    odometerMetres: report.odometerMetres,
    batteryPercent: report.batteryPercent,
    locked: report.locked,
    pluggedIn: report.pluggedIn,
    disabled: report.disabled,
    bookingId: report.bookingId,
  };
  return { state, facts: lockFacts(before, state), ...(positionRefused && { positionRefused }) };
}
