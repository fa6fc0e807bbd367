/** How long things take, over the last minute: counts by duration, each class about a tenth wider than the one before. */

const classes = 160;
const growth = Math.log(1.1);
const slices = 6;
const sliceMs = 10_000;

const classOf = (durationMs: number): number => Math.min(classes - 1, Math.max(0, Math.ceil(Math.log(Math.max(1, durationMs)) / growth)));

export class LatencyOfMinute {
  readonly #counts = Array.from({ length: slices }, () => new Uint32Array(classes));
  #slice = 0;

  #turnTo(nowMs: number): Uint32Array {
    const slice = Math.floor(nowMs / sliceMs);
    for (let passed = Math.max(this.#slice + 1, slice - slices + 1); passed <= slice; passed++) this.#counts[passed % slices]?.fill(0);
    this.#slice = Math.max(this.#slice, slice);
    return this.#counts[this.#slice % slices] ?? new Uint32Array(classes);
  }

  add(durationMs: number, nowMs: number): void {
    const counts = this.#turnTo(nowMs);
    const at = classOf(durationMs);
    counts[at] = (counts[at] ?? 0) + 1;
  }

  /** @param share 0.99 for the 99th percentile. @returns milliseconds, within a tenth; null when nothing was counted */
  quantileMs(share: number, nowMs: number): number | null {
    this.#turnTo(nowMs);
    const sums = Array.from({ length: classes }, (_, at) => this.#counts.reduce((sum, counts) => sum + (counts[at] ?? 0), 0));
    const all = sums.reduce((sum, count) => sum + count, 0);
    if (all === 0) return null;
    let seen = 0;
    const found = sums.findIndex((count) => (seen += count) >= share * all);
    return Math.round(1.1 ** Math.max(0, found) * 10) / 10;
  }
}
