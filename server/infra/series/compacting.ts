/** Rewrites loose segments of one bucket as compact ones, in a transaction. */
import type { TransactionSql } from 'postgres';
import { everybody, subjectsPerBucket } from './batch.ts';
import { type Block, type ColumnArray, emptyBlock, emptyColumn, type Layout, readLooseInto, valueAt } from './columns.ts';
import { pack } from './compact.ts';
import { CopyBuffer, copyInto, copyRowBytes } from './copy.ts';
import { packedKinds, type Run, runOf } from './rows.ts';
import { addSummaries, addValue, packSummaries, readRawSummaries, type Summaries, Summing, unpackSummaries } from './summaries.ts';
import { partitionTable, type SeriesTables } from './tables.ts';

/** So many rows are in memory at once. */
const rowsAtOnce = 131_072;
/** So many rows of a subject share a compact segment at the most … */
const compactRows = 2048;
/** … and one with fewer takes in the rows that come after it. */
const smallRows = 1024;

export interface CompactingOptions {
  tables: SeriesTables;
  layout: Layout;
  aggregated: readonly string[];
  /** Only the sums are kept: the rows are too old to be. */
  isExpired: boolean;
  /** Told after each step, before the next. */
  onStep: (step: string) => void;
}

interface Place {
  partition: number;
  bucket: number;
}

interface LooseRow {
  write: number;
  rows: number;
  data: Buffer;
}

/** Oldest writes first, as many as fit into memory. */
const looseOf = (sql: TransactionSql, table: string, bucket: number): Promise<LooseRow[]> => sql<LooseRow[]>`
  select write, rows, data from ${sql(table)} where bucket = ${bucket} and write <= (
    select max(write) from (select write, sum(rows) over (order by write) - rows as before from ${sql(table)} where bucket = ${bucket}) as counted where before < ${rowsAtOnce})
  order by write`;

/** Rows of one subject, sorted. */
interface Sorted {
  timeMs: Int32Array;
  sequence: Float64Array;
  columns: ColumnArray[];
}

/** Puts rows of several runs into one, in the order of time and sequence. */
function merged(runs: readonly Run[], layout: Layout): Sorted {
  const rows = runs.reduce((sum, run) => sum + run.rows, 0);
  const [timeMs, sequence] = [new Int32Array(rows), new Float64Array(rows)];
  const [fromRun, fromRow] = [new Uint32Array(rows), new Uint32Array(rows)];
  let count = 0;
  let isSorted = true;
  for (const [index, run] of runs.entries()) {
    for (let row = 0; row < run.rows; row++, count++) {
      const at = run.mine ? (run.mine[row] as number) : row;
      timeMs[count] = run.timeMs[at] as number;
      sequence[count] = run.sequence[at] as number;
      fromRun[count] = index;
      fromRow[count] = at;
      if (count > 0 && !((timeMs[count - 1] as number) < (timeMs[count] as number) || (timeMs[count - 1] === timeMs[count] && (sequence[count - 1] as number) < (sequence[count] as number)))) isSorted = false;
    }
  }
  const order = Uint32Array.from({ length: rows }, (_, index) => index);
  if (!isSorted) order.sort((one, other) => (timeMs[one] as number) - (timeMs[other] as number) || (sequence[one] as number) - (sequence[other] as number));
  const columns = layout.map(([, kind], column) => {
    const values = emptyColumn(kind, rows);
    for (let index = 0; index < rows; index++) {
      const at = order[index] as number;
      values[index] = ((runs[fromRun[at] as number] as Run).columns[column] as ColumnArray)[fromRow[at] as number] as number;
    }
    return values;
  });
  return isSorted ? { timeMs, sequence, columns } : { timeMs: Int32Array.from(order, (at) => timeMs[at] as number), sequence: Float64Array.from(order, (at) => sequence[at] as number), columns };
}

/** Rows of a block by subject, in the order in which they came. */
function bySubject(block: Block): Map<number, Uint32Array> {
  const counts = new Uint32Array(subjectsPerBucket);
  for (let row = 0; row < block.rows; row++) counts[block.subject[row] as number] = (counts[block.subject[row] as number] as number) + 1;
  const rows = new Map<number, Uint32Array>();
  for (const [subject, count] of counts.entries()) if (count > 0) rows.set(subject, new Uint32Array(count));
  const filled = new Uint32Array(subjectsPerBucket);
  for (let row = 0; row < block.rows; row++) {
    const subject = block.subject[row] as number;
    const at = filled[subject] as number;
    (rows.get(subject) as Uint32Array)[at] = row;
    filled[subject] = at + 1;
  }
  return rows;
}

