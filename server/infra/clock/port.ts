/** Time comes in from outside, so that rules can be tested and a run can be replayed. */
export interface Clock {
  /** Now, as milliseconds since 1970-01-01T00:00Z. */
  nowMs(): number;
  now(): Date;
}
