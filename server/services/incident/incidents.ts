/** Changes of incidents: rows, timeline and events in one transaction; screens are told when it is committed. */
import type { ModuleContext } from '../../module.ts';
import type { Transaction } from '../../infra/sql/port.ts';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { bookingContract } from '../booking/contract.ts';
import type { telemetryContract } from '../telemetry/contract.ts';
import type { vehicleContract } from '../vehicle/contract.ts';
import { type Incident, incidentContract } from './contract.ts';
import { type IncidentEvent, next } from './domain/life-cycle.ts';
import { type EntryKind, type EntryRow, type IncidentRow, insertEntry, insertIncident, lockIncident, updateIncident } from './store.ts';
import type { IncidentStreams } from './stream.ts';

export interface IncidentServices {
  context: ModuleContext;
  streams: IncidentStreams;
  bookings: Client<typeof bookingContract.operations>;
  telemetry: Client<typeof telemetryContract.operations>;
  vehicles: Client<typeof vehicleContract.operations>;
}

export const system = 'system';

export const presentIncident = (row: IncidentRow): Incident => ({
  id: row.id, kind: row.kind, state: row.state, severity: row.severity, vehicleId: row.vehicleId, bookingId: row.bookingId,
  occurredAt: row.occurredAt.toISOString(), openedAt: row.openedAt.toISOString(), closedAt: row.closedAt?.toISOString() ?? null, position: row.position,
  peakG: row.peakG, tamper: row.tamper, assignee: row.assignee, riderAnswer: row.riderAnswer, resolution: row.resolution,
});

/** What happens to incidents within one transaction. Events are published once for each incident, as it is at the end. */
export class Change {
  readonly transaction: Transaction;
  readonly now: Date;
  readonly #touched = new Map<string, { row: IncidentRow; event: 'opened' | 'changed' | 'closed' }>();

  constructor(transaction: Transaction, now: Date) {
    this.transaction = transaction;
    this.now = now;
  }

  /** @param seconds from now */
  schedule(kind: string, incidentId: string, inMs: number, payload?: unknown): void {
    this.transaction.schedule({ kind, key: incidentId, dueAt: new Date(this.now.getTime() + inMs), ...(payload !== undefined && { payload }) });
  }

  /** @param key makes an entry that is written again the same entry */
  note(row: IncidentRow, kind: EntryKind, by: string, text: string, key: string | null = null): Promise<EntryRow> {
    return insertEntry(this.transaction.sql, row.id, { at: this.now, kind, by, text }, key);
  }

  async open(row: IncidentRow, motion: Parameters<typeof insertIncident>[2], by: string, text: string): Promise<void> {
    await insertIncident(this.transaction.sql, row, motion);
    this.#touched.set(row.id, { row, event: 'opened' });
    await this.note(row, 'opened', by, text);
  }

  async update(row: IncidentRow, changes: Partial<IncidentRow>): Promise<IncidentRow> {
    const changed = await updateIncident(this.transaction.sql, row.id, changes);
    const before = this.#touched.get(row.id)?.event;
    this.#touched.set(row.id, { row: changed, event: changed.state === 'closed' ? 'closed' : (before ?? 'changed') });
    return changed;
  }

  /** @throws Problem `incident-state` when the event is not allowed in the state */
  advance(row: IncidentRow, event: IncidentEvent, changes: Partial<IncidentRow> = {}): Promise<IncidentRow> {
    const state = next(row.state, event);
    if (!state) throw new Problem('incident-state', `the incident is ${row.state}`);
    return this.update(row, { ...changes, state });
  }

  /** Staff have to look at it; where they do already, nothing changes. */
  async escalate(row: IncidentRow, text: string): Promise<IncidentRow> {
    if (!next(row.state, 'escalated')) return row;
    await this.note(row, 'escalated', system, text);
    return this.advance(row, 'escalated');
  }

  callForHelp(row: IncidentRow): void {
    this.transaction.publish(incidentContract.events.helpNeeded, row.vehicleId, presentIncident(row));
  }

  /** Publishes what was touched. @returns the incidents as they are now */
  finish(): Incident[] {
    return [...this.#touched.values()].map(({ row, event }) => {
      const incident = presentIncident(row);
      this.transaction.publish(incidentContract.events[event], row.vehicleId, incident);
      return incident;
    });
  }
}

/** @param work may run again when the database asks for it */
export async function change<T>({ context, streams }: Pick<IncidentServices, 'context' | 'streams'>, work: (change: Change) => Promise<T>): Promise<T> {
  const { value, touched } = await context.database.transaction(async (transaction) => {
    const attempt = new Change(transaction, context.clock.now());
    return { value: await work(attempt), touched: attempt.finish() };
  });
  streams.offer(touched);
  return value;
}

/** Changes one incident. @throws Problem `not-found` */
export function changeOne<T>(services: Pick<IncidentServices, 'context' | 'streams'>, incidentId: string, work: (change: Change, row: IncidentRow) => Promise<T>): Promise<T> {
  return change(services, async (attempt) => {
    const row = await lockIncident(attempt.transaction.sql, incidentId);
    if (!row) throw new Problem('not-found', 'no such incident');
    return work(attempt, row);
  });
}
