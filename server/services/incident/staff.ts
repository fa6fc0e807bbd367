/** What staff do with incidents. */
import { v7 } from 'uuid';
import { type Call, type Handlers, type Operation, RawReply } from '../../wire/contract.ts';
import { requestHash } from '../../wire/idempotency.ts';
import { idCursor } from '../../wire/cursor.ts';
import { Problem } from '../../wire/problem.ts';
import type { incidentContract } from './contract.ts';
import { change, changeOne, type IncidentServices, presentIncident } from './incidents.ts';
import { type EntryRow, findByKey, findIncident, type IncidentRow, listIncidents, readEvidence, readTimeline } from './store.ts';

type Operations = typeof incidentContract.operations;
type Part<Name extends keyof Operations> = Pick<Handlers<Operations>, Name>;

const mostInSnapshot = 500;

/** @throws Problem `unauthenticated` */
function subjectOf({ caller }: Pick<Call<Operation>, 'caller'>): string {
  if (!caller) throw new Problem('unauthenticated');
  return caller.subject;
}

const presentEntry = ({ at, kind, by, text }: EntryRow) => ({ at: at.toISOString(), kind, by, text });

export function lookHandlers({ context, streams }: IncidentServices): Part<'listIncidents' | 'streamIncidents' | 'getIncident'> {
  const { sql } = context.database;
  return {
    async listIncidents({ query: { cursor, limit, state, open, vehicleId } }) {
      const rows = await listIncidents(sql, { limit: limit + 1, before: idCursor(cursor), state, open: open === undefined ? undefined : open === 'true', vehicleId });
      const items = rows.slice(0, limit).map(presentIncident);
      return { items, ...(rows.length > limit && { next: items.at(-1)?.id }) };
    },
    async streamIncidents(call) {
      const readOpen = async () => (await listIncidents(sql, { open: true, limit: mostInSnapshot })).map(presentIncident);
      return new RawReply('text/event-stream', streams.open(subjectOf(call), call.signal, readOpen), { 'cache-control': 'no-cache' });
    },
    async getIncident({ params }) {
      const row = await findIncident(sql, params.incidentId);
      if (!row) throw new Problem('not-found', 'no such incident');
      const [timeline, { motion, telemetry }] = await Promise.all([readTimeline(sql, row.id), readEvidence(sql, row.id)]);
      return { ...presentIncident(row), timeline: timeline.map(presentEntry), telemetry, motion };
    },
  };
}

export function staffHandlers(services: IncidentServices): Part<'openIncident' | 'assignIncident' | 'arriveAtIncident' | 'noteIncident' | 'closeIncident'> {
  const { context, vehicles } = services;
  return {
    async openIncident(call) {
      const { body, idempotencyKey = v7() } = call;
      const by = subjectOf(call);
      const hash = requestHash(body);
      const key = `${by} ${idempotencyKey}`;
      const repeated = async () => {
        const known = await findByKey(context.database.sql, key);
        if (known && known.requestHash !== hash) throw new Problem('idempotency-key-reused');
        return known && presentIncident(known);
      };
      const before = await repeated();
      if (before) return before;
      const { position } = await vehicles.judgeParking({ params: { vehicleId: body.vehicleId }, query: {} });
      const now = context.clock.now();
      const row: IncidentRow = {
        id: v7(), kind: 'manual', state: 'open', severity: body.severity, vehicleId: body.vehicleId, bookingId: null, riderId: null, occurredAt: now, openedAt: now, closedAt: null,
        position, peakG: null, tamper: null, assignee: null, riderAnswer: null, askedAt: null, answerBy: null, resolution: null, lastAlertAt: now,
        disableCommandId: null, enableCommandId: null, idempotencyKey: key, requestHash: hash,
      };
      try {
        await change(services, async (current) => {
          await current.open(row, undefined, by, body.text);
          current.schedule('attach-telemetry', row.id, 0, { look: 0 });
        });
      } catch (error) {
        // The same request at the same moment was first.
        const first = await repeated();
        if (first) return first;
        throw error;
      }
      return presentIncident(row);
    },
    assignIncident: (call) =>
      changeOne(services, call.params.incidentId, async (current, row) => {
        const by = subjectOf(call);
        const assignee = call.body.assignee ?? by;
        const assigned = await current.advance(row, 'assigned', { assignee });
        await current.note(row, 'assigned', by, `${assignee} goes there`);
        return presentIncident(assigned);
      }),
    arriveAtIncident: (call) =>
      changeOne(services, call.params.incidentId, async (current, row) => {
        const arrived = await current.advance(row, 'arrived');
        await current.note(row, 'arrived', subjectOf(call), 'is there');
        return presentIncident(arrived);
      }),
    noteIncident: (call) =>
      changeOne(services, call.params.incidentId, async (current, row) => {
        if (row.state === 'closed') throw new Problem('incident-state', 'the incident is closed');
        const by = subjectOf(call);
        const entry = await current.note(row, 'note', by, call.body.text, `${by} ${call.idempotencyKey ?? v7()}`);
        if (entry.text !== call.body.text) throw new Problem('idempotency-key-reused');
        return presentEntry(entry);
      }),
    closeIncident: (call) =>
      changeOne(services, call.params.incidentId, async (current, row) => {
        const { resolution, enableVehicle } = call.body;
        const closed = await current.advance(row, 'closed', { closedAt: current.now, resolution, ...(enableVehicle && { enableCommandId: v7() }) });
        await current.note(row, 'closed', subjectOf(call), resolution);
        if (enableVehicle) current.schedule('enable-vehicle', row.id, 0);
        return presentIncident(closed);
      }),
  };
}
