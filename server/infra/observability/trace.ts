/** The W3C trace context of the work in hand, carried through asynchronous calls, events and messages. */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomFillSync } from 'node:crypto';

export interface Trace {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits. */
  spanId: string;
}

const storage = new AsyncLocalStorage<Trace>();
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-[0-9a-f]{2}$/;

export const currentTrace = (): Trace | undefined => storage.getStore();

const idBytes = 24;
const randomPool = Buffer.alloc(idBytes * 170);
let usedBytes = randomPool.length;

/** 48 hex digits. Asking for random bytes costs more than most requests do, so many are asked for at once. */
function randomHex(): string {
  if (usedBytes === randomPool.length) {
    randomFillSync(randomPool);
    usedBytes = 0;
  }
  usedBytes += idBytes;
  return randomPool.toString('hex', usedBytes - idBytes, usedBytes);
}

/** Continues the trace of a `traceparent` header or event, or begins one. */
export function traceFrom(traceparent: string | undefined): Trace {
  const match = traceparent ? traceparentPattern.exec(traceparent) : null;
  const random = randomHex();
  return { traceId: match?.[1] ?? random.slice(0, 32), spanId: random.slice(32) };
}

export const runInTrace = <T>(trace: Trace, work: () => T): T => storage.run(trace, work);

export const toTraceparent = (trace: Trace): string => `00-${trace.traceId}-${trace.spanId}-01`;
