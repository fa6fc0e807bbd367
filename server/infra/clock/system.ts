import type { Clock } from './port.ts';

/**
 * The machine's clock.
 * @param offsetMs added to every reading: tests start the program minutes or hours later without waiting.
 */
export function systemClock(offsetMs = 0): Clock {
  const nowMs = () => Date.now() + offsetMs;
  return { nowMs, now: () => new Date(nowMs()) };
}

/** A clock that stands still until it is moved. */
export function manualClock(startMs: number): Clock & { advance(byMs: number): void } {
  let currentMs = startMs;
  return {
    nowMs: () => currentMs,
    now: () => new Date(currentMs),
    advance: (byMs) => {
      currentMs += byMs;
    },
  };
}
