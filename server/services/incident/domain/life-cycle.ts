/** The life of an incident, as data: which event leads from which states to which. */
import type { IncidentState } from '../contract.ts';

export const incidentLifeCycle = {
  asked: { from: ['open'], to: 'checking' },
  escalated: { from: ['open', 'checking'], to: 'escalated' },
  assigned: { from: ['open', 'checking', 'escalated', 'dispatched'], to: 'dispatched' },
  arrived: { from: ['dispatched'], to: 'on-site' },
  closed: { from: ['open', 'checking', 'escalated', 'dispatched', 'on-site'], to: 'closed' },
} as const satisfies Record<string, { from: readonly IncidentState[]; to: IncidentState }>;

export type IncidentEvent = keyof typeof incidentLifeCycle;

/** @returns the state after the event, or `undefined` when the event is not allowed in this state */
export function next(state: IncidentState, event: IncidentEvent): IncidentState | undefined {
  const { from, to } = incidentLifeCycle[event];
  return (from as readonly IncidentState[]).includes(state) ? to : undefined;
}
