import type { TransactionSql } from 'postgres';
import type { Pool } from '../sql/pool.ts';
import { everybody, partitionStart } from './batch.ts';
import type { Layout } from './columns.ts';
import { compactBucket, type CompactingOptions, mergeTotals } from './compacting.ts';
import type { SeriesDefinition } from './port.ts';
import { ensurePartitions, partitionStarts, partitionTable, type PartitionWidths, type SeriesTables } from './tables.ts';

/** So long ahead there are partitions already. */
const partitionsAhead = 2;
/** Totals of a partition that is still written to are added up when so many have come together. */
const manyTotals = 100;
/** Nobody who reads or writes waits longer for a table to be emptied or dropped; the next call tries again. */
const lockTimeout = '2s';

export interface PolicyOptions {
  pool: Pool;
  tables: SeriesTables;
  layout: Layout;
  definition: SeriesDefinition;
  widths: PartitionWidths;
  nowMs: number;
  /** Asked between the steps. */
  isEnough: () => boolean;
  onStep: (step: string) => void;
}

type Done = { created: number; compressed: number; dropped: number };

/** Another process applies the policies at this moment. */
const busy = Symbol('busy');

/** A step in a transaction that one process at a time may make. */
async function alone<T>({ pool, tables }: PolicyOptions, step: (transaction: TransactionSql) => Promise<T>): Promise<T | typeof busy> {
  return pool.transaction(async (transaction) => {
    // What a power cut forgets of a policy is done again: nothing waits for the disk.
    await transaction`select set_config('lock_timeout', ${lockTimeout}, true), set_config('synchronous_commit', 'off', true)`;
    const [lock] = await transaction<{ mine: boolean }[]>`select pg_try_advisory_xact_lock(hashtext(current_schema() || ' ' || ${tables.name} || ' policies')) as mine`;
    return lock?.mine ? step(transaction) : busy;
  });
}

/** Somebody reads or writes just there, and we would not wait any longer. */
const isLockTimeout = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === '55P03';

async function unlessLocked<T>(work: Promise<T>): Promise<T | typeof busy> {
  try {
    return await work;
  } catch (error) {
    if (!isLockTimeout(error)) throw error;
    return busy;
  }
}

const compactingOf = ({ tables, layout, definition, onStep }: PolicyOptions, isExpired: boolean): CompactingOptions => ({ tables, layout, aggregated: definition.aggregated, isExpired, onStep });

/** Partitions that take room in the loose table, in order of time. */
async function partitionsWithLoose({ pool: { sql }, tables }: PolicyOptions): Promise<number[]> {
  const rows = await sql<{ start: number }[]>`
    select substring(child.relname from ${tables.loose.length + 2}::integer)::bigint as start from pg_inherits join pg_class as child on child.oid = inhrelid
    where inhparent = to_regclass(${tables.loose}) and pg_relation_size(child.oid) > 0 order by start`;
  return rows.map(({ start }) => start);
}

/** @returns whether the partition is compact from end to end */
async function compress(options: PolicyOptions, partition: number, isExpired: boolean): Promise<boolean> {
  const { pool: { sql }, tables, isEnough, onStep } = options;
  const compacting = compactingOf(options, isExpired);
  if ((await alone(options, (transaction) => mergeTotals(transaction, compacting, partition))) === busy) return false;
  const table = partitionTable(tables.loose, partition);
  for (let bucket = everybody; ; ) {
    if (isEnough()) return false;
    const [next] = await sql<{ bucket: number }[]>`select bucket from ${sql(table)} where bucket > ${bucket} order by bucket limit 1`;
    if (!next) break;
    const rows = await alone(options, (transaction) => compactBucket(transaction, compacting, { partition, bucket: next.bucket }));
    if (rows === busy) return false;
    // The same once more, until nothing is left of it.
    bucket = rows === 0 ? next.bucket : next.bucket - 1;
  }
  onStep('the partition is about to be emptied');
  const emptied = await unlessLocked(alone(options, async (transaction) => {
    await transaction`lock table ${transaction(table)} in access exclusive mode`;
    const [left] = await transaction`select 1 from ${transaction(table)} limit 1`;
    if (left) return false;
    await transaction`truncate ${transaction(table)}`;
    onStep('the partition is emptied');
    return true;
  }));
  return emptied === true;
}

/** @returns whether the partition is gone */
async function drop(options: PolicyOptions, partition: number): Promise<boolean> {
  const { tables, onStep } = options;
  const [loose, compact] = [partitionTable(tables.loose, partition), partitionTable(tables.compact, partition)];
  const dropped = await unlessLocked(alone(options, async (transaction) => {
    // In the order in which writers lock, so that nobody waits for each other.
    await transaction`select 1 from time_series where name = ${tables.name} for update`;
    const [left] = await transaction`select 1 from ${transaction(loose)} limit 1`;
    if (left) return false;
    const [kept] = await transaction<{ rows: number }[]>`select coalesce(sum(rows), 0)::bigint as rows from ${transaction(compact)}`;
    await transaction`drop table ${transaction(loose)}, ${transaction(compact)}`;
    onStep('the partition is dropped');
    await transaction`update time_series set rows = rows - ${kept?.rows ?? 0} where name = ${tables.name}`;
    onStep('its rows are counted out');
    return true;
  }));
  return dropped === true;
}

async function dropSums(options: PolicyOptions): Promise<void> {
  const { pool: { sql }, tables, definition, widths, nowMs } = options;
  for (const start of await partitionStarts(sql, tables.sums)) {
    if (start + widths.sumsPartitionMs + Math.max(definition.retainAggregatesForMs, definition.retainForMs) > nowMs) return;
    await unlessLocked(alone(options, (transaction) => transaction`drop table ${transaction(partitionTable(tables.sums, start))}`));
  }
}

/** Adds up the totals of partitions that are still written to. */
async function mergeRecentTotals(options: PolicyOptions, partitions: readonly number[]): Promise<void> {
  const { pool: { sql }, tables } = options;
  for (const partition of partitions) {
    const [count] = await sql<{ totals: number }[]>`select count(*)::integer as totals from ${sql(partitionTable(tables.loose, partition))} where bucket = ${everybody}`;
    if ((count?.totals ?? 0) >= manyTotals) await alone(options, (transaction) => mergeTotals(transaction, compactingOf(options, false), partition));
    if (options.isEnough()) return;
  }
}

export async function applyPolicies(options: PolicyOptions): Promise<Done> {
  const { pool, tables, definition, widths, nowMs, isEnough } = options;
  const { sql } = pool;
  const { partitionMs } = widths;
  const current = partitionStart(nowMs, partitionMs);
  const created = await ensurePartitions(pool, tables, Array.from({ length: 1 + partitionsAhead }, (_, index) => current + index * partitionMs), widths);
  const done: Done = { created, compressed: 0, dropped: 0 };
  const endedBefore = (start: number, ageMs: number) => start + partitionMs + ageMs <= nowMs;
  const isExpired = (start: number) => endedBefore(start, definition.retainForMs);
  const loose = await partitionsWithLoose(options);
  await mergeRecentTotals(options, loose.filter((start) => !endedBefore(start, definition.compressAfterMs)));
  for (const start of loose) {
    if (isEnough()) return done;
    if (isExpired(start) || endedBefore(start, definition.compressAfterMs)) done.compressed += (await compress(options, start, isExpired(start))) ? 1 : 0;
  }
  for (const start of await partitionStarts(sql, tables.loose)) {
    if (isEnough() || !isExpired(start)) break;
    done.dropped += (await drop(options, start)) ? 1 : 0;
  }
  if (!isEnough()) await dropSums(options);
  return done;
}
