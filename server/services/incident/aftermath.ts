/** What is done about the vehicle, and what is gathered about the moment: tried until it is done, across kills. */
import { Problem } from '../../wire/problem.ts';
import type { Command } from '../vehicle/contract.ts';
import { telemetryLooksMs, windowAround, windowIsFull } from './domain/rules.ts';
import { changeOne, type IncidentServices, system } from './incidents.ts';
import { type EntryKind, findIncident, readEvidence, writeTelemetry } from './store.ts';

const callMs = 3_000;
const commandLifeMs = 24 * 3600_000;
const firstLookMs = 1_000;
const longestPauseMs = 60_000;

type Kind = 'disable' | 'enable';
const done: Record<Kind, EntryKind> = { disable: 'vehicle-disabled', enable: 'vehicle-enabled' };
const begun: Record<Kind, string> = { disable: 'the vehicle is out of renting, and told to be disabled when it stands', enable: 'the vehicle is told to be enabled' };

/** Orders it, and looks again and again how that stands: the id makes it one command. */
export async function commandVehicle(services: IncidentServices, kind: Kind, incidentId: string, payload: unknown): Promise<void> {
  const row = await findIncident(services.context.database.sql, incidentId);
  const commandId = kind === 'disable' ? row?.disableCommandId : row?.enableCommandId;
  if (!row || !commandId) return;
  const expiresAt = new Date(services.context.clock.nowMs() + commandLifeMs).toISOString();
  const command = await services.vehicles.sendCommand({ body: { id: commandId, vehicleId: row.vehicleId, kind, expiresAt } }, { timeoutMs: callMs }).catch((error: unknown): Pick<Command, 'state' | 'reason'> => {
    if (error instanceof Problem && error.code === 'not-found') return { state: 'refused', reason: 'nobody knows this vehicle' };
    throw error;
  });
  const looks = typeof payload === 'object' && payload !== null && 'looks' in payload ? Number(payload.looks) : 0;
  await changeOne(services, incidentId, async (current, locked) => {
    if (command.state === 'verified') await current.note(locked, done[kind], system, 'the vehicle says so', `${kind}-${commandId}`);
    else if (command.state === 'pending' || command.state === 'sent') {
      if (looks === 0) await current.note(locked, 'note', system, begun[kind], `${kind}-told-${commandId}`);
      current.schedule(`${kind}-vehicle`, locked.id, Math.min(longestPauseMs, firstLookMs * 2 ** Math.min(looks, 10)), { looks: looks + 1 });
    } else await current.note(locked, 'note', system, `the vehicle was not ${kind}d: ${command.reason ?? command.state}`, `${kind}-${commandId}`);
  });
}

/** Looks for the telemetry around the moment; again later where the part after it has not arrived. */
export async function attachTelemetry(services: IncidentServices, incidentId: string, payload: unknown): Promise<void> {
  const { sql } = services.context.database;
  const row = await findIncident(sql, incidentId);
  if (!row) return;
  const atMs = row.occurredAt.getTime();
  const { items } = await services.telemetry.getWindow({ params: { vehicleId: row.vehicleId }, query: windowAround(atMs) }, { timeoutMs: callMs });
  const look = typeof payload === 'object' && payload !== null && 'look' in payload ? Number(payload.look) : 0;
  await changeOne(services, incidentId, async (current, locked) => {
    const before = (await readEvidence(current.transaction.sql, locked.id)).telemetry.length;
    if (items.length > before) {
      await writeTelemetry(current.transaction.sql, locked.id, items);
      await current.note(locked, 'telemetry-attached', system, `${items.length} records around the moment`);
      // Screens that show it look again.
      await current.update(locked, { lastAlertAt: locked.lastAlertAt });
    }
    const laterMs = telemetryLooksMs[look + 1];
    if (laterMs !== undefined && !windowIsFull(items, atMs)) current.schedule('attach-telemetry', locked.id, Math.max(0, atMs + laterMs - current.now.getTime()), { look: look + 1 });
  });
}
