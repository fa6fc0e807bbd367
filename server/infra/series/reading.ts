import type { Sql } from 'postgres';
import { everybody, bucketOf } from './batch.ts';
import { type ColumnArray, type Layout, readLoose, shortestReal, valueAt } from './columns.ts';
import type { SeriesAggregate, SeriesPoint, SeriesTable } from './port.ts';
import { type Run, rowsOfSubject, runsOf } from './rows.ts';
import { addSummaries, addValue, intervalMs, readRawSummaries, type Summaries, Summing, toAggregates, unpackSummaries } from './summaries.ts';
import { partitionStarts, type PartitionWidths, type SeriesTables } from './tables.ts';
import { Thinning } from './thinning.ts';

const defaultLimit = 10_000;
/** A read goes through so much time at once. */
const windowMs = 24 * 3600 * 1000;

export interface ReaderOptions {
  sql: Sql;
  tables: SeriesTables;
  layout: Layout;
  aggregated: readonly string[];
  widths: PartitionWidths;
}

type ReadOptions = NonNullable<Parameters<SeriesTable['read']>[3]>;

/** Rows of a subject with their place in the decoded columns. */
interface Found {
  timeMs: number;
  sequence: number;
  columns: ColumnArray[];
  row: number;
}

function foundIn(runs: readonly Run[], fromMs: number, toMs: number): Found[] {
  const found: Found[] = [];
  for (const { partition, rows, timeMs, sequence, columns, mine } of runs) {
    for (let index = 0; index < rows; index++) {
      const row = mine ? (mine[index] as number) : index;
      const atMs = partition + (timeMs[row] as number);
      if (atMs >= fromMs && atMs < toMs) found.push({ timeMs: atMs, sequence: sequence[row] as number, columns, row });
    }
  }
  return found.sort((one, other) => one.timeMs - other.timeMs || one.sequence - other.sequence);
}

const checkCount = (name: string, value: number | undefined, least: number): void => {
  if (value !== undefined && !(Number.isInteger(value) && value >= least)) throw new RangeError(`${name} is ${value}, and must be a whole number from ${least}`);
};

export class SeriesReader {
  readonly #options: ReaderOptions;

  constructor(options: ReaderOptions) {
    this.#options = options;
  }

