import { describe, expect, test } from 'vitest';
import type { ReportedState } from '../contract.ts';
import { commandLifeCycle, type CommandEvent, type CommandState, deadlineMs, hasRunOut, isOpen, isOverdue, nextCommandState, type OpenCommand, resendPauseMs, verdictGraceMs, verdictOf } from './commands.ts';

const sentAtMs = 1_000_000;
const command = (change: Partial<OpenCommand> = {}): OpenCommand => ({ id: 'c', kind: 'unlock', bookingId: 'b', firstSentAtMs: sentAtMs, isAwaited: true, ...change });
const report = (change: Partial<ReportedState> = {}): ReportedState => ({
  vehicleId: 'v', sequence: 1, reportedAt: new Date(0).toISOString(), position: { lat: 50, lon: 8 }, speedMetresPerSecond: 0, odometerMetres: 0, batteryPercent: 80, locked: true, pluggedIn: false, disabled: false, bookingId: null, commandResults: [], ...change,
});

describe('the life cycle', () => {
  test('VEHICLE-13: a verdict is final', () => {
    for (const state of ['verified', 'refused', 'expired'] as const) {
      expect(isOpen(state)).toBe(false);
      for (const event of ['delivered', 'done', 'refused', 'ran-out'] as const) expect(nextCommandState(state, event)).toBe(state);
    }
  });

  test('VEHICLE-13: every open command can be verified, refused and run out', () => {
    const states = (Object.keys(commandLifeCycle) as CommandState[]).filter(isOpen);
    expect(states).toEqual(['pending', 'sent']);
    const ends: Partial<Record<CommandEvent, CommandState>> = { done: 'verified', refused: 'refused', 'ran-out': 'expired' };
    for (const state of states) expect(commandLifeCycle[state]).toMatchObject(ends);
  });
});

describe('verdicts', () => {
  test('VEHICLE-14: what the vehicle says of the command by its id counts, whenever it was said', () => {
    const named = (outcome: 'done' | 'refused', reason?: string) => report({ commandResults: [{ commandId: 'c', outcome, ...(reason && { reason }) }] });
    expect(verdictOf(command({ firstSentAtMs: undefined }), named('done'), 0)).toEqual({ event: 'done' });
    expect(verdictOf(command(), named('refused', 'moving'), 0)).toEqual({ event: 'refused', reason: 'moving' });
    expect(verdictOf(command({ id: 'other' }), named('refused'), 0)).toBeUndefined();
  });

  test('VEHICLE-14: a state as wanted counts only when it was reported after the command was sent', () => {
    const open = report({ locked: false, bookingId: 'b' });
    expect(verdictOf(command(), open, sentAtMs + 1)).toEqual({ event: 'done' });
    expect(verdictOf(command(), open, sentAtMs)).toBeUndefined();
    expect(verdictOf(command({ firstSentAtMs: undefined }), open, sentAtMs + 1)).toBeUndefined();
    expect(verdictOf(command(), report({ locked: false, bookingId: 'another' }), sentAtMs + 1)).toBeUndefined();
    expect(verdictOf(command({ kind: 'lock' }), report({ bookingId: 'b' }), sentAtMs + 1)).toEqual({ event: 'done' });
    expect(verdictOf(command({ kind: 'lock' }), open, sentAtMs + 1)).toBeUndefined();
  });

  test('VEHICLE-14: a lock is over when the vehicle serves another booking', () => {
    expect(verdictOf(command({ kind: 'lock' }), report({ locked: false, bookingId: 'next' }), sentAtMs + 1)).toEqual({ event: 'done' });
  });
});

test('VEHICLE-22: a vehicle that moves has not refused to be disabled for good, and one that is disabled has obeyed whatever it answers', () => {
  const refused = (reason: string) => report({ commandResults: [{ commandId: 'c', outcome: 'refused', reason }] });
  expect(verdictOf(command({ kind: 'disable' }), refused('moving'), sentAtMs + 1)).toEqual({ event: 'refused-for-now', reason: 'moving' });
  expect(verdictOf(command({ kind: 'disable' }), refused('not-supported'), sentAtMs + 1)).toEqual({ event: 'refused', reason: 'not-supported' });
  expect(verdictOf(command({ kind: 'disable' }), { ...refused('moving'), disabled: true }, sentAtMs + 1)).toEqual({ event: 'done' });
  expect(verdictOf(command({ kind: 'disable' }), report({ disabled: true }), sentAtMs)).toBeUndefined();
  expect(verdictOf(command({ kind: 'enable' }), report(), sentAtMs + 1)).toEqual({ event: 'done' });
  expect(verdictOf(command({ kind: 'enable' }), report({ disabled: true }), sentAtMs + 1)).toBeUndefined();
});

test('VEHICLE-24: a lock that is refused because the vehicle moves goes on when nobody waits for it, and for no other reason', () => {
  const refused = (reason: string) => report({ locked: false, bookingId: 'b', commandResults: [{ commandId: 'c', outcome: 'refused', reason }] });
  expect(verdictOf(command({ kind: 'lock', isAwaited: false }), refused('moving'), sentAtMs + 1)).toEqual({ event: 'refused-for-now', reason: 'moving' });
  expect(verdictOf(command({ kind: 'lock', isAwaited: true }), refused('moving'), sentAtMs + 1)).toEqual({ event: 'refused', reason: 'moving' });
  expect(verdictOf(command({ kind: 'lock', isAwaited: false }), refused('not-supported'), sentAtMs + 1)).toEqual({ event: 'refused', reason: 'not-supported' });
  expect(verdictOf(command({ kind: 'unlock', isAwaited: false }), refused('moving'), sentAtMs + 1)).toEqual({ event: 'refused', reason: 'moving' });
});

test('VEHICLE-23: a command is overdue before it has run out; a lock never is', () => {
  expect(isOverdue({ kind: 'unlock', expiresAtMs: 5000 }, 5000)).toBe(false);
  expect(isOverdue({ kind: 'unlock', expiresAtMs: 5000 }, 5001)).toBe(true);
  expect(hasRunOut({ kind: 'unlock', expiresAtMs: 5000 }, 5001)).toBe(false);
  expect(isOverdue({ kind: 'lock', expiresAtMs: 5000 }, 1e12)).toBe(false);
});

test('VEHICLE-15: a command runs out at its time, with a moment for the answer; a lock never does', () => {
  const late = 5000 + verdictGraceMs + 1;
  expect(hasRunOut({ kind: 'unlock', expiresAtMs: 5000 }, late - 1)).toBe(false);
  expect(hasRunOut({ kind: 'unlock', expiresAtMs: 5000 }, late)).toBe(true);
  expect(hasRunOut({ kind: 'lock', expiresAtMs: 5000 }, Number.MAX_SAFE_INTEGER)).toBe(false);
  expect(deadlineMs({ kind: 'lock', expiresAtMs: 5000 }, 1e12)).toBeGreaterThan(1e12);
  expect(deadlineMs({ kind: 'unlock', expiresAtMs: 5000 }, 1e12)).toBe(5000);
});

test('VEHICLE-12: pauses between deliveries grow from a second to half a minute', () => {
  expect([1, 2, 3, 4, 5, 6, 7, 100].map(resendPauseMs)).toEqual([1000, 2000, 4000, 8000, 16_000, 30_000, 30_000, 30_000]);
});
