import type { OpenSpan, Span, SpanOptions, Tracer } from './port.ts';
import { currentTrace, runInTrace, type TraceIds, toTraceparent, traceFrom } from './trace.ts';

export const unrecorded: Span = { isRecorded: false, set: () => undefined };
const nothing = (): void => undefined;

/** A span of a trace that is not recorded: whoever continues it continues what was there before. */
export function unrecordedSpan({ parent, begins }: SpanOptions, ids: TraceIds): OpenSpan {
  const trace = parent !== undefined || (begins && !currentTrace()) ? traceFrom(parent, ids) : currentTrace();
  return { isRecorded: false, set: nothing, end: nothing, trace, traceparent: trace && toTraceparent(trace) };
}

/** Records nothing; passes on what it was given, and gives a name to what begins here, for log lines. */
export function passingTracer(ids: TraceIds): Tracer {
  const tracer: Tracer = {
    of: () => tracer,
    span: (_name, options, work) => {
      const { parent, begins, timer } = options;
      if (parent === undefined && !begins) return work(unrecorded);
      const trace = parent === undefined ? (currentTrace() ?? traceFrom(undefined, ids)) : traceFrom(parent, ids);
      return runInTrace(timer === undefined ? trace : { ...trace, timer }, () => work(unrecorded));
    },
    open: (_name, options) => unrecordedSpan(options, ids),
    close: async () => undefined,
  };
  return tracer;
}
