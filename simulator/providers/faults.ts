/** How a sandbox misbehaves on demand, for all calls, switched at runtime. Tokens do the same for single cards. */
import { z } from 'zod';

/**
 * - `outage`: every call is answered with 503 and does nothing
 * - `timeout-before`: a change is not made, and no answer comes
 * - `timeout-after`: a change is made, and no answer comes
 * - `reset-after`: a change is made, then the connection breaks
 * - `capture-fails`: captures are refused
 */
export const Fault = z.enum(['none', 'outage', 'timeout-before', 'timeout-after', 'reset-after', 'capture-fails']);
export type Fault = z.infer<typeof Fault>;

export const BehaviourChange = z.strictObject({
  fault: Fault.default('none'),
  /** How many calls are hit; until changed when absent. */
  times: z.int().min(1).optional(),
  /** Added to every answer. */
  latencyMs: z.int().min(0).max(60_000).default(0),
});

/** What a call does: reads and method changes are only hit by outages. */
export type CallKind = 'read' | 'method' | 'charge' | 'capture' | 'change';

const isHit = (fault: Fault, kind: CallKind): boolean => {
  if (fault === 'outage') return true;
  if (fault === 'capture-fails') return kind === 'capture';
  return kind === 'charge' || kind === 'capture' || kind === 'change';
};

export class Behaviour {
  latencyMs = 0;
  #fault: Fault = 'none';
  #remaining = Number.POSITIVE_INFINITY;

  change(to: z.output<typeof BehaviourChange>): void {
    this.#fault = to.fault;
    this.#remaining = to.times ?? Number.POSITIVE_INFINITY;
    this.latencyMs = to.latencyMs;
  }

  /** The fault that this call is hit by; counts it. */
  take(kind: CallKind): Fault {
    if (this.#fault === 'none' || !isHit(this.#fault, kind)) return 'none';
    const fault = this.#fault;
    this.#remaining -= 1;
    if (this.#remaining <= 0) this.#fault = 'none';
    return fault;
  }
}
