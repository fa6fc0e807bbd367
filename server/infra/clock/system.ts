import type { ModuleClock } from './port.ts';

/** By the time of the machine, wherever the clock itself stands. */
function every(pauseMs: number, work: () => Promise<void>): () => Promise<void> {
  let isOver = false;
  let working: Promise<void> = Promise.resolve();
  let timer: NodeJS.Timeout;
  const arm = (): void => {
    timer = setTimeout(() => {
      working = work().finally(() => {
        if (!isOver) arm();
      });
    }, pauseMs);
  };
  arm();
  return async () => {
    isOver = true;
    clearTimeout(timer);
    await working;
  };
}

/**
 * The machine's clock.
 * @param offsetMs added to every reading: tests start the program minutes or hours later without waiting.
 */
export function systemClock(offsetMs = 0): ModuleClock {
  const nowMs = () => Date.now() + offsetMs;
  return { nowMs, now: () => new Date(nowMs()), every };
}

/** A clock that stands still until it is moved. */
export function manualClock(startMs: number): ModuleClock & { advance(byMs: number): void } {
  let currentMs = startMs;
  return {
    nowMs: () => currentMs,
    now: () => new Date(currentMs),
    every,
    advance: (byMs) => {
      currentMs += byMs;
    },
  };
}
