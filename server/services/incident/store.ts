/** The SQL of Incident Management. */
import type { Sql, TransactionSql } from 'postgres';
import type { z } from 'zod';
import type { AlertMessage } from '../../../edge/protocol/messages.ts';
import type { Position } from '../../wire/schemas.ts';
import type { TrackPoint } from '../telemetry/contract.ts';
import type { Incident, IncidentState, TimelineEntry } from './contract.ts';

type AnySql = Sql | TransactionSql;
type Track = z.infer<typeof TrackPoint>[];
type Motion = NonNullable<AlertMessage['motion']>;
export type EntryKind = z.infer<typeof TimelineEntry>['kind'];

export interface IncidentRow {
  id: string;
  kind: Incident['kind'];
  state: IncidentState;
  severity: Incident['severity'];
  vehicleId: string;
  bookingId: string | null;
  riderId: string | null;
  occurredAt: Date;
  openedAt: Date;
  closedAt: Date | null;
  position: Position;
  peakG: number | null;
  tamper: Incident['tamper'];
  assignee: string | null;
  riderAnswer: Incident['riderAnswer'];
  askedAt: Date | null;
  answerBy: Date | null;
  resolution: string | null;
  lastAlertAt: Date;
  disableCommandId: string | null;
  enableCommandId: string | null;
  idempotencyKey: string | null;
  requestHash: string | null;
}

export interface EntryRow {
  at: Date;
  kind: EntryKind;
  by: string;
  text: string;
}

const toColumns = (sql: AnySql, { position, ...values }: Partial<IncidentRow>) => ({ ...values, ...(position && { position: sql.json(position) }) }) as never;

export async function insertIncident(sql: AnySql, row: IncidentRow, motion: Motion | undefined): Promise<void> {
  await sql`insert into incidents ${sql(toColumns(sql, row))}`;
  await sql`insert into evidence (incident_id, motion) values (${row.id}, ${motion ? sql.json(motion) : null})`;
}

export async function updateIncident(sql: AnySql, id: string, changes: Partial<IncidentRow>): Promise<IncidentRow> {
  const [row] = await sql<IncidentRow[]>`update incidents set ${sql(toColumns(sql, changes))} where id = ${id} returning *`;
  if (!row) throw new Error(`incident ${id} is gone`);
  return row;
}

export async function findIncident(sql: AnySql, id: string): Promise<IncidentRow | undefined> {
  const [row] = await sql<IncidentRow[]>`select * from incidents where id = ${id}`;
  return row;
}

/** So many entries back is looked for changes: far more than are made in a second. */
export const mostLookedAt = 200;

/** The incidents that changed last, whichever process did it: each change is an entry of the timeline. */
export const recentlyChanged = (sql: AnySql): Promise<IncidentRow[]> =>
  sql<IncidentRow[]>`select * from incidents where id in (select incident_id from timeline order by number desc limit ${mostLookedAt})`;

/** For a change: nobody else changes the row until the transaction ends. */
export async function lockIncident(sql: TransactionSql, id: string): Promise<IncidentRow | undefined> {
  const [row] = await sql<IncidentRow[]>`select * from incidents where id = ${id} for update`;
  return row;
}

export async function findByKey(sql: AnySql, idempotencyKey: string): Promise<IncidentRow | undefined> {
  const [row] = await sql<IncidentRow[]>`select * from incidents where idempotency_key = ${idempotencyKey}`;
  return row;
}

/** The newest open incident that alerts of this vehicle may join, locked. */
export async function lockOpenOf(sql: TransactionSql, vehicleId: string): Promise<IncidentRow | undefined> {
  const [row] = await sql<IncidentRow[]>`
    select * from incidents where vehicle_id = ${vehicleId} and state <> 'closed' and kind <> 'manual' order by last_alert_at desc limit 1 for update`;
  return row;
}

export interface ListOptions {
  state?: IncidentState | undefined;
  open?: boolean | undefined;
  vehicleId?: string | undefined;
  /** The id of the last incident of the page before. */
  before?: string | undefined;
  limit: number;
}

/** Newest first. */
export function listIncidents(sql: AnySql, { state, open, vehicleId, before, limit }: ListOptions): Promise<IncidentRow[]> {
  return sql<IncidentRow[]>`
    select * from incidents where true
    ${before === undefined ? sql`` : sql`and id < ${before}`}
    ${state === undefined ? sql`` : sql`and state = ${state}`}
    ${open === undefined ? sql`` : open ? sql`and state <> 'closed'` : sql`and state = 'closed'`}
    ${vehicleId === undefined ? sql`` : sql`and vehicle_id = ${vehicleId}`}
    order by id desc limit ${limit}`;
}

export const checksOf = (sql: AnySql, riderId: string, askedAfter: Date): Promise<IncidentRow[]> =>
  sql<IncidentRow[]>`select * from incidents where rider_id = ${riderId} and state <> 'closed' and asked_at > ${askedAfter} order by id desc`;

/** @returns whether this alert is new */
export async function isNewAlert(sql: AnySql, alertId: string): Promise<boolean> {
  return (await sql`select 1 from alerts where id = ${alertId}`).length === 0;
}

export const rememberAlert = async (sql: AnySql, alertId: string, incidentId: string): Promise<void> => {
  await sql`insert into alerts (id, incident_id) values (${alertId}, ${incidentId})`;
};

export const writeMotion = async (sql: AnySql, incidentId: string, motion: Motion): Promise<void> => {
  await sql`update evidence set motion = ${sql.json(motion)} where incident_id = ${incidentId}`;
};

export const writeTelemetry = async (sql: AnySql, incidentId: string, telemetry: Track): Promise<void> => {
  await sql`update evidence set telemetry = ${sql.json(telemetry as never)} where incident_id = ${incidentId}`;
};

export async function readEvidence(sql: AnySql, incidentId: string): Promise<{ motion: Motion | null; telemetry: Track }> {
  const [row] = await sql<{ motion: Motion | null; telemetry: Track }[]>`select motion, telemetry from evidence where incident_id = ${incidentId}`;
  return row ?? { motion: null, telemetry: [] };
}

/** @returns the entry of this key: the new one, or the one that was there */
export async function insertEntry(sql: AnySql, incidentId: string, entry: EntryRow, idempotencyKey: string | null): Promise<EntryRow> {
  const [row] = await sql<EntryRow[]>`
    insert into timeline (incident_id, at, kind, by, text, idempotency_key) values (${incidentId}, ${entry.at}, ${entry.kind}, ${entry.by}, ${entry.text}, ${idempotencyKey})
    on conflict (incident_id, idempotency_key) do update set incident_id = excluded.incident_id returning at, kind, by, text`;
  if (!row) throw new Error('an entry was neither stored nor found');
  return row;
}

export const readTimeline = (sql: AnySql, incidentId: string): Promise<EntryRow[]> => sql<EntryRow[]>`select at, kind, by, text from timeline where incident_id = ${incidentId} order by number`;

/** Forgets a person: who it was and what was said; what happened stays. */
export async function erasePerson(sql: AnySql, riderId: string): Promise<void> {
  await sql`update timeline set by = 'erased', text = '' where by = ${riderId}`;
  await sql`update incidents set rider_id = null where rider_id = ${riderId}`;
}