interface Segment {
  subject: number;
  fromMs: number;
  toMs: number;
  rows: number;
  data: Buffer;
}

async function segmentsOf(subject: number, partition: number, { timeMs, sequence, columns }: Sorted, layout: Layout): Promise<Segment[]> {
  const pieces = Math.ceil(timeMs.length / compactRows);
  const segments: Segment[] = [];
  for (let piece = 0; piece < pieces; piece++) {
    const [begin, end] = [Math.floor((piece * timeMs.length) / pieces), Math.floor(((piece + 1) * timeMs.length) / pieces)];
    const data = await pack(packedKinds(layout), [timeMs, sequence, ...columns].map((values) => values.subarray(begin, end)));
    segments.push({ subject, fromMs: partition + (timeMs[begin] as number), toMs: partition + (timeMs[end - 1] as number), rows: end - begin, data });
  }
  return segments;
}

function sumsOf({ partition, layout, aggregated }: { partition: number; layout: Layout; aggregated: readonly string[] }, block: Block, rows: Uint32Array): Summaries {
  const summing = new Summing(aggregated.length);
  const columns = aggregated.map((name) => layout.findIndex(([candidate]) => candidate === name));
  for (const row of rows) {
    const atMs = partition + (block.timeMs[row] as number);
    const sum = summing.row(atMs);
    for (let index = 0; index < columns.length; index++) {
      const column = columns[index] as number;
      const value = valueAt((layout[column] as Layout[number])[1], block.columns[column] as ColumnArray, row);
      if (value !== null) addValue(sum, index, value, atMs, block.sequence[row] as number);
    }
  }
  return summing.sums;
}

async function insertCompact(sql: TransactionSql, { tables, partition, segments }: { tables: SeriesTables; partition: number; segments: readonly Segment[] }): Promise<void> {
  const copy = new CopyBuffer(segments.reduce((sum, { data }) => sum + copyRowBytes(3, 2) + data.length, 0));
  for (const { subject, fromMs, toMs, rows, data } of segments) {
    copy.beginRow(6);
    for (const value of [partition, fromMs, toMs]) copy.wide(value);
    for (const value of [subject, rows]) copy.narrow(value);
    copy.variable(data.length, (target, at) => at + data.copy(target, at));
  }
  await copyInto(sql, `copy ${tables.compact} (partition_ms, from_ms, to_ms, subject, rows, data) from stdin (format binary)`, copy.finish());
}

/** Adds sums of subjects to those that are there. */
async function addToSums(sql: TransactionSql, { tables, aggregated }: CompactingOptions, partition: number, added: ReadonlyMap<number, Summaries>): Promise<void> {
  const there = await sql<{ subject: number; data: Buffer }[]>`
    delete from ${sql(tables.sums)} where partition_ms = ${partition} and subject = any(${[...added.keys()]}::integer[]) returning subject, data`;
  for (const { subject, data } of there) addSummaries(added.get(subject) as Summaries, unpackSummaries(data, aggregated.length));
  const packed: { subject: number; data: Buffer }[] = [];
  for (const [subject, sums] of added) packed.push({ subject, data: await packSummaries(sums, aggregated.length) });
  const copy = new CopyBuffer(packed.reduce((sum, { data }) => sum + copyRowBytes(1, 1) + data.length, 0));
  for (const { subject, data } of packed) {
    copy.beginRow(3);
    copy.wide(partition);
    copy.narrow(subject);
    copy.variable(data.length, (target, at) => at + data.copy(target, at));
  }
  await copyInto(sql, `copy ${tables.sums} (partition_ms, subject, data) from stdin (format binary)`, copy.finish());
}

