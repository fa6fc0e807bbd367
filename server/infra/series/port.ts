/**
 * Time series: many rows, each with a subject, a time and a sequence number, and columns of numbers.
 *
 * Promises:
 * - `write` resolves when all rows are committed, or throws and none is; a row that is there already (same subject, time
 *   and sequence) is left as it is, however often it is written;
 * - rows may come in any order of time, also into ranges that were compressed; what is older than the retention, or later
 *   than the future limit, is not written and is counted in the answer;
 * - reads give rows in the order of time, then sequence; compressed or not makes no difference to what they answer;
 * - aggregates cover every row that is there, also those that came late.
 */

/** Rows side by side: index `i` of every array is one row. */
export interface SeriesRows {
  /** Text of 1 to 80 bytes. */
  subject: readonly string[];
  /** Unix milliseconds. */
  timeMs: Float64Array;
  /** From 0 to 2^53. */
  sequence: Float64Array;
  /** Each named column of the definition; NaN is no value. */
  columns: Readonly<Record<string, Float64Array>>;
}

export interface SeriesDefinition {
  /** Lower case letters, digits and underscores. */
  name: string;
  /** What is stored: `real` has 7 digits, `double` 15, the integers are exact. */
  columns: Readonly<Record<string, 'real' | 'double' | 'integer' | 'smallint'>>;
  /** Width of a partition. */
  partitionMs: number;
  /** Partitions that ended so long ago are rewritten compactly. */
  compressAfterMs: number;
  /** Rows so old are dropped. */
  retainForMs: number;
  /** Aggregates are kept for longer. */
  retainAggregatesForMs: number;
  /** Columns that are summed up by minute and hour: count, minimum, maximum, mean, last. */
  aggregated: readonly string[];
}

export interface SeriesPoint {
  timeMs: number;
  sequence: number;
  values: Record<string, number | null>;
}

export interface SeriesAggregate {
  /** Beginning of the interval. */
  timeMs: number;
  count: number;
  columns: Record<string, { minimum: number; maximum: number; mean: number; last: number } | null>;
}

export interface SeriesTable {
  /** @returns how many rows were new, were there already, and lay outside of what is kept */
  write(rows: SeriesRows): Promise<{ written: number; known: number; outside: number }>;
  /**
   * Rows of a subject from `fromMs` (included) to `toMs` (excluded).
   * @param options.limit at most so many, the oldest first; 10,000 unless given
   * @param options.maximumPoints thins out evenly in time, keeping the first, the last and the extremes of `keepExtremesOf`
   */
  read(subject: string, fromMs: number, toMs: number, options?: { limit?: number; after?: { timeMs: number; sequence: number }; maximumPoints?: number; keepExtremesOf?: string }): Promise<SeriesPoint[]>;
  /** Aggregates of one subject, or of all subjects together. */
  aggregate(subject: string | undefined, fromMs: number, toMs: number, interval: 'minute' | 'hour'): Promise<SeriesAggregate[]>;
  /**
   * Makes partitions ahead, brings aggregates up to date, compresses, drops what is too old. Safe to run twice at once.
   * One call does a bounded amount of work, and the next goes on from there; what `signal` ends is gone on with, too.
   * @returns how many partitions were made, compressed to their end, and dropped
   */
  applyPolicies(options?: { signal?: AbortSignal }): Promise<{ created: number; compressed: number; dropped: number }>;
  /** What it takes on the disk. */
  size(): Promise<{ rows: number; bytes: number; compressedBytes: number; partitions: number }>;
}

export interface SeriesStore {
  /** Makes or opens a table; `owner` is the module, which has a role and a schema of its own. @throws when the columns are not those it was made with */
  open(owner: string, definition: SeriesDefinition): Promise<SeriesTable>;
  close(): Promise<void>;
}
