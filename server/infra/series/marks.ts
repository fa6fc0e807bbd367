import { type Batch, partitionStart } from './batch.ts';

/** Where rows lie of which nobody can say without looking whether they are there already: by partition, as narrow as can be. */
export interface Suspects {
  partition: number;
  subjects: Set<number>;
  fromMs: number;
  toMs: number;
}

/**
 * The newest row of each subject that this process has written: what is newer cannot be there already.
 *
 * A mark may be too high, because of a write that failed: then a row is looked up that need not be.
 */
export class Marks {
  /** Counts the writes of all processes; when it is not ours, others have written since. */
  write = -1;
  /** Others have written nothing newer. */
  #othersMs = Number.POSITIVE_INFINITY;
  #newestMs = new Float64Array();
  #sequence = new Float64Array();

  /** Somebody else has written: everything up to there is open to doubt. */
  othersWrote(newestMs: number): void {
    this.#othersMs = newestMs;
  }

  #grow(subject: number): void {
    const length = Math.max(1024, 2 ** Math.ceil(Math.log2(subject + 1)));
    const [newestMs, sequence] = [new Float64Array(length).fill(Number.NEGATIVE_INFINITY), new Float64Array(length)];
    newestMs.set(this.#newestMs);
    sequence.set(this.#sequence);
    this.#newestMs = newestMs;
    this.#sequence = sequence;
  }

  /** Raises the marks to these rows. @returns those that were not newer than their marks */
  pass({ rows: { timeMs, sequence }, subject, chosen }: Batch, partitionMs: number): Suspects[] {
    const suspects = new Map<number, Suspects>();
    for (const row of chosen) {
      const number = subject[row] as number;
      if (number >= this.#newestMs.length) this.#grow(number);
      const [atMs, count] = [timeMs[row] as number, sequence[row] as number];
      const newestMs = this.#newestMs[number] as number;
      const isNewer = atMs > newestMs || (atMs === newestMs && count > (this.#sequence[number] as number));
      if (isNewer) {
        this.#newestMs[number] = atMs;
        this.#sequence[number] = count;
      }
      if (!isNewer || atMs <= this.#othersMs) this.#suspect(suspects, number, atMs, partitionMs);
    }
    return [...suspects.values()];
  }

  #suspect(suspects: Map<number, Suspects>, subject: number, atMs: number, partitionMs: number): void {
    const partition = partitionStart(atMs, partitionMs);
    let there = suspects.get(partition);
    if (!there) suspects.set(partition, (there = { partition, subjects: new Set(), fromMs: atMs, toMs: atMs }));
    there.subjects.add(subject);
    if (atMs < there.fromMs) there.fromMs = atMs;
    if (atMs > there.toMs) there.toMs = atMs;
  }
}
