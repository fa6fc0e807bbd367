/** The SQL of the Rollout service. */
import type { Sql, TransactionSql } from 'postgres';
import type { BundleManifest, KeySet, UpdateJobDocument } from '../../../edge/protocol/bundle.ts';
import type { RolloutState, StageReport, Thresholds } from './contract.ts';
import { underWay } from './domain/life-cycle.ts';

type AnySql = Sql | TransactionSql;

export interface BundleRow {
  id: string;
  kind: BundleManifest['kind'];
  version: string;
  sizeBytes: number;
  sha256: string;
  keyId: string;
  manifest: BundleManifest;
  createdAt: Date;
  createdBy: string;
  idempotencyKey: string;
}

/** What a stage remembers; counts are read from the targets. */
export interface Stage extends Pick<StageReport, 'percent' | 'startedAt' | 'soakUntil' | 'gate' | 'reasons' | 'health'> {
  soakFrom: string | null;
}

export interface RolloutRow {
  id: string;
  bundleId: string;
  kind: BundleManifest['kind'];
  cityId: string | null;
  state: RolloutState;
  stage: number;
  stages: Stage[];
  attempt: number;
  soakMinutes: number;
  approveEachStage: boolean;
  thresholds: Thresholds;
  reason: string | null;
  createdAt: Date;
  createdBy: string;
  updatedAt: Date;
  idempotencyKey: string;
  requestHash: string;
}

export interface SigningKeyRow {
  number: number;
  keyId: string;
  publicJwk: KeySet['keys'][number];
  keySet: string | null;
}

export const listSigningKeys = (sql: AnySql): Promise<SigningKeyRow[]> => sql<SigningKeyRow[]>`select * from signing_keys order by number`;

export const insertSigningKey = async (sql: AnySql, row: SigningKeyRow): Promise<void> => {
  await sql`insert into signing_keys ${sql({ ...row, publicJwk: sql.json(row.publicJwk as never) } as never)} on conflict (number) do nothing`;
};

/** One at a time changes the keys, or begins a rollout of a kind. */
export const lockName = async (sql: TransactionSql, name: string): Promise<void> => {
  await sql`select pg_advisory_xact_lock(hashtext(current_schema() || ${name}))`;
};

/** @returns the bundle of this kind and version: the new one, or the one that was there */
export async function insertBundle(sql: AnySql, row: BundleRow): Promise<BundleRow> {
  const [stored] = await sql<BundleRow[]>`
    insert into bundles ${sql({ ...row, manifest: sql.json(row.manifest as never) } as never)} on conflict (kind, version) do update set kind = excluded.kind returning *`;
  if (!stored) throw new Error('a bundle was neither stored nor found');
  return stored;
}

export async function findBundle(sql: AnySql, id: string): Promise<BundleRow | undefined> {
  const [row] = await sql<BundleRow[]>`select * from bundles where id = ${id}`;
  return row;
}

export const listBundles = (sql: AnySql, limit: number, before?: string): Promise<BundleRow[]> =>
  sql<BundleRow[]>`select * from bundles ${before === undefined ? sql`` : sql`where id < ${before}`} order by id desc limit ${limit}`;

const toColumns = (sql: AnySql, { stages, thresholds, ...values }: Partial<RolloutRow>) =>
  ({ ...values, ...(stages && { stages: sql.json(stages as never) }), ...(thresholds && { thresholds: sql.json(thresholds as never) }) }) as never;

export const insertRollout = async (sql: AnySql, row: RolloutRow): Promise<void> => {
  await sql`insert into rollouts ${sql(toColumns(sql, row))}`;
};

export const insertTargets = async (sql: AnySql, rolloutId: string, targets: { vehicleId: string; stage: number }[]): Promise<void> => {
  await sql`insert into targets (rollout_id, vehicle_id, stage) select ${rolloutId}, * from unnest(${targets.map(({ vehicleId }) => vehicleId)}::text[], ${targets.map(({ stage }) => stage)}::int[])`;
};

