/** From alerts to incidents: each alert counts once, and what belongs together is one incident. */
import { v7 } from 'uuid';
import type { CloudEvent } from '../../infra/events/port.ts';
import { iotContract } from '../../iot/contract.ts';
import { belongTogether, type GraveAlert, isGrave, isSevereCrash, isToAsk, isToDisable, occurredAtMs, severityOf, telemetryLooksMs, worse } from './domain/rules.ts';
import { type Change, change, type IncidentServices, system } from './incidents.ts';
import { type IncidentRow, isNewAlert, lockOpenOf, rememberAlert, writeMotion } from './store.ts';

const { alertRaised } = iotContract.events;

interface Arrival {
  alert: GraveAlert;
  arrivedAtMs: number;
}

const standing = (row: IncidentRow) => ({ ...row, occurredAtMs: row.occurredAt.getTime() });

function describe({ kind, peakG, speedMetresPerSecond, tamper, decidedBy, confidence }: GraveAlert): string {
  const what = kind === 'collision' ? `collision of ${peakG ?? '?'} g at ${Math.round(speedMetresPerSecond * 3.6)} km/h` : `tampering: ${tamper ?? 'unusual'}`;
  return `${what}, by the ${decidedBy} of the vehicle (${Math.round(confidence * 100)}%)`;
}

/** What is done without anybody's hand, at once; the timers do it, so that a kill stops none of it. */
async function follow(current: Change, row: IncidentRow): Promise<void> {
  const nowMs = current.now.getTime();
  if (row.askedAt === null && isToAsk(standing(row), nowMs)) current.schedule('ask-rider', row.id, 0);
  else if (row.askedAt === null && isSevereCrash(row)) await current.escalate(row, 'a severe crash, and nobody there to ask');
}

async function open(current: Change, alert: GraveAlert, atMs: number): Promise<void> {
  const occurredAt = new Date(atMs);
  const severity = severityOf(alert);
  const row: IncidentRow = {
    id: v7(), kind: alert.kind, state: 'open', severity, vehicleId: alert.vehicleId, bookingId: alert.bookingId, riderId: null,
    occurredAt, openedAt: current.now, closedAt: null, position: alert.position, peakG: alert.peakG ?? null, tamper: alert.tamper ?? null,
    assignee: null, riderAnswer: null, askedAt: null, answerBy: null, resolution: null, lastAlertAt: occurredAt,
    disableCommandId: null, enableCommandId: null, idempotencyKey: null, requestHash: null,
  };
  const isDisabling = isToDisable(standing(row), current.now.getTime());
  if (isDisabling) row.disableCommandId = v7();
  await current.open(row, alert.motion, system, describe(alert));
  await rememberAlert(current.transaction.sql, alert.alertId, row.id);
  if (isDisabling) current.schedule('disable-vehicle', row.id, 0);
  current.schedule('attach-telemetry', row.id, Math.max(0, atMs + (telemetryLooksMs[0] ?? 0) - current.now.getTime()), { look: 0 });
  await follow(current, row);
}

async function merge(current: Change, before: IncidentRow, alert: GraveAlert, atMs: number): Promise<void> {
  const { sql } = current.transaction;
  await rememberAlert(sql, alert.alertId, before.id);
  await current.note(before, 'merged', system, describe(alert));
  const isHarder = (alert.peakG ?? 0) > (before.peakG ?? 0);
  if (isHarder && alert.motion) await writeMotion(sql, before.id, alert.motion);
  const merged: IncidentRow = {
    ...before, kind: alert.kind === 'collision' ? 'collision' : before.kind, severity: worse(before.severity, severityOf(alert)), bookingId: before.bookingId ?? alert.bookingId,
    peakG: isHarder ? (alert.peakG ?? null) : before.peakG, tamper: before.tamper ?? alert.tamper ?? null, lastAlertAt: new Date(Math.max(atMs, before.lastAlertAt.getTime())),
  };
  const isDisabling = before.disableCommandId === null && isToDisable({ ...standing(merged), occurredAtMs: atMs }, current.now.getTime());
  const { kind, severity, bookingId, peakG, tamper, lastAlertAt } = merged;
  const row = await current.update(before, { kind, severity, bookingId, peakG, tamper, lastAlertAt, ...(isDisabling && { disableCommandId: v7() }) });
  if (isDisabling) current.schedule('disable-vehicle', row.id, 0);
  await follow(current, row);
}

async function take(current: Change, { alert, arrivedAtMs }: Arrival): Promise<void> {
  const { sql } = current.transaction;
  if (!(await isNewAlert(sql, alert.alertId))) return;
  const atMs = occurredAtMs(Date.parse(alert.raisedAt), arrivedAtMs);
  const before = await lockOpenOf(sql, alert.vehicleId);
  if (before && belongTogether(before.lastAlertAt.getTime(), atMs)) await merge(current, before, alert, atMs);
  else await open(current, alert, atMs);
}

/** A batch of events: those that are grave alerts become incidents, in one transaction. */
export async function followAlerts(services: IncidentServices, events: readonly CloudEvent[]): Promise<void> {
  const { metrics } = services.context;
  const arrivals = events.flatMap((event): Arrival[] => {
    if (event.type !== alertRaised.type) return [];
    const { data: alert } = alertRaised.data.safeParse(event.data);
    if (!alert) metrics.count('mobility_incident_alerts_dropped_total', 'Alerts that opened no incident because they cannot be read');
    return alert && isGrave(alert) ? [{ alert, arrivedAtMs: Date.parse(event.time) }] : [];
  });
  if (arrivals.length === 0) return;
  await change(services, async (current) => {
    for (const arrival of arrivals) await take(current, arrival);
  });
}
