/** What an alert means: how bad it is, when it was, what belongs together, who is asked and what follows. */
import type { AlertMessage } from '../../../../edge/protocol/messages.ts';
import type { Incident } from '../contract.ts';

export type Severity = Incident['severity'];
const severities: readonly Severity[] = ['low', 'medium', 'high', 'critical'];
const rank = (severity: Severity): number => severities.indexOf(severity);
const atRank = (value: number): Severity => severities[Math.max(0, Math.min(severities.length - 1, value))] ?? 'low';

export const worse = (a: Severity, b: Severity): Severity => (rank(a) >= rank(b) ? a : b);
export const isAtLeast = (severity: Severity, floor: Severity): boolean => rank(severity) >= rank(floor);

/** Alerts that become incidents; the others are telemetry. */
export type GraveAlert = AlertMessage & { kind: 'collision' | 'tamper' };
export const isGrave = (alert: AlertMessage): alert is GraveAlert => alert.kind === 'collision' || alert.kind === 'tamper';

const unsureBelow = 0.7;

function severityOfCollision({ peakG = 0, speedMetresPerSecond: speed }: AlertMessage): number {
  if (peakG >= 10 || (peakG >= 6 && speed >= 6)) return 3;
  if (peakG >= 6 || (peakG >= 4 && speed >= 4)) return 2;
  return peakG >= 4 || speed >= 6 ? 1 : 0;
}

/**
 * A collision by its peak (g) and the speed before it (m/s), tampering by what was done. One step down when the
 * vehicle is not sure, and when nobody rides: a scooter that falls over hurts nobody.
 */
export function severityOf(alert: GraveAlert): Severity {
  const unsure = alert.confidence < unsureBelow ? 1 : 0;
  if (alert.kind === 'tamper') return atRank((alert.tamper === 'tilted' || alert.tamper === 'unusual' || alert.tamper === undefined ? 0 : 1) - unsure);
  return atRank(severityOfCollision(alert) - unsure - (alert.bookingId === null ? 1 : 0));
}

const minuteMs = 60_000;
const aheadMs = 5 * minuteMs;
/** A vehicle keeps what it could not send for a day. */
const behindMs = 25 * 60 * minuteMs;
export const mergeWithinMs = 5 * minuteMs;
/** Later than that nobody is asked: who crashed an hour ago has long been helped, or needs more than a question. */
const askWithinMs = 10 * minuteMs;
const disableWithinMs = 60 * minuteMs;
export const answerWithinMs = minuteMs;
export const selfCloseAfterMs = 10 * minuteMs;
/** A check is shown for so long after it was asked, to be answered late. */
export const checkShownMs = 60 * minuteMs;

/** The vehicle's word, unless its clock cannot be right; then the arrival. */
export function occurredAtMs(raisedAtMs: number, arrivedAtMs: number): number {
  return raisedAtMs > arrivedAtMs + aheadMs || raisedAtMs < arrivedAtMs - behindMs ? arrivedAtMs : raisedAtMs;
}

export const belongTogether = (aMs: number, bMs: number): boolean => Math.abs(aMs - bMs) <= mergeWithinMs;

interface Standing {
  kind: Incident['kind'];
  severity: Severity;
  bookingId: string | null;
  occurredAtMs: number;
}

export const isSevereCrash = ({ kind, severity }: Pick<Standing, 'kind' | 'severity'>): boolean => kind === 'collision' && isAtLeast(severity, 'high');
/** Whether there may be somebody to ask. */
export const isToAsk = ({ kind, bookingId, occurredAtMs: atMs }: Standing, nowMs: number): boolean => kind === 'collision' && bookingId !== null && nowMs - atMs <= askWithinMs;
export const isToDisable = (incident: Standing, nowMs: number): boolean => isSevereCrash(incident) && nowMs - incident.occurredAtMs <= disableWithinMs;
/** Silence says nothing after a bump, and much after a crash. */
export const silenceMeansHelp = (severity: Severity): boolean => isAtLeast(severity, 'medium');
export const closesWhenFine = (severity: Severity): boolean => severity === 'low';

/** Vehicle and server clocks differ a little, and who has just crashed may end the ride before the alert is through. */
const rideMarginMs = minuteMs;

/** Whether somebody rode at a moment, by the times of the ride. */
export function rodeAt({ startedAt, endedAt }: { startedAt: string | null; endedAt: string | null }, atMs: number): boolean {
  return startedAt !== null && Date.parse(startedAt) <= atMs + rideMarginMs && (endedAt === null || Date.parse(endedAt) >= atMs - rideMarginMs);
}

const windowMs = 15_000;
export const windowAround = (atMs: number): { from: string; to: string } => ({ from: new Date(atMs - windowMs).toISOString(), to: new Date(atMs + windowMs).toISOString() });
/** When to look for the telemetry: soon, for what was before the moment; when the rest should be there; again for vehicles that were offline. */
export const telemetryLooksMs: readonly number[] = [3_000, windowMs + 3_000, 60_000, 10 * minuteMs, 120 * minuteMs, behindMs];
/** A vehicle that moves speaks every few seconds: something from near the end of the window, and nothing more is to come. */
export const windowIsFull = (items: readonly { at: string }[], atMs: number): boolean => items.some(({ at }) => Date.parse(at) >= atMs + windowMs - 6_000);
