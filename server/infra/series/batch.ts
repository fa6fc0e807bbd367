/** One `write`, on its way into loose segments: checked, put in groups of neighbours, laid side by side. */
import { Buffer } from 'node:buffer';
import { type Block, firstMisfit, gather, type Layout, rowBytes, writeLoose } from './columns.ts';
import { CopyBuffer, copyRowBytes } from './copy.ts';
import type { SeriesRows } from './port.ts';

/** So many subjects with following numbers share their loose segments. */
export const subjectsPerBucket = 64;
export const bucketOf = (subject: number): number => Math.floor(subject / subjectsPerBucket);

/** Stands where a bucket would: sums over all subjects. */
export const everybody = -1;

const largestSequence = 2 ** 53;

function firstWrongKey({ timeMs, sequence }: SeriesRows): number {
  for (let row = 0; row < timeMs.length; row++) {
    const count = sequence[row] as number;
    if (!Number.isSafeInteger(timeMs[row]) || !(count >= 0 && count <= largestSequence && Math.floor(count) === count)) return row;
  }
  return -1;
}

/** @throws TypeError when arrays have different lengths, columns are missing or unknown, or a value cannot be stored */
export function checkRows(rows: SeriesRows, layout: Layout): void {
  const count = rows.subject.length;
  if (rows.timeMs.length !== count || rows.sequence.length !== count) throw new TypeError(`${count} subjects come with ${rows.timeMs.length} times and ${rows.sequence.length} sequence numbers`);
  const wrong = firstWrongKey(rows);
  if (wrong >= 0) throw new TypeError(`row ${wrong}: the time ${rows.timeMs[wrong]} or the sequence number ${rows.sequence[wrong]} is not a whole number within its range`);
  const names = new Set(layout.map(([name]) => name));
  for (const name of Object.keys(rows.columns)) if (!names.has(name)) throw new TypeError(`there is no column ${name}`);
  for (const [name, kind] of layout) {
    const values = rows.columns[name];
    if (values?.length !== count) throw new TypeError(`column ${name} has ${values?.length ?? 'no'} values for ${count} rows`);
    const misfit = firstMisfit(kind, values);
    if (misfit >= 0) throw new TypeError(`row ${misfit}: column ${name} is ${kind} and cannot hold ${values[misfit]}`);
  }
}

/** Rows that are not yet in the table, with the numbers of their subjects. */
export interface Batch {
  rows: SeriesRows;
  subject: Int32Array;
  /** Which rows are meant, in the order in which they came. */
  chosen: Int32Array;
}

/** Leaves out what is too old or too far ahead. */
export function within(rows: SeriesRows, subject: Int32Array, oldestMs: number, newestMs: number): Batch {
  const chosen = new Int32Array(subject.length);
  let count = 0;
  for (let row = 0; row < subject.length; row++) {
    const timeMs = rows.timeMs[row] as number;
    if (timeMs >= oldestMs && timeMs <= newestMs) chosen[count++] = row;
  }
  return { rows, subject, chosen: chosen.subarray(0, count) };
}

export const partitionStart = (timeMs: number, partitionMs: number): number => Math.floor(timeMs / partitionMs) * partitionMs;

export function partitionsOf({ rows, chosen }: Batch, partitionMs: number): number[] {
  const starts = new Set<number>();
  let from = Number.NaN;
  for (const row of chosen) {
    const timeMs = rows.timeMs[row] as number;
    if (timeMs >= from && timeMs < from + partitionMs) continue;
    from = partitionStart(timeMs, partitionMs);
    starts.add(from);
  }
  return [...starts].sort((one, other) => one - other);
}

interface Grouped {
  order: Int32Array;
  /** Of each group that has rows: its partition, its bucket, and where it ends in the order. */
  groups: { partition: number; bucket: number; end: number }[];
}

