/** The tables of one series in PostgreSQL, and their partitions. */
import type { Sql, TransactionSql } from 'postgres';
import type { Pool } from '../sql/pool.ts';
import { layoutOf } from './columns.ts';
import type { SeriesDefinition } from './port.ts';

/** Aggregates are kept for long, so their partitions are wider: about this many. */
const summaryPartitions = 50;
const longestPartitionMs = 2 ** 31 - 1;
const longestName = 30;

/** Names of the tables of a series; its rows lie in `loose` and `compact`, its aggregates in `sums`. */
export interface SeriesTables {
  name: string;
  subjects: string;
  loose: string;
  compact: string;
  sums: string;
}

export const tablesOf = (name: string): SeriesTables => ({ name, subjects: `${name}_subjects`, loose: `${name}_loose`, compact: `${name}_compact`, sums: `${name}_sums` });

/** @throws TypeError when a definition cannot be kept */
export function checkDefinition(definition: SeriesDefinition): void {
  const { name, columns, partitionMs, aggregated, ...durations } = definition;
  if (!/^[a-z][a-z0-9_]*$/.test(name) || name.length > longestName) throw new TypeError(`the name ${name} is not of 1 to ${longestName} lower case letters, digits and underscores`);
  if (!(Number.isInteger(partitionMs) && partitionMs >= 1000 && partitionMs <= longestPartitionMs)) throw new TypeError(`a partition of ${partitionMs} ms is not between a second and 24 days`);
  for (const [duration, value] of Object.entries(durations)) if (!(value >= 0)) throw new TypeError(`${duration} is ${value}`);
  for (const column of aggregated) if (!(column in columns)) throw new TypeError(`the aggregated column ${column} is not there`);
}

/** What cannot be changed any more once rows are there. */
const shapeOf = ({ columns, partitionMs, aggregated }: SeriesDefinition): string => JSON.stringify({ columns: layoutOf(columns), partitionMs, aggregated: [...aggregated].sort() });

/**
 * Makes the tables, or checks that they are for the same columns.
 * @param pool as the role of the owner, in its schema
 * @returns the width of the partitions of `sums`
 */
export async function prepareTables(pool: Pool, definition: SeriesDefinition): Promise<{ sumsPartitionMs: number }> {
  const { name, partitionMs, retainAggregatesForMs } = definition;
  const { subjects, loose, compact, sums } = tablesOf(name);
  const shape = shapeOf(definition);
  return pool.transaction(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(hashtext(current_schema() || ' time series'))`;
    await transaction`
      create table if not exists time_series (
        name text primary key, shape text not null, sums_partition_ms bigint not null,
        writes bigint not null default 0, rows bigint not null default 0, newest_ms bigint not null default -9007199254740991)`;
    const [known] = await transaction<{ shape: string; sumsPartitionMs: number }[]>`select shape, sums_partition_ms from time_series where name = ${name}`;
    if (known && known.shape !== shape) throw new Error(`the series ${name} was made as ${known.shape} and cannot be opened as ${shape}`);
    if (known) return { sumsPartitionMs: known.sumsPartitionMs };
    const sumsPartitionMs = partitionMs * Math.max(1, Math.ceil(retainAggregatesForMs / partitionMs / summaryPartitions));
    await transaction`insert into time_series (name, shape, sums_partition_ms) values (${name}, ${shape}, ${sumsPartitionMs})`;
    await transaction.unsafe(`
      create table ${subjects} (id integer generated always as identity (minvalue 0 start 0) primary key, subject text not null unique);
      create table ${loose} (partition_ms bigint not null, write bigint not null, from_ms bigint not null, to_ms bigint not null, bucket integer not null, rows integer not null, data bytea not null)
        partition by list (partition_ms);
      alter table ${loose} alter column data set storage external;
      create index on ${loose} (bucket, to_ms);
      create table ${compact} (partition_ms bigint not null, from_ms bigint not null, to_ms bigint not null, subject integer not null, rows integer not null, data bytea not null)
        partition by list (partition_ms);
      alter table ${compact} alter column data set storage external;
      create index on ${compact} (subject, to_ms);
      create table ${sums} (partition_ms bigint not null, subject integer not null, data bytea not null, primary key (subject, partition_ms)) partition by range (partition_ms);
      alter table ${sums} alter column data set storage external`);
    return { sumsPartitionMs };
  });
}

/** @param start not before 1970 */
export const partitionTable = (parent: string, start: number): string => `${parent}_${start}`;

/** Beginnings of the partitions that a table has, in order. */
export async function partitionStarts(sql: Sql | TransactionSql, parent: string): Promise<number[]> {
  const rows = await sql<{ name: string }[]>`select child.relname as name from pg_inherits join pg_class child on child.oid = inhrelid where inhparent = to_regclass(${parent})`;
  return rows.map(({ name }) => Number(name.slice(parent.length + 1))).sort((one, other) => one - other);
}

/** Attaching waits for nobody who reads or writes other partitions; making a partition in place would. */
async function attach(transaction: TransactionSql, parent: string, start: number, values: string, storage: string): Promise<void> {
  const table = partitionTable(parent, start);
  await transaction.unsafe(`create table ${table} (like ${parent} including all) ${storage}; alter table ${parent} attach partition ${table} for values ${values}`);
}

export interface PartitionWidths {
  partitionMs: number;
  sumsPartitionMs: number;
}

/** Loose segments stay in the row: a read of many would otherwise look up each of them a second time. */
const inRow = 'with (toast_tuple_target = 8160)';

/** Makes the partitions that are missing. @returns how many were */
export async function ensurePartitions(pool: Pool, tables: SeriesTables, starts: readonly number[], { sumsPartitionMs }: PartitionWidths): Promise<number> {
  return pool.transaction(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(hashtext(current_schema() || ' time series'))`;
    const [known, knownSums] = [new Set(await partitionStarts(transaction, tables.loose)), new Set(await partitionStarts(transaction, tables.sums))];
    const missing = starts.filter((start) => !known.has(start));
    for (const start of missing) {
      await attach(transaction, tables.loose, start, `in (${start})`, inRow);
      await attach(transaction, tables.compact, start, `in (${start})`, '');
      const sumsStart = Math.floor(start / sumsPartitionMs) * sumsPartitionMs;
      if (knownSums.has(sumsStart)) continue;
      knownSums.add(sumsStart);
      await attach(transaction, tables.sums, sumsStart, `from (${sumsStart}) to (${sumsStart + sumsPartitionMs})`, '');
    }
    return missing.length;
  });
}
