/**
 * What the agent does for a request of the platform belongs to the trace of that request: its answer names it. A vehicle records
 * nothing itself and passes on what it was given; where somebody listens, as in the simulator, each step has a span.
 */
export interface AgentTracer {
  /** @param work is told what to pass on: the W3C `traceparent` of the step */
  step<T>(name: string, traceparent: string | undefined, work: (traceparent: string | undefined) => T): T;
}

export const passingOn: AgentTracer = { step: (_name, traceparent, work) => work(traceparent) };
