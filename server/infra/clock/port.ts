/** Time comes in from outside, so that rules can be tested and a run can be replayed. */
export interface Clock {
  /** Now, as milliseconds since 1970-01-01T00:00Z. */
  nowMs(): number;
  now(): Date;
}

/** The clock of the modules: what they do again and again is driven by it, too, so that a run can be replayed step by step. */
export interface ModuleClock extends Clock {
  /** Does work again and again, each time so long after the last was done; errors are the work's own to handle. @returns what ends it, and resolves when the work in hand is done */
  every(pauseMs: number, work: () => Promise<void>): () => Promise<void>;
}
