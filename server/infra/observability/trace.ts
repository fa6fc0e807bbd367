/**
 * The W3C trace context of the work in hand, carried through asynchronous calls, events and messages. It is there
 * whether spans are recorded or not: log lines name it, and whoever passes it on passes on what it was given.
 */
import { AsyncLocalStorage } from 'node:async_hooks';
import { randomFillSync } from 'node:crypto';

export interface Trace {
  /** 32 hex digits. */
  traceId: string;
  /** 16 hex digits: the span that what comes next belongs under. */
  spanId: string;
  /** Whether its spans are recorded. */
  sampled: boolean;
  /** The kind of the timer that is firing. */
  timer?: string | undefined;
}

/** How the id of a trace that begins here is made. `xray`: it begins with the second, which AWS X-Ray asks for. */
export type TraceIds = 'w3c' | 'xray';

const storage = new AsyncLocalStorage<Trace | undefined>();
const traceparentPattern = /^00-(?!0{32})([0-9a-f]{32})-(?!0{16})([0-9a-f]{16})-([0-9a-f]{2})$/;
const xrayRoot = /(?:^|;)\s*Root=1-([0-9a-f]{8})-([0-9a-f]{24})\s*(?:;|$)/;
const xrayParent = /(?:^|;)\s*Parent=([0-9a-f]{16})\s*(?:;|$)/;
const xraySampled = /(?:^|;)\s*Sampled=1\s*(?:;|$)/;

/** A trace that has an id already and no span yet. */
export const noSpanId = '0'.repeat(16);

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

export const newSpanId = (): string => randomHex().slice(32);

export function newTraceId(ids: TraceIds): string {
  const random = randomHex();
  if (ids === 'w3c') return random.slice(0, 32);
  return Math.floor(Date.now() / 1000).toString(16).padStart(8, '0') + random.slice(8, 32);
}

/** The trace of a `traceparent` header or event; undefined when it is none. */
export function readTraceparent(traceparent: string | undefined): Trace | undefined {
  const match = traceparent ? traceparentPattern.exec(traceparent) : null;
  if (!match) return undefined;
  const [, traceId = '', spanId = '', flags = '00'] = match;
  return { traceId, spanId, sampled: (Number.parseInt(flags, 16) & 1) === 1 };
}

/** Continues the trace of a `traceparent`, or begins one that is not recorded. */
export function traceFrom(parent: string | Trace | undefined, ids: TraceIds = 'w3c'): Trace {
  const known = typeof parent === 'object' ? parent : readTraceparent(parent);
  if (!known) return { traceId: newTraceId(ids), spanId: newSpanId(), sampled: false };
  return known.spanId === noSpanId ? { ...known, spanId: newSpanId() } : known;
}

export const runInTrace = <T>(trace: Trace, work: () => T): T => storage.run(trace, work);

/** For work that somebody's request only happens to wake up. */
export const runWithoutTrace = <T>(work: () => T): T => storage.run(undefined, work);

export const toTraceparent = ({ traceId, spanId, sampled }: Trace): string => `00-${traceId}-${spanId}-${sampled ? '01' : '00'}`;

/** The trace of an `X-Amzn-Trace-Id` header; a load balancer may name no parent. Undefined when it is none. */
export function readXray(header: string | undefined): Trace | undefined {
  const root = header ? xrayRoot.exec(header) : null;
  if (!header || !root) return undefined;
  return { traceId: `${root[1] ?? ''}${root[2] ?? ''}`, spanId: xrayParent.exec(header)?.[1] ?? noSpanId, sampled: xraySampled.test(header) };
}

/** `X-Amzn-Trace-Id` of a trace whose id begins with its second. */
export const toXray = ({ traceId, spanId, sampled }: Trace): string => `Root=1-${traceId.slice(0, 8)}-${traceId.slice(8)};Parent=${spanId};Sampled=${sampled ? 1 : 0}`;
