/** Where rows lie in PostgreSQL, whether loose or compact: one statement sees both, so a rewrite between them goes unnoticed. */
import type { Sql, TransactionSql } from 'postgres';
import { bucketOf, subjectsPerBucket } from './batch.ts';
import { type Block, type ColumnArray, keyBytes, type Layout, readLoose } from './columns.ts';
import { type PackedKind, unpack } from './compact.ts';
import type { Suspects } from './marks.ts';
import type { SeriesTables } from './tables.ts';

type AnySql = Sql | TransactionSql;

export const packedKinds = (layout: Layout): PackedKind[] => ['whole', 'counter', ...layout.map(([, kind]): PackedKind => (kind === 'integer' ? 'whole' : kind))];

/** Rows of one subject in decoded form; times count from the beginning of the partition. */
export interface Run {
  partition: number;
  rows: number;
  timeMs: ArrayLike<number>;
  sequence: ArrayLike<number>;
  columns: ColumnArray[];
  /** Which rows of the arrays belong to the subject. */
  mine: ArrayLike<number> | undefined;
}

export interface SegmentRow {
  partitionMs: number;
  /** Null for loose segments. */
  subject: number | null;
  rows: number;
  data: Buffer;
}

export function runOf({ partitionMs, rows, data }: SegmentRow, layout: Layout): Run {
  const [timeMs, sequence, ...columns] = unpack(packedKinds(layout), data, rows) as [ColumnArray, ColumnArray, ...ColumnArray[]];
  return { partition: partitionMs, rows, timeMs, sequence, columns, mine: undefined };
}

export function rowsOfSubject(block: Block, subject: number): number[] {
  const inBucket = subject % subjectsPerBucket;
  const mine: number[] = [];
  for (let row = 0; row < block.rows; row++) if (block.subject[row] === inBucket) mine.push(row);
  return mine;
}

/** Everything there is of a subject in a range, in no order. Segments reach over the ends of the range. */
export async function runsOf(sql: AnySql, tables: SeriesTables, layout: Layout, subject: number, range: { partitions: readonly number[]; fromMs: number; toMs: number }): Promise<Run[]> {
  const { partitions, fromMs, toMs } = range;
  const segments = await sql<SegmentRow[]>`
    select partition_ms, null::integer as subject, rows, data from ${sql(tables.loose)}
    where partition_ms = any(${partitions}::bigint[]) and bucket = ${bucketOf(subject)} and to_ms >= ${fromMs} and from_ms < ${toMs}
    union all
    select partition_ms, subject, rows, data from ${sql(tables.compact)}
    where partition_ms = any(${partitions}::bigint[]) and subject = ${subject} and to_ms >= ${fromMs} and from_ms < ${toMs}`;
  return segments.flatMap((segment) => {
    if (segment.subject !== null) return [runOf(segment, layout)];
    const block = readLoose(segment.data, segment.rows, layout);
    const mine = rowsOfSubject(block, subject);
    return mine.length > 0 ? [{ partition: segment.partitionMs, rows: mine.length, timeMs: block.timeMs, sequence: block.sequence, columns: block.columns, mine }] : [];
  });
}

/** How many segments are held at a time while keys are looked up. */
const segmentsAtOnce = 256;

const keyOf = (subject: number, timeMs: number, sequence: number): string => `${subject} ${timeMs} ${sequence}`;

/** Keys of rows. */
export class Keys {
  readonly #keys = new Set<string>();

  /** @returns whether it was not there */
  add(subject: number, timeMs: number, sequence: number): boolean {
    const before = this.#keys.size;
    return this.#keys.add(keyOf(subject, timeMs, sequence)).size > before;
  }
}

/** Adds the keys of the rows that some subjects have in a range of one partition. */
export async function addKeysThere(keys: Keys, sql: TransactionSql, tables: SeriesTables, { partition, subjects, fromMs, toMs }: Suspects): Promise<void> {
  const buckets = [...new Set([...subjects].map(bucketOf))];
  const cursor = sql<(SegmentRow & { bucket: number | null })[]>`
    select bucket, null::integer as subject, rows, substring(data from 1 for rows * ${keyBytes}) as data from ${sql(tables.loose)}
    where partition_ms = ${partition} and bucket = any(${buckets}::integer[]) and to_ms >= ${fromMs} and from_ms <= ${toMs}
    union all
    select null, subject, rows, data from ${sql(tables.compact)}
    where partition_ms = ${partition} and subject = any(${[...subjects]}::integer[]) and to_ms >= ${fromMs} and from_ms <= ${toMs}`.cursor(segmentsAtOnce);
  for await (const segments of cursor) {
    for (const { bucket, subject, rows, data } of segments) {
      const block = bucket === null ? undefined : readLoose(data, rows, []);
      const [timeMs, sequence] = block ? [block.timeMs, block.sequence] : (unpack(['whole', 'counter'], data, rows) as [ColumnArray, ColumnArray]);
      for (let row = 0; row < rows; row++) {
        const number = block ? (bucket as number) * subjectsPerBucket + (block.subject[row] as number) : (subject as number);
        const atMs = partition + (timeMs[row] as number);
        if (atMs >= fromMs && atMs <= toMs && subjects.has(number)) keys.add(number, atMs, sequence[row] as number);
      }
    }
  }
}
