/** Sums by minute that can be added to each other: of a write, of a subject, of everybody. */
import { pack, type PackedKind, unpack } from './compact.ts';
import { bytesOf, type ColumnArray, shortestReal } from './columns.ts';
import type { SeriesAggregate } from './port.ts';

const minuteMs = 60_000;
const lengthsMs = { minute: minuteMs, hour: 60 * minuteMs } as const;

/** What is kept of a column and interval: how many values, the least, the greatest, the sum, and the last with its time and sequence. */
const perColumn = 7;
const widthOf = (columns: number): number => 2 + columns * perColumn;

/**
 * Sums by the beginning of their interval. Each is one array: the beginning, how many rows, then `perColumn` numbers for each
 * column.
 */
export type Summaries = Map<number, Float64Array>;

function emptySummary(startMs: number, columns: number): Float64Array {
  const summary = new Float64Array(widthOf(columns));
  summary[0] = startMs;
  for (let at = 2; at < summary.length; at += perColumn) {
    summary[at + 1] = Number.POSITIVE_INFINITY;
    summary[at + 2] = Number.NEGATIVE_INFINITY;
    summary[at + 4] = Number.NEGATIVE_INFINITY;
  }
  return summary;
}

function summaryAt(into: Summaries, startMs: number, columns: number): Float64Array {
  let summary = into.get(startMs);
  if (!summary) into.set(startMs, (summary = emptySummary(startMs, columns)));
  return summary;
}

/** Adds values to sums by minute. */
export class Summing {
  readonly sums: Summaries;
  readonly #columns: number;
  #current: Float64Array = new Float64Array();
  #currentMs = Number.NaN;

  constructor(columns: number, sums: Summaries = new Map()) {
    this.#columns = columns;
    this.sums = sums;
  }

  /** Begins a row. @returns the sum to which `value` adds next */
  row(timeMs: number): Float64Array {
    if (!(timeMs >= this.#currentMs && timeMs < this.#currentMs + minuteMs)) {
      this.#currentMs = Math.floor(timeMs / minuteMs) * minuteMs;
      this.#current = summaryAt(this.sums, this.#currentMs, this.#columns);
    }
    this.#current[1] = (this.#current[1] as number) + 1;
    return this.#current;
  }
}

/** Adds a value of the column with the index `column`. */
export function addValue(summary: Float64Array, column: number, value: number, timeMs: number, sequence: number): void {
  const at = 2 + column * perColumn;
  summary[at] = (summary[at] as number) + 1;
  if (value < (summary[at + 1] as number)) summary[at + 1] = value;
  if (value > (summary[at + 2] as number)) summary[at + 2] = value;
  summary[at + 3] = (summary[at + 3] as number) + value;
  const lastMs = summary[at + 4] as number;
  if (timeMs > lastMs || (timeMs === lastMs && sequence >= (summary[at + 5] as number))) {
    summary[at + 4] = timeMs;
    summary[at + 5] = sequence;
    summary[at + 6] = value;
  }
}

function addSummary(into: Float64Array, from: Float64Array): void {
  into[1] = (into[1] as number) + (from[1] as number);
  for (let at = 2; at < into.length; at += perColumn) {
    into[at] = (into[at] as number) + (from[at] as number);
    into[at + 1] = Math.min(into[at + 1] as number, from[at + 1] as number);
    into[at + 2] = Math.max(into[at + 2] as number, from[at + 2] as number);
    into[at + 3] = (into[at + 3] as number) + (from[at + 3] as number);
    const [mine, theirs] = [into[at + 4] as number, from[at + 4] as number];
    if (theirs > mine || (theirs === mine && (from[at + 5] as number) >= (into[at + 5] as number))) into.set(from.subarray(at + 4, at + perColumn), at + 4);
  }
}

/** Adds sums to others, by minute or into longer intervals. */
export function addSummaries(into: Summaries, from: Iterable<Float64Array>, interval: keyof typeof lengthsMs = 'minute'): void {
  const lengthMs = lengthsMs[interval];
  for (const summary of from) {
    const startMs = Math.floor((summary[0] as number) / lengthMs) * lengthMs;
    addSummary(summaryAt(into, startMs, (summary.length - 2) / perColumn), summary);
  }
}

/** As they are: for what is read again soon. */
export function rawSummaries(sums: Iterable<Float64Array>): Uint8Array {
  return Buffer.concat([...sums].map((summary) => bytesOf(summary)));
}

export function* readRawSummaries(bytes: Uint8Array, columns: number): Generator<Float64Array> {
  const width = widthOf(columns) * 8;
  for (let at = 0; at < bytes.length; at += width) yield new Float64Array(Uint8Array.from(bytes.subarray(at, at + width)).buffer);
}

const kindsOf = (columns: number): PackedKind[] => Array.from({ length: widthOf(columns) }, () => 'double');

/** Packed for keeping: four bytes that say how many, then the columns. */
export async function packSummaries(sums: Summaries, columns: number): Promise<Buffer> {
  const sorted = [...sums.values()].sort((one, other) => (one[0] as number) - (other[0] as number));
  const header = Buffer.alloc(4);
  header.writeUInt32LE(sorted.length);
  const turned = kindsOf(columns).map((_, index) => Float64Array.from(sorted, (summary) => summary[index] as number));
  return Buffer.concat([header, await pack(kindsOf(columns), turned)]);
}

export function* unpackSummaries(bytes: Buffer, columns: number): Generator<Float64Array> {
  const count = bytes.readUInt32LE(0);
  const turned: ColumnArray[] = unpack(kindsOf(columns), bytes.subarray(4), count);
  for (let row = 0; row < count; row++) yield Float64Array.from(turned, (values) => values[row] as number);
}

/** As the port gives them, those that begin in a range. @param columns the aggregated ones, in their order */
export function toAggregates(sums: Summaries, columns: readonly { name: string; isReal: boolean }[], { fromMs, toMs }: { fromMs: number; toMs: number }): SeriesAggregate[] {
  const inRange = [...sums.values()].filter(([startMs = 0]) => startMs >= fromMs && startMs < toMs).sort(([one = 0], [other = 0]) => one - other);
  return inRange.map((summary) => ({
    timeMs: summary[0] as number,
    count: summary[1] as number,
    columns: Object.fromEntries(columns.map(({ name, isReal }, index) => {
      const [count = 0, minimum = 0, maximum = 0, sum = 0, , , last = 0] = summary.subarray(2 + index * perColumn, 2 + (index + 1) * perColumn);
      const shown = isReal ? shortestReal : (value: number) => value;
      return [name, count > 0 ? { minimum: shown(minimum), maximum: shown(maximum), mean: sum / count, last: shown(last) } : null];
    })),
  }));
}

export const intervalMs = (interval: keyof typeof lengthsMs): number => lengthsMs[interval];
