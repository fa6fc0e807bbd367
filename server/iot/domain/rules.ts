/** Which message becomes which event, as data: by topic, and by what is in it. */
import { AlertMessage } from '../../../edge/protocol/messages.ts';
import { ReportedState, vehicleContract } from '../../services/vehicle/contract.ts';
import type { EventDefinition } from '../../wire/contract.ts';
import { iotContract } from '../contract.ts';
import type { Route } from './policy.ts';

interface Rule {
  route: Exclude<Route, 'telemetry' | 'request'>;
  /** Larger ones are dropped. */
  maximumBytes: number;
  /** A message of another shape, or of another vehicle than its connection's, is dropped. */
  message: typeof ReportedState | typeof AlertMessage;
  event: EventDefinition;
}

/** Telemetry has no row here: many messages become one event, unread. */
export const maximumTelemetryBytes = 64 * 1024;

export const rules: readonly Rule[] = [
  // A report is about 500 bytes; a full list of command results about 4 KB.
  { route: 'state', maximumBytes: 8 * 1024, message: ReportedState, event: vehicleContract.events.stateReported },
  // A collision carries three seconds of motion.
  { route: 'alerts', maximumBytes: 64 * 1024, message: AlertMessage, event: iotContract.events.alertRaised },
];

/** Why a message is of no use, as a word for the statistics. */
export type DropReason = 'oversized' | 'empty' | 'not-json' | 'wrong-shape' | 'of-another-vehicle';

const decoder = new TextDecoder('utf-8', { fatal: true });

/** Reads a message by its rule. @returns the event and its data, or why the message is of no use */
export function readMessage(route: Rule['route'], vehicleId: string, payload: Uint8Array): { event: EventDefinition; data: ReportedState | AlertMessage } | DropReason {
  const rule = rules.find((candidate) => candidate.route === route);
  if (!rule) return 'wrong-shape';
  if (payload.byteLength > rule.maximumBytes) return 'oversized';
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(payload));
  } catch {
    return 'not-json';
  }
  const parsed = rule.message.safeParse(value);
  if (!parsed.success) return 'wrong-shape';
  return parsed.data.vehicleId === vehicleId ? { event: rule.event, data: parsed.data } : 'of-another-vehicle';
}
