/** When a provider that keeps failing is left alone. What is known of it is a record that processes share. */

/** Absent while a provider works. */
export interface BreakerRecord {
  /** Failures in a row, whichever process met them. */
  failures: number;
  /** Nobody calls before this, as ms since 1970. */
  openUntilMs?: number;
  /** Until then one call tries whether the provider works again, and all others wait for it. */
  probeUntilMs?: number;
}

export interface BreakerLimits {
  /** Failures in a row that open the breaker. */
  breakAfterFailures: number;
  /** How long an open breaker waits before it lets one call through. */
  halfOpenAfterMs: number;
  /** How long the one call may take; then another may try. Longer than its own time limit. */
  probeForMs: number;
}

export type BreakerState = 'closed' | 'open' | 'half-open';

export function stateOf(record: BreakerRecord | undefined, nowMs: number): BreakerState {
  if (record?.openUntilMs === undefined) return 'closed';
  return nowMs < record.openUntilMs ? 'open' : 'half-open';
}

/** `probe`: only whoever writes `withProbe` first may call. */
export function admission(record: BreakerRecord | undefined, nowMs: number): 'call' | 'probe' | 'refuse' {
  switch (stateOf(record, nowMs)) {
    case 'closed':
      return 'call';
    case 'half-open':
      return nowMs < (record?.probeUntilMs ?? 0) ? 'refuse' : 'probe';
    default:
      return 'refuse';
  }
}

export const withProbe = (record: BreakerRecord, nowMs: number, limits: BreakerLimits): BreakerRecord => ({ ...record, probeUntilMs: nowMs + limits.probeForMs });

/** @param probing whether the call that failed was the one that tried */
export function withFailure(record: BreakerRecord | undefined, nowMs: number, limits: BreakerLimits, probing: boolean): BreakerRecord {
  const failures = (record?.failures ?? 0) + 1;
  if (probing || (failures >= limits.breakAfterFailures && record?.openUntilMs === undefined)) return { failures, openUntilMs: nowMs + limits.halfOpenAfterMs };
  // Calls that were on their way when it opened do not keep it open for longer.
  return { ...record, failures };
}

/** Whether a call that succeeded says that the provider works; one that began before the breaker opened does not. */
export const isClosedBySuccess = (record: BreakerRecord | undefined, probing: boolean): boolean => record !== undefined && (probing || record.openUntilMs === undefined);
