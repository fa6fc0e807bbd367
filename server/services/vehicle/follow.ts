/** Follows what vehicles report and what the Booking service says. */
import type { CloudEvent } from '../../infra/events/port.ts';
import type { Logger, Metrics, OpenSpan, Tracer } from '../../infra/observability/port.ts';
import { runInTrace } from '../../infra/observability/trace.ts';
import type { Transaction } from '../../infra/sql/port.ts';
import { bookingContract } from '../booking/contract.ts';
import type { Draft, FleetChanges } from './changes.ts';
import type { CommandDesk, Verdict } from './commands.ts';
import { ReportedState, vehicleContract } from './contract.ts';
import { applyReport, type LiveState, type LockFact } from './domain/reports.ts';
import type { BookingHold } from './domain/status.ts';
import type { Fleet, FleetVehicle } from './fleet.ts';
import { writeHold, writeStates } from './store.ts';

export interface Followed {
  fleet: Fleet;
  changes: FleetChanges;
  desk: CommandDesk;
  metrics: Metrics;
  tracer: Tracer;
  logger: Logger;
}

const { stateReported, unlocked, locked } = vehicleContract.events;
const bookingEvents = bookingContract.events;
const held: readonly string[] = ['reserved', 'confirmed', 'riding', 'paused'];
const lifeCycleTypes: Record<string, string> = Object.fromEntries(
  (['reserved', 'confirmed', 'riding', 'paused', 'ended', 'charged', 'cancelled', 'expired', 'failed'] as const).map((state) => [bookingEvents[state].type, state]),
);

function publishFact(transaction: Transaction, vehicleId: string, state: LiveState, fact: LockFact): void {
  const at = new Date(state.reportedAtMs).toISOString();
  const { position, batteryPercent, odometerMetres, pluggedIn } = state;
  if (fact.kind === 'unlocked') transaction.publish(unlocked, vehicleId, { vehicleId, bookingId: fact.bookingId, unlockedAt: at, position, batteryPercent, odometerMetres });
  else transaction.publish(locked, vehicleId, { vehicleId, bookingId: fact.bookingId, lockedAt: at, position, pluggedIn, batteryPercent, odometerMetres });
}

interface Report {
  vehicle: FleetVehicle;
  report: ReportedState;
  arrivedAtMs: number;
  /** Of a report that answers a command. */
  span: OpenSpan | undefined;
}

const spanOptions = (event: CloudEvent) => ({
  kind: 'consumer', parent: event.traceparent,
  attributes: { 'messaging.system': 'mobility', 'messaging.operation.type': 'process', 'messaging.consumer.group.name': 'vehicle-reports', 'messaging.message.id': event.id, 'cloudevents.event_type': event.type },
}) as const;

function readReports({ fleet, metrics, tracer }: Followed, events: readonly CloudEvent[]): Report[] {
  const dropped = (reason: string) => metrics.count('mobility_vehicle_reports_dropped_total', 'Reports that changed no vehicle', { reason });
  return events.flatMap((event) => {
    if (event.type !== stateReported.type) return [];
    const parsed = ReportedState.safeParse(event.data);
    const vehicle = parsed.success ? fleet.get(parsed.data.vehicleId) : undefined;
    if (!parsed.success || !vehicle) {
      dropped(parsed.success ? 'unknown-vehicle' : 'malformed');
      return [];
    }
    const span = event.traceparent === undefined ? undefined : tracer.open(`process ${event.type}`, spanOptions(event));
    return [{ vehicle, report: parsed.data, arrivedAtMs: Date.parse(event.time), span }];
  });
}

function applyAll({ metrics }: Followed, reports: readonly Report[], draft: Draft, transaction: Transaction): Map<ReportedState, LiveState> {
  return new Map(reports.flatMap(({ vehicle, report, arrivedAtMs, span }) => {
    const { live, definition } = draft.of(vehicle);
    const applied = applyReport(live, report, arrivedAtMs, definition.position);
    if (!applied) {
      metrics.count('mobility_vehicle_reports_dropped_total', 'Reports that changed no vehicle', { reason: 'not-newer' });
      return [];
    }
    if (applied.positionRefused) metrics.count('mobility_vehicle_positions_refused_total', 'Reported positions that cannot be', { reason: applied.positionRefused });
    draft.set(vehicle, { live: applied.state });
    const publish = () => {
      for (const fact of applied.facts) publishFact(transaction, vehicle.id, applied.state, fact);
    };
    if (span?.trace) runInTrace(span.trace, publish);
    else publish();
    return [[report, applied.state] as const];
  }));
}

/** A batch of reports: one transaction with the states, what follows from them, and the verdicts on commands. */
export async function followReports(followed: Followed, events: readonly CloudEvent[]): Promise<void> {
  const reports = readReports(followed, events);
  if (reports.length === 0) return;
  let failure: unknown;
  try {
    await takeReports(followed, reports);
  } catch (error) {
    failure = error;
    throw error;
  } finally {
    for (const { span } of reports) span?.end(failure);
  }
}

async function takeReports(followed: Followed, reports: readonly Report[]): Promise<void> {
  const { changes, desk } = followed;
  const verdicts = await changes.change(async (draft, transaction) => {
    const settled = new Map<string, Verdict>();
    const news = applyAll(followed, reports, draft, transaction);
    const latest = new Map([...news].map(([{ vehicleId }, state]) => [vehicleId, { vehicleId, state }]));
    if (latest.size > 0) await writeStates(transaction.sql, [...latest.values()]);
    // Also a report that came too late may hold the answer to a command.
    for (const { report } of reports) await desk.judge(transaction, report, news.get(report)?.reportedAtMs ?? 0, settled);
    return settled;
  });
  desk.settle(verdicts.values());
  for (const { vehicle } of reports) desk.heard(vehicle.id);
}

/** What the Booking service says about bookings that hold vehicles. */
export async function followBookings({ fleet, changes }: Followed, events: readonly CloudEvent[]): Promise<void> {
  const said = events.flatMap((event) => {
    const state = lifeCycleTypes[event.type];
    const data = state === undefined ? undefined : bookingEvents.reserved.data.safeParse(event.data).data;
    return state === undefined || !data ? [] : [{ state, data, at: new Date(event.time) }];
  });
  if (said.length === 0) return;
  await changes.change(async (draft, { sql }) => {
    for (const { state, data, at } of said) {
      const { bookingId, vehicleId } = data;
      const [startsAt, endsAt] = [new Date(data.startsAt), new Date(data.endsAt)];
      if (!(await writeHold(sql, { id: bookingId, vehicleId, state, startsAt, endsAt, saidAt: at, revision: data.revision ?? 0 }))) continue;
      const vehicle = fleet.get(vehicleId);
      if (!vehicle) continue;
      const others = draft.of(vehicle).bookings.filter((hold) => hold.bookingId !== bookingId);
      const hold: BookingHold = { bookingId, state: state as BookingHold['state'], startsAtMs: startsAt.getTime(), endsAtMs: endsAt.getTime() };
      draft.set(vehicle, { bookings: held.includes(state) ? [...others, hold] : others });
    }
  });
}