/** Takes out the compact segments of a subject that its new rows fall into or may be added to. */
async function takeCompact(sql: TransactionSql, { tables, layout }: CompactingOptions, { partition, bucket }: Place, ranges: ReadonlyMap<number, { fromMs: number; toMs: number }>): Promise<Map<number, Run[]>> {
  const rows = [...ranges].map(([subject, range]) => ({ subject: bucket * subjectsPerBucket + subject, ...range }));
  const taken = await sql<(Segment & { partitionMs: number })[]>`
    delete from ${sql(partitionTable(tables.compact, partition))} as compact
    using unnest(${rows.map(({ subject }) => subject)}::integer[], ${rows.map(({ fromMs }) => fromMs)}::bigint[], ${rows.map(({ toMs }) => toMs)}::bigint[]) as range (subject, from_ms, to_ms)
    where compact.subject = range.subject and (compact.rows < ${smallRows} or (compact.to_ms >= range.from_ms and compact.from_ms <= range.to_ms))
    returning compact.partition_ms, compact.subject, compact.from_ms, compact.to_ms, compact.rows, compact.data`;
  const runs = new Map<number, Run[]>();
  for (const segment of taken) {
    const subject = segment.subject % subjectsPerBucket;
    runs.set(subject, [...(runs.get(subject) ?? []), runOf(segment, layout)]);
  }
  return runs;
}

/** @returns how many rows were rewritten; 0 when there was nothing to do */
export async function compactBucket(sql: TransactionSql, options: CompactingOptions, place: Place): Promise<number> {
  const { tables, layout, aggregated, isExpired, onStep } = options;
  const { partition, bucket } = place;
  const table = partitionTable(tables.loose, partition);
  const loose = await looseOf(sql, table, bucket);
  const rows = loose.reduce((sum, segment) => sum + segment.rows, 0);
  if (rows === 0) return 0;
  const block = emptyBlock(rows, layout);
  let first = 0;
  for (const segment of loose) {
    readLooseInto(block, first, segment.data, segment.rows);
    first += segment.rows;
  }
  const subjects = bySubject(block);
  onStep('loose rows are read');
  await addToSums(sql, options, partition, new Map([...subjects].map(([subject, mine]) => [bucket * subjectsPerBucket + subject, sumsOf({ partition, layout, aggregated }, block, mine)])));
  onStep('sums are written');
  if (isExpired) await sql`update time_series set rows = rows - ${rows} where name = ${tables.name}`;
  else await rewrite(sql, options, place, { block, subjects });
  onStep('compact rows are written');
  await sql`delete from ${sql(table)} where bucket = ${bucket} and write <= ${(loose.at(-1) as LooseRow).write}`;
  onStep('loose rows are deleted');
  return rows;
}

async function rewrite(sql: TransactionSql, options: CompactingOptions, place: Place, { block, subjects }: { block: Block; subjects: ReadonlyMap<number, Uint32Array> }): Promise<void> {
  const { tables, layout } = options;
  const { partition, bucket } = place;
  const ranges = new Map([...subjects].map(([subject, mine]) => {
    let [fromMs, toMs] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
    for (const row of mine) {
      fromMs = Math.min(fromMs, partition + (block.timeMs[row] as number));
      toMs = Math.max(toMs, partition + (block.timeMs[row] as number));
    }
    return [subject, { fromMs, toMs }];
  }));
  const before = await takeCompact(sql, options, place, ranges);
  const segments: Segment[] = [];
  for (const [subject, mine] of subjects) {
    const fresh: Run = { partition, rows: mine.length, timeMs: block.timeMs, sequence: block.sequence, columns: block.columns, mine };
    segments.push(...(await segmentsOf(bucket * subjectsPerBucket + subject, partition, merged([...(before.get(subject) ?? []), fresh], layout), layout)));
  }
  await insertCompact(sql, { tables, partition, segments });
}

/** Adds up the sums over all subjects that came with writes. @returns how many there were */
export async function mergeTotals(sql: TransactionSql, options: CompactingOptions, partition: number): Promise<number> {
  const { tables, aggregated, onStep } = options;
  const table = partitionTable(tables.loose, partition);
  const totals = await sql<{ data: Buffer }[]>`delete from ${sql(table)} where bucket = ${everybody} returning data`;
  if (totals.length === 0) return 0;
  onStep('totals are taken');
  const sums: Summaries = new Map();
  for (const { data } of totals) addSummaries(sums, readRawSummaries(data, aggregated.length));
  await addToSums(sql, options, partition, new Map([[everybody, sums]]));
  onStep('totals are added up');
  return totals.length;
}
