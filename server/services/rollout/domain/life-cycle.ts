/** The life of a rollout, as data: which event leads from which states to which. */
import type { RolloutState } from '../contract.ts';

export const rolloutLifeCycle = {
  delivered: { from: ['delivering'], to: 'soaking' },
  passed: { from: ['soaking'], to: 'delivering' },
  held: { from: ['soaking'], to: 'waiting-for-approval' },
  approved: { from: ['waiting-for-approval'], to: 'delivering' },
  paused: { from: ['delivering', 'soaking', 'waiting-for-approval'], to: 'paused' },
  resumed: { from: ['paused'], to: 'delivering' },
  finished: { from: ['soaking'], to: 'complete' },
  stopped: { from: ['delivering', 'soaking', 'waiting-for-approval', 'paused', 'complete'], to: 'rolling-back' },
  undone: { from: ['rolling-back'], to: 'rolled-back' },
  withdrawn: { from: ['rolling-back'], to: 'cancelled' },
} as const satisfies Record<string, { from: readonly RolloutState[]; to: RolloutState }>;

export type RolloutEvent = keyof typeof rolloutLifeCycle;

/** In these a rollout stands in the way of another of its kind. */
export const underWay: readonly RolloutState[] = ['waiting-for-approval', 'delivering', 'soaking', 'paused'];

/** @returns the state after the event, or `undefined` when the event is not allowed in this state */
export function next(state: RolloutState, event: RolloutEvent): RolloutState | undefined {
  const { from, to } = rolloutLifeCycle[event];
  return (from as readonly RolloutState[]).includes(state) ? to : undefined;
}
