/** The life of a command, as data, and when it counts as done. */
import type { Command, ReportedState } from '../contract.ts';

export type CommandState = Command['state'];
export type CommandEvent = 'delivered' | 'done' | 'refused' | 'ran-out';

/** From each state, where each event leads. What is missing changes nothing: verdicts are final. */
export const commandLifeCycle: Record<CommandState, Partial<Record<CommandEvent, CommandState>>> = {
  pending: { delivered: 'sent', done: 'verified', refused: 'refused', 'ran-out': 'expired' },
  sent: { done: 'verified', refused: 'refused', 'ran-out': 'expired' },
  verified: {},
  refused: {},
  expired: {},
};

export const nextCommandState = (state: CommandState, event: CommandEvent): CommandState => commandLifeCycle[state][event] ?? state;

export const isOpen = (state: CommandState): boolean => state === 'pending' || state === 'sent';

const firstPauseMs = 1_000;
const longestPauseMs = 30_000;
/** A vehicle may have run it in time and say so a little later. */
export const verdictGraceMs = 5_000;

/** How long to wait before the next delivery. @param attempts deliveries so far, at least 1 */
export const resendPauseMs = (attempts: number): number => Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(attempts - 1, 10));

/** After its time, and before it counts as expired, the vehicle is asked how it stands. */
export const isOverdue = (command: { kind: Command['kind']; expiresAtMs: number }, nowMs: number): boolean => command.kind !== 'lock' && nowMs > command.expiresAtMs;

/** A lock never runs out: the vehicle of an ended ride must not stay open. */
export const hasRunOut = (command: { kind: Command['kind']; expiresAtMs: number }, nowMs: number): boolean => command.kind !== 'lock' && nowMs > command.expiresAtMs + verdictGraceMs;

const lockDeadlineMs = 24 * 3600_000;

/** The deadline that the vehicle is told; each delivery of a lock gives it a new one. */
export const deadlineMs = (command: { kind: Command['kind']; expiresAtMs: number }, nowMs: number): number =>
  command.kind === 'lock' ? Math.max(command.expiresAtMs, nowMs + lockDeadlineMs) : command.expiresAtMs;

export interface OpenCommand {
  /** As the vehicle knows it: a disabling that is tried again has a new one. */
  id: string;
  kind: Command['kind'];
  bookingId: string | undefined;
  /** When it was first handed to the vehicle, if it was. */
  firstSentAtMs: number | undefined;
  /** Whether somebody waits to hear how it ends, and decides then. */
  isAwaited: boolean;
}

/**
 * What a report says about a command: the vehicle names it, or it is as the command wants it. The latter counts
 * only in what the vehicle said after it was sent: an older report, kept while there was no network, proves nothing.
 * A vehicle that refuses to be disabled because it moves is told again; so is one that is to be locked, when nobody waits
 * for the word any more: its ride has ended, and it must not stay open.
 */
export function verdictOf(command: OpenCommand, report: ReportedState, reportedAtMs: number): { event: 'done' | 'refused' | 'refused-for-now'; reason?: string } | undefined {
  const isLater = command.firstSentAtMs !== undefined && reportedAtMs > command.firstSentAtMs;
  if (isLater && command.kind === 'disable' && report.disabled) return { event: 'done' };
  const named = report.commandResults.find(({ commandId }) => commandId === command.id);
  if (named) {
    const goesOn = command.kind === 'disable' || (command.kind === 'lock' && !command.isAwaited);
    const refusal = goesOn && named.reason === 'moving' ? 'refused-for-now' : 'refused';
    return { event: named.outcome === 'done' ? 'done' : refusal, ...(named.reason !== undefined && { reason: named.reason }) };
  }
  if (!isLater) return undefined;
  const sameBooking = command.bookingId === undefined || command.bookingId === report.bookingId;
  const asWanted =
    (command.kind === 'lock' && (report.locked || !sameBooking)) ||
    (command.kind === 'unlock' && !report.locked && sameBooking && (command.bookingId === undefined || report.bookingId !== null)) ||
    (command.kind === 'enable' && !report.disabled);
  return asWanted ? { event: 'done' } : undefined;
}
