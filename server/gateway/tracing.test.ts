import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Collector, startCollector } from '../infra/observability/testing/collector.ts';
import { eventually } from '../program/testing.ts';
import { startGateway, type TestGateway } from './testing/start.ts';

let collector: Collector;
let gateway: TestGateway;
beforeAll(async () => {
  collector = await startCollector();
  gateway = await startGateway({ MOBILITY_OTLP_URL: collector.url, MOBILITY_TRACE_IDS: 'xray' });
});
afterAll(async () => {
  await gateway.stop();
  await collector.close();
});

test("a trace of AWS's load balancer goes on at the door, down to the module, and is named in the answer", async () => {
  const answer = await gateway.call('GET', '/v1/cities', { headers: { 'x-amzn-trace-id': 'Root=1-67891233-abcdef012345678912345678;Parent=53995c3f42cd8ad8;Sampled=1' } });
  expect(answer.status).toBe(200);
  const traceId = '67891233abcdef012345678912345678';
  const spans = await eventually(async () => {
    const ofTrace = collector.spans.filter((span) => span.traceId === traceId);
    return ofTrace.length >= 2 && ofTrace;
  });
  const door = spans.find(({ service }) => service === 'gateway');
  expect(door).toMatchObject({ name: 'GET /v1/cities', kind: 'server', parentSpanId: '53995c3f42cd8ad8' });
  expect(spans.find(({ service }) => service === 'vehicle')).toMatchObject({ name: 'vehicle.listCities', parentSpanId: door?.spanId });
  expect(answer.headers.get('x-amzn-trace-id')).toBe(`Root=1-67891233-abcdef012345678912345678;Parent=${door?.spanId};Sampled=1`);
});

test('a trace that begins at the door has an id that begins with its second', async () => {
  const answer = await gateway.call('GET', '/v1/cities');
  const second = Number.parseInt(/Root=1-([0-9a-f]{8})-/.exec(answer.headers.get('x-amzn-trace-id') ?? '')?.[1] ?? '', 16);
  expect(Math.abs(second - Date.now() / 1000)).toBeLessThan(60);
});

test('what the client says of a trace that it began counts before the header of a load balancer', async () => {
  const traceId = '4bf92f3577b34da6a3ce929d0e0e4736';
  const answer = await gateway.call('GET', '/v1/cities', { headers: { 'traceparent': `00-${traceId}-00f067aa0ba902b7-01`, 'x-amzn-trace-id': 'Root=1-67891233-abcdef012345678912345678' } });
  expect(answer.headers.get('x-amzn-trace-id')).toContain(`Root=1-4bf92f35-${traceId.slice(8)}`);
});
