/** How long whoever asked still waits: what a handler asks of others in turn ends with it, so that waits do not add up. */
import { AsyncLocalStorage } from 'node:async_hooks';

const deadlines = new AsyncLocalStorage<number>();

/** @param remainingMs from now on; a deadline that is there already and nearer stays */
export function withDeadline<T>(remainingMs: number, work: () => T): T {
  return deadlines.run(Math.min(performance.now() + remainingMs, deadlines.getStore() ?? Number.POSITIVE_INFINITY), work);
}

/** @returns infinity when nobody waits: timers and consumers */
export const remainingMs = (): number => (deadlines.getStore() ?? Number.POSITIVE_INFINITY) - performance.now();