export async function findRollout(sql: AnySql, id: string): Promise<RolloutRow | undefined> {
  const [row] = await sql<RolloutRow[]>`select * from rollouts where id = ${id}`;
  return row;
}

/** For a change: nobody else changes the row until the transaction ends. */
export async function lockRollout(sql: TransactionSql, id: string): Promise<RolloutRow | undefined> {
  const [row] = await sql<RolloutRow[]>`select * from rollouts where id = ${id} for update`;
  return row;
}

export async function findByKey(sql: AnySql, createdBy: string, idempotencyKey: string): Promise<RolloutRow | undefined> {
  const [row] = await sql<RolloutRow[]>`select * from rollouts where created_by = ${createdBy} and idempotency_key = ${idempotencyKey}`;
  return row;
}

/** A rollout of the kind that reaches vehicles of the same city, and is not over. */
export async function findRival(sql: AnySql, kind: string, cityId: string | null): Promise<RolloutRow | undefined> {
  const [row] = await sql<RolloutRow[]>`
    select * from rollouts where kind = ${kind} and state = any(${underWay as string[]}) and (city_id is null or ${cityId}::text is null or city_id = ${cityId}) limit 1`;
  return row;
}

export const listRollouts = (sql: AnySql, limit: number, before?: string): Promise<RolloutRow[]> =>
  sql<RolloutRow[]>`select * from rollouts ${before === undefined ? sql`` : sql`where id < ${before}`} order by id desc limit ${limit}`;

export async function updateRollout(sql: AnySql, id: string, changes: Partial<RolloutRow>): Promise<RolloutRow> {
  const [row] = await sql<RolloutRow[]>`update rollouts set ${sql(toColumns(sql, changes))} where id = ${id} returning *`;
  if (!row) throw new Error(`rollout ${id} is gone`);
  return row;
}

export interface StageCounts {
  vehicles: number;
  queued: number;
  inProgress: number;
  succeeded: number;
  failed: number;
}
export interface UndoCounts {
  vehicles: number;
  undone: number;
  gaveUp: number;
  unsettled: number;
}
export const undoTries = 3;
const failedStatuses = ['FAILED', 'REJECTED', 'TIMED_OUT', 'REMOVED'];

/** By stage. */
export async function countTargets(sql: AnySql, rolloutId: string): Promise<Map<number, StageCounts>> {
  const rows = await sql<(StageCounts & { stage: number })[]>`
    select stage, count(*)::int as vehicles, (count(*) filter (where status = 'QUEUED'))::int as queued, (count(*) filter (where status = 'IN_PROGRESS'))::int as in_progress,
      (count(*) filter (where status = 'SUCCEEDED'))::int as succeeded, (count(*) filter (where status = any(${failedStatuses})))::int as failed
    from targets where rollout_id = ${rolloutId} group by stage`;
  return new Map(rows.map(({ stage, ...counts }) => [stage, counts]));
}

/** Those that have it, may have it, or did. */
const mayHave = (sql: AnySql) => sql`status in ('SUCCEEDED', 'IN_PROGRESS', 'TIMED_OUT')`;

export async function countUndo(sql: AnySql, rolloutId: string): Promise<UndoCounts> {
  const [row] = await sql<UndoCounts[]>`
    select (count(*) filter (where undo_status is not null or ${mayHave(sql)}))::int as vehicles, (count(*) filter (where undo_status = 'SUCCEEDED'))::int as undone,
      (count(*) filter (where undo_status = any(${failedStatuses}) and undo_attempt >= ${undoTries}))::int as gave_up, (count(*) filter (where status = 'QUEUED'))::int as unsettled
    from targets where rollout_id = ${rolloutId}`;
  return row ?? { vehicles: 0, undone: 0, gaveUp: 0, unsettled: 0 };
}

