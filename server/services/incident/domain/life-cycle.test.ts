import { expect, test } from 'vitest';
import { IncidentState } from '../contract.ts';
import { type IncidentEvent, incidentLifeCycle, next } from './life-cycle.ts';

const events = Object.keys(incidentLifeCycle) as IncidentEvent[];

test('INCIDENT-08: what is closed stays closed, and everything open can be closed', () => {
  for (const event of events) expect(next('closed', event)).toBeUndefined();
  for (const state of IncidentState.options.filter((each) => each !== 'closed')) expect(next(state, 'closed')).toBe('closed');
});

test('INCIDENT-04: nothing takes back the staff that is on its way', () => {
  for (const state of ['dispatched', 'on-site'] as const) for (const event of ['asked', 'escalated'] as const) expect(next(state, event)).toBeUndefined();
});

test('INCIDENT-08: every state but the first is reached by an event', () => {
  const reached = new Set<string>(events.map((event) => incidentLifeCycle[event].to));
  expect(IncidentState.options.filter((state) => !reached.has(state))).toEqual(['open']);
});
