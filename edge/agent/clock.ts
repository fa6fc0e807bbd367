/** What time it is, on a vehicle whose clock may begin at 1970 or run a year ahead. */

export interface Clock {
  nowMs(): number;
  now(): Date;
}

/** Clocks that are so far off are set; the network and whole seconds account for less. */
const toleratedMs = 5_000;

/**
 * The vehicle's own clock and what the platform has said about it. Behind it is moved on by anything that the platform has signed
 * or said; ahead it is put back only by the platform's own answer.
 */
export class VehicleClock implements Clock {
  readonly #own: Clock;
  #offsetMs = 0;
  #isSure: boolean;
  #atLeastMs = 0;

  /**
   * @param own the clock of the hardware
   * @param atLeastMs a moment that has been certain before
   * @param trusted the hardware's clock is right by itself (it has its own battery and discipline)
   */
  constructor(own: Clock, atLeastMs: number, trusted: boolean) {
    this.#own = own;
    this.#isSure = trusted;
    this.isAtLeast(atLeastMs);
  }

  nowMs(): number {
    return this.#own.nowMs() + this.#offsetMs;
  }

  now(): Date {
    return new Date(this.nowMs());
  }

  /** Whether the platform, or a clock of its own that is trusted, stands behind the time. */
  get isSure(): boolean {
    return this.#isSure;
  }

  /** Whether something that counts from one moment to another may be believed now; while unsure, unless it was over at a moment that is certain. */
  isWithin(fromMs: number, toMs: number): boolean {
    return this.#isSure ? fromMs <= this.nowMs() && this.nowMs() <= toMs : toMs >= this.#atLeastMs;
  }

  /** Something that is certain happened then: it is not earlier now. */
  isAtLeast(timeMs: number): void {
    this.#atLeastMs = Math.max(this.#atLeastMs, timeMs);
    const behindMs = timeMs - this.nowMs();
    if (behindMs > toleratedMs) this.#offsetMs += behindMs;
  }

  /** The platform says what time it is. @returns by how much the clock was set */
  platformSays(timeMs: number): number {
    const differenceMs = timeMs - this.nowMs();
    this.#isSure = true;
    if (Math.abs(differenceMs) <= toleratedMs) return 0;
    this.#offsetMs += differenceMs;
    return differenceMs;
  }
}
