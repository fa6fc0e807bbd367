/** State machines are data in the domain; here they are drawn into the READMEs of their modules. */
import { bookingLifeCycle } from '../../server/services/booking/domain/life-cycle.ts';
import { incidentLifeCycle } from '../../server/services/incident/domain/life-cycle.ts';
import { paymentTransitions } from '../../server/services/payment/domain/life-cycle.ts';
import { rolloutLifeCycle } from '../../server/services/rollout/domain/life-cycle.ts';
import { commandLifeCycle } from '../../server/services/vehicle/domain/commands.ts';
import { mermaid } from './markdown.ts';

export interface LifeCycle {
  readme: string;
  transitions: readonly { from: string; event: string; to: string }[];
}

/** `{ cancelled: { from: ['reserved'], to: 'cancelled' } }` → one transition for each state that it leaves. */
const byEvent = (machine: Record<string, { from: readonly string[]; to: string }>): LifeCycle['transitions'] =>
  Object.entries(machine).flatMap(([event, { from, to }]) => from.map((state) => ({ from: state, event, to })));

/** `{ sent: { done: 'verified' } }` → one transition for each event of each state. */
const byState = (machine: Record<string, Record<string, string>>): LifeCycle['transitions'] =>
  Object.entries(machine).flatMap(([from, events]) => Object.entries(events).map(([event, to]) => ({ from, event, to })));

export const lifeCycles: readonly LifeCycle[] = [
  { readme: 'server/services/booking/README.md', transitions: byEvent(bookingLifeCycle) },
  { readme: 'server/services/incident/README.md', transitions: byEvent(incidentLifeCycle) },
  { readme: 'server/services/payment/README.md', transitions: paymentTransitions },
  { readme: 'server/services/rollout/README.md', transitions: byEvent(rolloutLifeCycle) },
  { readme: 'server/services/vehicle/README.md', transitions: byState(commandLifeCycle) },
];

const identifier = (state: string): string => state.replaceAll('-', '_');

/** A mermaid state diagram: begins in the states that nothing leads to, ends in those that nothing leaves. */
export function diagram({ transitions }: LifeCycle): string {
  const states = [...new Set(transitions.flatMap(({ from, to }) => [from, to]))];
  const first = states.filter((state) => !transitions.some(({ to }) => to === state));
  const last = states.filter((state) => !transitions.some(({ from }) => from === state));
  return mermaid([
    'stateDiagram-v2',
    ...states.filter((state) => identifier(state) !== state).map((state) => `  state "${state}" as ${identifier(state)}`),
    ...first.map((state) => `  [*] --> ${identifier(state)}`),
    ...transitions.map(({ from, event, to }) => `  ${identifier(from)} --> ${identifier(to)}: ${event}`),
    ...last.map((state) => `  ${identifier(state)} --> [*]`),
  ]);
}

const begin = '<!-- life-cycle:begin -->';
const end = '<!-- life-cycle:end -->';

/** @throws Error when the README has no place for the diagram */
export function drawInto(readme: string, lifeCycle: LifeCycle): string {
  const from = readme.indexOf(begin);
  const to = readme.indexOf(end);
  if (from < 0 || to < from) throw new Error(`${lifeCycle.readme} has no place for its state machine: add the lines ${begin} and ${end}`);
  return `${readme.slice(0, from + begin.length)}\n${diagram(lifeCycle)}\n${readme.slice(to)}`;
}
