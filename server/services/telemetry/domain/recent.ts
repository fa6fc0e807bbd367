/** How many records each vehicle has sent lately: a ring of quarters of an hour for each row. */

const quarterMs = 15 * 60_000;
const quarters = 32;
const most = 65_535;

export class RecentRecords {
  #counts = new Uint16Array(0);
  /** The quarter up to which the ring of a row is right. */
  #upTo = new Uint32Array(0);
  #total = 0;
  /** Seconds of the last ten, for the rate. */
  readonly #seconds = new Float64Array(12);
  #second = 0;

  get total(): number {
    return this.#total;
  }

  #turn(row: number, quarter: number): void {
    if (row >= this.#upTo.length) {
      const capacity = Math.max(1024, row * 2);
      const [counts, upTo] = [new Uint16Array(capacity * quarters), new Uint32Array(capacity)];
      counts.set(this.#counts);
      upTo.set(this.#upTo);
      [this.#counts, this.#upTo] = [counts, upTo];
    }
    const before = this.#upTo[row] ?? 0;
    if (quarter <= before) return;
    for (let passed = Math.max(before + 1, quarter - quarters + 1); passed <= quarter; passed++) this.#counts[row * quarters + (passed % quarters)] = 0;
    this.#upTo[row] = quarter;
  }

  add(row: number, records: number, nowMs: number): void {
    this.#total += records;
    const second = this.#turnSeconds(nowMs);
    this.#seconds[second % 12] = (this.#seconds[second % 12] ?? 0) + records;
    const quarter = Math.floor(nowMs / quarterMs);
    this.#turn(row, quarter);
    const at = row * quarters + (quarter % quarters);
    this.#counts[at] = Math.min(most, (this.#counts[at] ?? 0) + records);
  }

  #turnSeconds(nowMs: number): number {
    const second = Math.floor(nowMs / 1000);
    for (let passed = Math.max(this.#second + 1, second - 11); passed <= second; passed++) this.#seconds[passed % 12] = 0;
    this.#second = Math.max(this.#second, second);
    return Math.min(second, this.#second);
  }

  /** Over the last ten whole seconds. */
  perSecond(nowMs: number): number {
    const second = this.#turnSeconds(nowMs);
    let sum = 0;
    for (let passed = second - 10; passed < second; passed++) sum += this.#seconds[((passed % 12) + 12) % 12] ?? 0;
    return sum / 10;
  }

  /** Of a row, since the quarter of an hour that holds the moment; at most eight hours back, and since the program started. */
  since(row: number, sinceMs: number, nowMs: number): number {
    if (row >= this.#upTo.length) return 0;
    const now = Math.floor(nowMs / quarterMs);
    this.#turn(row, now);
    let sum = 0;
    for (let quarter = Math.max(Math.floor(sinceMs / quarterMs), now - quarters + 1); quarter <= now; quarter++) sum += this.#counts[row * quarters + (quarter % quarters)] ?? 0;
    return sum;
  }
}
