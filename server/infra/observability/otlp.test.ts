import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { openTracer } from './otlp.ts';
import { passingTracer } from './passing-tracer.ts';
import type { Logger, Tracer } from './port.ts';
import { prometheusMetrics } from './prometheus.ts';
import { type Collector, startCollector } from './testing/collector.ts';
import { currentTrace, newTraceId, readTraceparent, readXray, runInTrace, type Trace, toTraceparent, toXray, traceFrom } from './trace.ts';

let collector: Collector;
let warnings: string[];
beforeEach(async () => {
  collector = await startCollector();
  warnings = [];
});
afterEach(() => collector.close());

const logger: Logger = { debug() {}, info() {}, warn: (_fields, message) => void warnings.push(message), error() {}, child: () => logger };
const metrics = prometheusMetrics();
const tracerWith = (more: { ratio?: number; ids?: 'w3c' | 'xray'; url?: string | undefined } = {}): Tracer =>
  openTracer({ url: collector.url, ratio: 1, ids: 'w3c', instance: 'here/1', version: '1.2.3', logger, metrics, ...more });

const parent: Trace = { traceId: '4bf92f3577b34da6a3ce929d0e0e4736', spanId: '00f067aa0ba902b7', sampled: true };

describe('spans', () => {
  test('those of several services, one within another, arrive as one trace with what they say; failures are named, not quoted', async () => {
    const tracer = tracerWith();
    const failing = tracer.of('booking').span('book', { kind: 'server', parent: toTraceparent(parent), attributes: { 'http.route': '/v1/bookings' } }, async () =>
      tracer.of('payment').span('pay', { kind: 'client' }, async () => {
        throw Object.assign(new Error('card 4242 of ada@example.com'), { code: 'E_DECLINED' });
      }));
    await expect(failing).rejects.toThrow('card');
    await tracer.close();
    const [pay, book] = collector.spans;
    expect(book).toMatchObject({ traceId: parent.traceId, parentSpanId: parent.spanId, service: 'booking', kind: 'server', name: 'book', attributes: { 'http.route': '/v1/bookings', 'error.type': 'E_DECLINED' }, failed: true });
    expect(pay).toMatchObject({ traceId: parent.traceId, parentSpanId: book?.spanId, service: 'payment', kind: 'client', failed: true, instance: 'here/1' });
    expect(JSON.stringify(collector.spans)).not.toContain('ada');
  });

  test('a refusal is an answer, no failure', async () => {
    const tracer = tracerWith();
    expect(() => tracer.span('ask', { begins: true }, () => {
      throw Object.assign(new Error('no'), { code: 'wrong-state', status: 409 });
    })).toThrow('no');
    await tracer.close();
    expect(collector.spans).toMatchObject([{ name: 'ask', failed: false, attributes: { 'error.type': 'wrong-state' } }]);
  });

  test('without a trace around it, and unless it begins one, work is just work', async () => {
    const tracer = tracerWith();
    expect(tracer.span('step', {}, () => currentTrace())).toBeUndefined();
    expect(tracer.open('step', {}).traceparent).toBeUndefined();
    await tracer.close();
    expect(collector.spans).toEqual([]);
  });
});

describe('sampling', () => {
  test('whoever continues a trace does as it says; for one from outside, and one that begins here, the share decides', async () => {
    const none = tracerWith({ ratio: 0 });
    none.span('continued', { parent }, () => undefined);
    none.span('from outside', { parent, outside: true, begins: true }, () => none.span('below', {}, () => undefined));
    none.span('begun', { begins: true }, () => undefined);
    await none.close();
    const all = tracerWith({ ratio: 1 });
    all.span('not recorded above', { parent: { ...parent, sampled: false } }, () => undefined);
    all.span('outside, whatever it says', { parent: { ...parent, sampled: false }, outside: true }, () => undefined);
    await all.close();
    expect(collector.spans.map(({ name }) => name)).toEqual(['continued', 'outside, whatever it says']);
  });

  test('half of the traces are about half, and a trace is whole or not there', async () => {
    const tracer = tracerWith({ ratio: 0.5 });
    for (let n = 0; n < 600; n++) tracer.span('a', { begins: true }, () => tracer.span('b', {}, () => undefined));
    await tracer.close();
    const traces = Map.groupBy(collector.spans, ({ traceId }) => traceId);
    expect(traces.size).toBeGreaterThan(200);
    expect(traces.size).toBeLessThan(400);
    expect([...traces.values()].every((spans) => spans.length === 2)).toBe(true);
  });
});

