/** The SQL of jobs. */
import type { Sql, TransactionSql } from 'postgres';
import type { JobExecutionStatus } from '../domain/jobs.ts';

type AnySql = Sql | TransactionSql;

export interface ExecutionRow {
  jobId: string;
  vehicleId: string;
  status: JobExecutionStatus;
  statusDetails: Record<string, string>;
  versionNumber: number;
  executionNumber: number;
  queuedAt: Date;
  startedAt: Date | null;
  updatedAt: Date;
  timesOutAt: Date | null;
}

/** With what to do. */
export interface PendingRow extends ExecutionRow {
  document: Record<string, unknown>;
  inProgressTimeoutMinutes: number | null;
}

const columns = ['job_id', 'vehicle_id', 'status', 'status_details', 'version_number', 'execution_number', 'queued_at', 'started_at', 'updated_at', 'times_out_at'];

/** @returns the document that the job has, which may be another */
export async function insertJob(sql: AnySql, job: { id: string; document: Record<string, unknown>; inProgressTimeoutMinutes: number | null; createdAt: Date }): Promise<Record<string, unknown>> {
  await sql`
    insert into jobs (id, document, in_progress_timeout_minutes, created_at)
    values (${job.id}, ${sql.json(job.document as never)}, ${job.inProgressTimeoutMinutes}, ${job.createdAt}) on conflict (id) do nothing`;
  const [row] = await sql<{ document: Record<string, unknown> }[]>`select document from jobs where id = ${job.id}`;
  return row?.document ?? {};
}

/** @returns the vehicles that were no targets before */
export async function insertExecutions(sql: AnySql, jobId: string, vehicleIds: readonly string[], now: Date): Promise<string[]> {
  const rows = await sql<{ vehicleId: string }[]>`
    insert into job_executions (job_id, vehicle_id, status, queued_at, updated_at)
    select ${jobId}, vehicle_id, 'QUEUED', ${now}, ${now} from unnest(${vehicleIds as string[]}::text[]) as targets(vehicle_id)
    on conflict (job_id, vehicle_id) do nothing returning vehicle_id`;
  return rows.map(({ vehicleId }) => vehicleId);
}

export async function jobExists(sql: AnySql, jobId: string): Promise<boolean> {
  return (await sql`select 1 from jobs where id = ${jobId}`).length > 0;
}

/** What vehicles have to do, what is under way first, then in the order of queueing. */
export function pendingOf(sql: AnySql, vehicleIds: readonly string[]): Promise<PendingRow[]> {
  return sql<PendingRow[]>`
    select ${sql(columns.map((column) => `job_executions.${column}`))}, document, in_progress_timeout_minutes
    from job_executions join jobs on jobs.id = job_executions.job_id
    where vehicle_id = any(${vehicleIds as string[]}) and status in ('QUEUED', 'IN_PROGRESS')
    order by vehicle_id, status = 'QUEUED', execution_number`;
}

/** Locked until the transaction ends. */
export async function lockExecution(sql: TransactionSql, jobId: string, vehicleId: string): Promise<PendingRow | undefined> {
  const [row] = await sql<PendingRow[]>`
    select ${sql(columns.map((column) => `job_executions.${column}`))}, document, in_progress_timeout_minutes
    from job_executions join jobs on jobs.id = job_executions.job_id
    where job_id = ${jobId} and vehicle_id = ${vehicleId} for update of job_executions`;
  return row;
}

export async function writeExecution(sql: TransactionSql, row: ExecutionRow): Promise<void> {
  await sql`
    update job_executions set status = ${row.status}, status_details = ${sql.json(row.statusDetails)}, version_number = ${row.versionNumber},
      started_at = ${row.startedAt}, updated_at = ${row.updatedAt}, times_out_at = ${row.timesOutAt}
    where job_id = ${row.jobId} and vehicle_id = ${row.vehicleId}`;
}

/** @returns those that were cancelled */
export function cancelExecutions(sql: TransactionSql, jobId: string, statuses: readonly JobExecutionStatus[], now: Date): Promise<ExecutionRow[]> {
  return sql<ExecutionRow[]>`
    update job_executions set status = 'CANCELED', version_number = version_number + 1, updated_at = ${now}, times_out_at = null
    where job_id = ${jobId} and status = any(${statuses as JobExecutionStatus[]}::text[]) returning ${sql(columns)}`;
}

export function listExecutions(sql: AnySql, jobId: string, after: string | undefined, limit: number): Promise<ExecutionRow[]> {
  return sql<ExecutionRow[]>`select ${sql(columns)} from job_executions where job_id = ${jobId} and vehicle_id > ${after ?? ''} order by vehicle_id limit ${limit}`;
}

export async function countExecutions(sql: AnySql, jobId: string): Promise<Record<string, number>> {
  const rows = await sql<{ status: string; count: number }[]>`select status, count(*)::int as count from job_executions where job_id = ${jobId} group by status`;
  return Object.fromEntries(rows.map(({ status, count }) => [status, count]));
}
