import type { TransactionSql } from 'postgres';
import type { Pool } from '../sql/pool.ts';
import { type Batch, looseColumns, looseCopy, partitionStart, partitionsOf, type Totals } from './batch.ts';
import type { Layout } from './columns.ts';
import { copyInto } from './copy.ts';
import { Marks, type Suspects } from './marks.ts';
import { addKeysThere, Keys } from './rows.ts';
import { addValue, rawSummaries, Summing } from './summaries.ts';
import { ensurePartitions, type PartitionWidths, partitionStarts, type SeriesTables } from './tables.ts';

export interface WriterOptions {
  pool: Pool;
  tables: SeriesTables;
  layout: Layout;
  aggregated: readonly string[];
  widths: PartitionWidths;
}

/** A partition was dropped after this process had last looked. */
const isWithoutPartition = (error: unknown): boolean => (error as { code?: unknown } | null)?.code === '23514';

/** Writes batches one after the other; of several processes, one at a time has its turn. */
export class SeriesWriter {
  readonly #options: WriterOptions;
  readonly #marks = new Marks();
  #partitions = new Set<number>();
  #turn: Promise<unknown> = Promise.resolve();

  constructor(options: WriterOptions) {
    this.#options = options;
  }

  /** All or nothing, on the disk when it resolves. @returns how many rows were new */
  write(batch: Batch): Promise<number> {
    const mine = this.#turn.then(() => this.#writeWithPartitions(batch));
    this.#turn = mine.catch(() => undefined);
    return mine;
  }

  async #writeWithPartitions(batch: Batch): Promise<number> {
    await this.#ensure(batch);
    try {
      return await this.#writeInTransaction(batch);
    } catch (error) {
      if (!isWithoutPartition(error)) throw error;
      this.#partitions.clear();
      await this.#ensure(batch);
      return this.#writeInTransaction(batch);
    }
  }

  async #ensure(batch: Batch): Promise<void> {
    const { pool, tables, widths } = this.#options;
    const starts = partitionsOf(batch, widths.partitionMs);
    if (starts.every((start) => this.#partitions.has(start))) return;
    await ensurePartitions(pool, tables, starts, widths);
    this.#partitions = new Set(await partitionStarts(pool.sql, tables.loose));
  }

  async #writeInTransaction(batch: Batch): Promise<number> {
    const { pool, tables, layout, widths } = this.#options;
    const done = await pool.transaction(async (transaction) => {
      // Whoever holds this row writes; the number of a write is therefore also the order in which writes became visible.
      const [state] = await transaction<{ writes: number; newestMs: number }[]>`select writes, newest_ms from time_series where name = ${tables.name} for update`;
      if (!state) throw new Error(`the series ${tables.name} is gone`);
      if (state.writes !== this.#marks.write) this.#marks.othersWrote(state.newestMs);
      const suspects = this.#marks.pass(batch, widths.partitionMs);
      const fresh = suspects.length > 0 ? await this.#withoutKnown(transaction, batch, suspects) : batch;
      if (fresh.chosen.length === 0) return { write: state.writes, rows: 0 };
      const { totals, newestMs } = this.#totalsOf(fresh);
      const write = state.writes + 1;
      await copyInto(transaction, `copy ${tables.loose} (${looseColumns}) from stdin (format binary)`, looseCopy(fresh, totals, write, { partitionMs: widths.partitionMs, layout }));
      await transaction`update time_series set writes = ${write}, rows = rows + ${fresh.chosen.length}, newest_ms = greatest(newest_ms, ${newestMs}) where name = ${tables.name}`;
      return { write, rows: fresh.chosen.length };
    });
    this.#marks.write = done.write;
    return done.rows;
  }

  async #withoutKnown(transaction: TransactionSql, batch: Batch, suspects: readonly Suspects[]): Promise<Batch> {
    const keys = new Keys();
    for (const range of suspects) await addKeysThere(keys, transaction, this.#options.tables, range);
    const doubtful = new Set(suspects.flatMap(({ subjects }) => [...subjects]));
    const { rows, subject } = batch;
    const chosen = batch.chosen.filter((row) => {
      const number = subject[row] as number;
      return !doubtful.has(number) || keys.add(number, rows.timeMs[row] as number, rows.sequence[row] as number);
    });
    return { rows, subject, chosen };
  }

  /** Sums over all subjects, so that nobody has to go through all rows to have them. */
  #totalsOf({ rows, chosen }: Batch): { totals: Totals[]; newestMs: number } {
    const { aggregated, layout, widths: { partitionMs } } = this.#options;
    const columns = aggregated.map((name) => rows.columns[name] as Float64Array);
    // What is summed up is what will be read.
    const isReal = aggregated.map((name) => layout.some(([column, kind]) => column === name && kind === 'real'));
    const byPartition = new Map<number, { summing: Summing; fromMs: number; toMs: number }>();
    let partition = Number.NaN;
    let current: { summing: Summing; fromMs: number; toMs: number } | undefined;
    let newestMs = Number.NEGATIVE_INFINITY;
    for (const row of chosen) {
      const atMs = rows.timeMs[row] as number;
      const sequence = rows.sequence[row] as number;
      if (!current || !(atMs >= partition && atMs < partition + partitionMs)) {
        partition = partitionStart(atMs, partitionMs);
        current = byPartition.get(partition);
        if (!current) byPartition.set(partition, (current = { summing: new Summing(columns.length), fromMs: atMs, toMs: atMs }));
      }
      if (atMs < current.fromMs) current.fromMs = atMs;
      if (atMs > current.toMs) current.toMs = atMs;
      if (atMs > newestMs) newestMs = atMs;
      const sum = current.summing.row(atMs);
      for (let column = 0; column < columns.length; column++) {
        const value = (columns[column] as Float64Array)[row] as number;
        if (!Number.isNaN(value)) addValue(sum, column, isReal[column] ? Math.fround(value) : value, atMs, sequence);
      }
    }
    const totals = [...byPartition].map(([start, { summing, fromMs, toMs }]): Totals => ({ partition: start, fromMs, toMs, data: rawSummaries(summing.sums.values()) }));
    return { totals, newestMs };
  }
}