/** Whom a job of this stage is for: those that nobody has told yet, or whose job was cancelled. */
export async function listUntold(sql: AnySql, rolloutId: string, stage: number): Promise<string[]> {
  const rows = await sql<{ vehicleId: string }[]>`select vehicle_id from targets where rollout_id = ${rolloutId} and stage <= ${stage} and (status is null or status = 'CANCELED')`;
  return rows.map(({ vehicleId }) => vehicleId);
}

export const markTold = async (sql: AnySql, rolloutId: string, vehicleIds: string[], attempt: number): Promise<void> => {
  await sql`update targets set status = 'QUEUED', attempt = ${attempt}, version_number = 0 where rollout_id = ${rolloutId} and vehicle_id = any(${vehicleIds}) and attempt < ${attempt}`;
};

/** Who has it (`below` and with the stage), or who does not (later stages). */
export async function listByStage(sql: AnySql, rolloutId: string, stage: number, group: 'having' | 'control', limit: number): Promise<string[]> {
  const rows = await sql<{ vehicleId: string }[]>`
    select vehicle_id from targets where rollout_id = ${rolloutId} and ${group === 'having' ? sql`stage <= ${stage} and status = 'SUCCEEDED'` : sql`stage > ${stage} and status is null`} order by stage desc limit ${limit}`;
  return rows.map(({ vehicleId }) => vehicleId);
}

/** With the number of the try that is due for each. */
export const listToUndo = (sql: AnySql, rolloutId: string): Promise<{ vehicleId: string; attempt: number }[]> =>
  sql<{ vehicleId: string; attempt: number }[]>`
    select vehicle_id, undo_attempt + 1 as attempt from targets
    where rollout_id = ${rolloutId} and ((undo_status is null and ${mayHave(sql)}) or (undo_status = any(${failedStatuses}) and undo_attempt < ${undoTries}))`;

export const markUndoing = async (sql: AnySql, rolloutId: string, vehicleIds: string[], attempt: number): Promise<void> => {
  await sql`
    update targets set undo_status = 'QUEUED', undo_attempt = ${attempt}, undo_version_number = 0
    where rollout_id = ${rolloutId} and vehicle_id = any(${vehicleIds}) and undo_attempt < ${attempt}`;
};

export interface Execution {
  purpose: 'install' | 'undo';
  rolloutId: string;
  attempt: number;
  vehicleId: string;
  status: string;
  versionNumber: number;
}

/** What was said later counts, in whatever order it comes. */
export const recordExecutions = async (sql: AnySql, purpose: Execution['purpose'], executions: Execution[]): Promise<void> => {
  const rows = sql.json(executions as never);
  const told = sql`from jsonb_to_recordset(${rows}) as told("rolloutId" uuid, "vehicleId" text, attempt int, status text, "versionNumber" int)
    where targets.rollout_id = told."rolloutId" and targets.vehicle_id = told."vehicleId"`;
  if (purpose === 'install') {
    await sql`update targets set status = told.status, attempt = told.attempt, version_number = told."versionNumber" ${told} and (targets.attempt, targets.version_number) < (told.attempt, told."versionNumber")`;
  } else {
    await sql`update targets set undo_status = told.status, undo_attempt = told.attempt, undo_version_number = told."versionNumber" ${told} and (targets.undo_attempt, targets.undo_version_number) < (told.attempt, told."versionNumber")`;
  }
};

/** @returns what the job says: now, or since it was first written down */
export async function keepJob(sql: AnySql, job: { id: string; rolloutId: string; purpose: Execution['purpose']; document: UpdateJobDocument }): Promise<UpdateJobDocument> {
  const [row] = await sql<{ document: UpdateJobDocument }[]>`
    insert into jobs ${sql({ ...job, document: sql.json(job.document as never) } as never)} on conflict (id) do update set purpose = excluded.purpose returning document`;
  return row?.document ?? job.document;
}

export async function listJobs(sql: AnySql, rolloutId: string): Promise<{ id: string; purpose: Execution['purpose'] }[]> {
  return sql<{ id: string; purpose: Execution['purpose'] }[]>`select id, purpose from jobs where rollout_id = ${rolloutId} order by id`;
}