describe('a collector that does not take them', () => {
  test.each([['refuses', 503], ['answers nothing', 'nothing']] as const)('one that %s holds up nobody, and neither does the end', async (_, answers) => {
    collector.answers = answers;
    const tracer = tracerWith();
    const begunMs = performance.now();
    for (let n = 0; n < 20_000; n++) tracer.span('work', { begins: true }, () => n);
    expect(performance.now() - begunMs).toBeLessThan(10_000);
    const closing = performance.now();
    await tracer.close();
    expect(performance.now() - closing).toBeLessThan(6_000);
    expect(warnings.length).toBeGreaterThan(0);
  });

  test('one that is away: work goes on, the loss is counted', async () => {
    const tracer = tracerWith({ url: 'http://127.0.0.1:9' });
    expect(await tracer.span('work', { begins: true }, async () => 7)).toBe(7);
    await tracer.close();
    await expect.poll(async () => /mobility_trace_spans_total\{outcome="lost"\} [1-9]/.test(await metrics.scrape()), { timeout: 10_000 }).toBe(true);
  });
});

describe('the context', () => {
  test('without a collector nothing is made, and what came is passed on unchanged', () => {
    const tracer = passingTracer('w3c');
    const came = toTraceparent(parent);
    expect(tracer.span('x', { parent: came, begins: true }, () => currentTrace())).toEqual(parent);
    expect(tracer.open('x', { parent: came }).traceparent).toBe(came);
    expect(tracer.span('x', { begins: true }, () => currentTrace())).toMatchObject({ sampled: false });
    expect(runInTrace(parent, () => tracer.span('x', {}, () => currentTrace()))).toBe(parent);
  });

  test.each(['', '00', `00-${'0'.repeat(32)}-00f067aa0ba902b7-01`, `00-4bf92f3577b34da6a3ce929d0e0e4736-${'0'.repeat(16)}-01`, '00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01', 'ff-x'])('%j is no traceparent', (text) => {
    expect(readTraceparent(text)).toBeUndefined();
    expect(traceFrom(text).traceId).toMatch(/^[0-9a-f]{32}$/);
  });

  test('ids for X-Ray begin with their second, and its header is read and written', async () => {
    const nowSeconds = Date.now() / 1000;
    const began = Number.parseInt(newTraceId('xray').slice(0, 8), 16);
    expect(Math.abs(began - nowSeconds)).toBeLessThan(5);
    const header = 'Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1';
    const trace = readXray(header);
    expect(trace).toEqual({ traceId: '5759e988bd862e3fe1be46a994272793', spanId: '53995c3f42cd8ad8', sampled: true });
    expect(trace && toXray(trace)).toBe(header);
    // A load balancer that begins the trace names no parent: ours is its first span.
    const begun = readXray('Root=1-5759e988-bd862e3fe1be46a994272793');
    const tracer = tracerWith({ ids: 'xray' });
    tracer.span('first', { parent: begun, begins: true, outside: true }, () => undefined);
    tracer.span('own', { begins: true }, () => undefined);
    await tracer.close();
    expect(collector.spans).toMatchObject([{ name: 'first', traceId: '5759e988bd862e3fe1be46a994272793', parentSpanId: '' }, { name: 'own', parentSpanId: '' }]);
    expect(Math.abs(Number.parseInt(collector.spans[1]?.traceId.slice(0, 8) ?? '', 16) - nowSeconds)).toBeLessThan(60);
    expect(readXray('Root=2-x')).toBeUndefined();
  });
});