  #pointOf({ timeMs, sequence, columns, row }: Found): SeriesPoint {
    const values: SeriesPoint['values'] = {};
    for (const [index, [name, kind]] of this.#options.layout.entries()) {
      const value = valueAt(kind, columns[index] as ColumnArray, row);
      values[name] = kind === 'real' && value !== null ? shortestReal(value) : value;
    }
    return { timeMs, sequence, values };
  }

  /** Neighbouring partitions that lie in a range, so many at a time that a window of time is not exceeded. */
  async #windows(fromMs: number, toMs: number): Promise<number[][]> {
    const { sql, tables, widths: { partitionMs } } = this.#options;
    const starts = (await partitionStarts(sql, tables.loose)).filter((start) => start < toMs && start + partitionMs > fromMs);
    const size = Math.max(1, Math.floor(windowMs / partitionMs));
    return Array.from({ length: Math.ceil(starts.length / size) }, (_, index) => starts.slice(index * size, (index + 1) * size));
  }

  async *#rowsOf(subject: number, fromMs: number, toMs: number): AsyncGenerator<Found[]> {
    const { sql, tables, layout } = this.#options;
    for (const partitions of await this.#windows(fromMs, toMs)) yield foundIn(await runsOf(sql, tables, layout, subject, { partitions, fromMs, toMs }), fromMs, toMs);
  }

  async read(subject: number, fromMs: number, toMs: number, options: ReadOptions = {}): Promise<SeriesPoint[]> {
    const { after, limit = defaultLimit, maximumPoints } = options;
    checkCount('limit', limit, 1);
    checkCount('maximumPoints', maximumPoints, 2);
    if (options.keepExtremesOf !== undefined && !this.#options.layout.some(([name]) => name === options.keepExtremesOf)) throw new TypeError(`there is no column ${options.keepExtremesOf}`);
    if (maximumPoints !== undefined) return this.#readThinned(subject, fromMs, toMs, { ...options, maximumPoints });
    const points: SeriesPoint[] = [];
    for await (const found of this.#rowsOf(subject, after ? Math.max(fromMs, after.timeMs) : fromMs, toMs)) {
      for (const row of found) {
        if (after && row.timeMs === after.timeMs && row.sequence <= after.sequence) continue;
        points.push(this.#pointOf(row));
        if (points.length === limit) return points;
      }
    }
    return points;
  }

  async #readThinned(subject: number, fromMs: number, toMs: number, { after, limit, maximumPoints, keepExtremesOf }: ReadOptions & { maximumPoints: number }): Promise<SeriesPoint[]> {
    const column = keepExtremesOf === undefined ? -1 : this.#options.layout.findIndex(([name]) => name === keepExtremesOf);
    const [, kind] = this.#options.layout[column] ?? ['', 'real'];
    const beginningMs = after ? Math.max(fromMs, after.timeMs) : fromMs;
    const span = await this.#spanOf(subject, beginningMs, toMs);
    if (!span) return [];
    const thinning = new Thinning<Found>({ ...span, maximumPoints, hasExtremes: column >= 0 });
    for await (const found of this.#rowsOf(subject, beginningMs, toMs)) {
      for (const row of found) {
        if (after && row.timeMs === after.timeMs && row.sequence <= after.sequence) continue;
        thinning.add(row, row.timeMs, column < 0 ? null : valueAt(kind, row.columns[column] as ColumnArray, row.row));
      }
    }
    return thinning.kept().slice(0, limit).map((row) => this.#pointOf(row));
  }

  /** Where rows of a subject lie at the most, by what is written on the segments. */
  async #spanOf(subject: number, fromMs: number, toMs: number): Promise<{ fromMs: number; toMs: number } | undefined> {
    const { sql, tables } = this.#options;
    const partitions = (await this.#windows(fromMs, toMs)).flat();
    const [span] = await sql<{ fromMs: number | null; toMs: number | null }[]>`
      select min(from_ms) as from_ms, max(to_ms) as to_ms from (
        select from_ms, to_ms from ${sql(tables.loose)} where partition_ms = any(${partitions}::bigint[]) and bucket = ${bucketOf(subject)} and to_ms >= ${fromMs} and from_ms < ${toMs}
        union all
        select from_ms, to_ms from ${sql(tables.compact)} where partition_ms = any(${partitions}::bigint[]) and subject = ${subject} and to_ms >= ${fromMs} and from_ms < ${toMs}
      ) as segments`;
    if (!span || span.fromMs === null || span.toMs === null) return undefined;
    return { fromMs: Math.max(fromMs, span.fromMs), toMs: Math.min(toMs, span.toMs + 1) };
  }

  /** @param subject `everybody` for all subjects together */
  async aggregate(subject: number, fromMs: number, toMs: number, interval: 'minute' | 'hour'): Promise<SeriesAggregate[]> {
    const { sql, tables, layout, aggregated, widths: { partitionMs } } = this.#options;
    const lengthMs = intervalMs(interval);
    const firstMs = Math.floor(fromMs / lengthMs) * lengthMs;
    const endMs = Math.ceil(toMs / lengthMs) * lengthMs;
    // What was summed up and what is still loose, in one statement: a row is in one of the two.
    const kept = await sql<{ partitionMs: number; isLoose: boolean; rows: number; data: Buffer }[]>`
      select partition_ms, false as is_loose, 0 as rows, data from ${sql(tables.sums)}
      where subject = ${subject} and partition_ms > ${firstMs - partitionMs} and partition_ms < ${endMs}
      union all
      select partition_ms, true, rows, data from ${sql(tables.loose)}
      where bucket = ${subject === everybody ? everybody : bucketOf(subject)} and partition_ms > ${firstMs - partitionMs} and partition_ms < ${endMs} and to_ms >= ${firstMs} and from_ms < ${endMs}`;
    const sums: Summaries = new Map();
    for (const { partitionMs: partition, isLoose, rows, data } of kept) {
      if (!isLoose) addSummaries(sums, unpackSummaries(data, aggregated.length), interval);
      else if (subject === everybody) addSummaries(sums, readRawSummaries(data, aggregated.length), interval);
      else addSummaries(sums, sumsOfLoose({ partition, rows, data }, subject, layout, aggregated).values(), interval);
    }
    return toAggregates(sums, aggregated.map((name) => ({ name, isReal: layout.some(([column, kind]) => column === name && kind === 'real') })), { fromMs: firstMs, toMs });
  }
}

/** Sums of one subject from a loose segment. */
function sumsOfLoose({ partition, rows, data }: { partition: number; rows: number; data: Buffer }, subject: number, layout: Layout, aggregated: readonly string[]): Summaries {
  const block = readLoose(data, rows, layout);
  const summing = new Summing(aggregated.length);
  for (const row of rowsOfSubject(block, subject)) addRow(summing, { timeMs: partition + (block.timeMs[row] as number), sequence: block.sequence[row] as number, columns: block.columns, row }, layout, aggregated);
  return summing.sums;
}

/** Adds one stored row to sums. */
function addRow(summing: Summing, { timeMs, sequence, columns, row }: Found, layout: Layout, aggregated: readonly string[]): void {
  const sum = summing.row(timeMs);
  for (const [index, name] of aggregated.entries()) {
    const column = layout.findIndex(([candidate]) => candidate === name);
    const value = valueAt((layout[column] as Layout[number])[1], columns[column] as ColumnArray, row);
    if (value !== null) addValue(sum, index, value, timeMs, sequence);
  }
}
