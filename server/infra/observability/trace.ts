/** The W3C trace context of the work in hand, carried through asynchronous calls, events and messages. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomUUID } from 'node:crypto';

export interface Trace {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
}

const storage = new AsyncLocalStorage<Trace>();
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;

export const currentTrace = (): Trace | undefined => storage.getStore();

/** Node makes UUIDs from a store of random bytes, which costs a tenth of asking for bytes each time. */
const randomTraceId = (): string => randomUUID().replaceAll('-', '');
const randomSpanId = (): string => randomTraceId().slice(16);

/** Continues the trace of a `traceparent` header or event, or begins one. */
export function traceFrom(traceparent: string | undefined): Trace {
  const match = traceparent ? traceparentPattern.exec(traceparent) : null;
  return { traceId: match?.[1] ?? randomTraceId(), spanId: randomSpanId() };
}

export const runInTrace = <T>(trace: Trace, work: () => T): T => storage.run(trace, work);

export const toTraceparent = (trace: Trace): string => `00-${trace.traceId}-${trace.spanId}-01`;