/** Sorts by counting: rows of one partition and bucket stand together, in the order in which they came. */
function grouped({ rows, subject, chosen }: Batch, partitionMs: number, partitions: readonly number[]): Grouped {
  const first = partitions[0] ?? 0;
  const indexOf = new Map(partitions.map((start, index) => [(start - first) / partitionMs, index]));
  let buckets = 0;
  for (const row of chosen) buckets = Math.max(buckets, bucketOf(subject[row] as number) + 1);
  const ends = new Int32Array(partitions.length * buckets);
  const keys = new Int32Array(chosen.length);
  let step = 0;
  let base = 0;
  for (let index = 0; index < chosen.length; index++) {
    const row = chosen[index] as number;
    const now = Math.floor(((rows.timeMs[row] as number) - first) / partitionMs);
    if (now !== step) {
      step = now;
      base = (indexOf.get(step) ?? 0) * buckets;
    }
    const key = base + bucketOf(subject[row] as number);
    keys[index] = key;
    ends[key] = (ends[key] as number) + 1;
  }
  const groups: Grouped['groups'] = [];
  let end = 0;
  for (let key = 0; key < ends.length; key++) {
    const count = ends[key] as number;
    ends[key] = end;
    end += count;
    if (count > 0) groups.push({ partition: partitions[Math.floor(key / buckets)] ?? 0, bucket: key % buckets, end });
  }
  const order = new Int32Array(chosen.length);
  for (let index = 0; index < chosen.length; index++) {
    const key = keys[index] as number;
    order[ends[key] as number] = chosen[index] as number;
    ends[key] = (ends[key] as number) + 1;
  }
  return { order, groups };
}

function blockOf({ rows, subject }: Batch, { order, groups }: Grouped, layout: Layout): Block {
  const block: Block = {
    rows: order.length, subject: new Uint8Array(order.length), timeMs: new Uint32Array(order.length), sequence: gather('double', rows.sequence, order) as Float64Array,
    columns: layout.map(([name, kind]) => gather(kind, rows.columns[name] ?? new Float64Array(), order)),
  };
  let index = 0;
  for (const { partition, end } of groups) {
    for (; index < end; index++) {
      const row = order[index] as number;
      block.subject[index] = (subject[row] as number) % subjectsPerBucket;
      block.timeMs[index] = (rows.timeMs[row] as number) - partition;
    }
  }
  return block;
}

/** Sums that go along with the rows, as a segment of the bucket `everybody`. */
export interface Totals {
  partition: number;
  fromMs: number;
  toMs: number;
  data: Uint8Array;
}

export const looseColumns = 'partition_ms, write, from_ms, to_ms, bucket, rows, data';

/** @returns the rows of the loose table as a COPY in the order of `looseColumns`; @param write number of this write */
export function looseCopy(batch: Batch, totals: readonly Totals[], write: number, { partitionMs, layout }: { partitionMs: number; layout: Layout }): Buffer {
  const ordered = grouped(batch, partitionMs, partitionsOf(batch, partitionMs));
  const block = blockOf(batch, ordered, layout);
  const around = copyRowBytes(4, 2);
  const copy = new CopyBuffer(around * (ordered.groups.length + totals.length) + rowBytes(layout) * block.rows + totals.reduce((sum, { data }) => sum + data.length, 0));
  const begin = (partition: number, fromMs: number, toMs: number, bucket: number, rows: number) => {
    copy.beginRow(7);
    copy.wide(partition);
    copy.wide(write);
    copy.wide(fromMs);
    copy.wide(toMs);
    copy.narrow(bucket);
    copy.narrow(rows);
  };
  let from = 0;
  for (const { partition, bucket, end } of ordered.groups) {
    const beginning = from;
    let earliest = block.timeMs[from] as number;
    let latest = earliest;
    for (let index = from + 1; index < end; index++) {
      const at = block.timeMs[index] as number;
      if (at < earliest) earliest = at;
      else if (at > latest) latest = at;
    }
    begin(partition, partition + earliest, partition + latest, bucket, end - from);
    copy.variable(rowBytes(layout) * (end - from), (target, at) => writeLoose(block, beginning, end, target, at));
    from = end;
  }
  for (const { partition, fromMs, toMs, data } of totals) {
    begin(partition, fromMs, toMs, everybody, 0);
    copy.variable(data.length, (target, at) => (target.set(data, at), at + data.length));
  }
  return copy.finish();
}
