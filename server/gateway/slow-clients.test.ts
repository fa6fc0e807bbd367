import { once } from 'node:events';
import { connect } from 'node:net';
import type { FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { passingTracer } from '../infra/observability/passing-tracer.ts';
import { prometheusMetrics } from '../infra/observability/prometheus.ts';
import { Authenticator } from './authentication.ts';
import { OpenStreams } from './operations.ts';
import { publicOperations } from './routes.ts';
import { createServer } from './server.ts';
import { generateKeyPair } from 'jose';

let server: FastifyInstance;
let port: number;

beforeAll(async () => {
  const { publicKey } = await generateKeyPair('ES256');
  const made = await createServer({
    logger: { debug() {}, info() {}, warn() {}, error() {}, child: () => { throw new Error('not here'); } },
    metrics: prometheusMetrics(), tracer: passingTracer('w3c'), traceIds: 'w3c',
    authenticator: new Authenticator({ publicKey, issuer: 'https://rides.example/oidc', audience: 'urn:mobility:api', isRefused: () => false }),
    limiter: { take: async () => ({ policy: '', limit: '' }) }, streams: new OpenStreams(), operations: publicOperations(), trustedProxies: [],
    dispatchTo: () => async () => ({ status: 201, json: { id: 'x' } }),
    security: { publicUrl: 'http://localhost', demo: true, corsOrigins: [], mapStyleUrl: undefined, redirectOrigins: [] },
    timeouts: { headersMs: 300, requestMs: 700, checkMs: 50 },
  });
  ({ server } = made);
  await server.listen({ port: 0, host: '127.0.0.1' });
  port = (server.server.address() as { port: number }).port;
});
afterAll(() => server.close());

/** Sends a first part, then a byte now and then, until it is cut off. @returns what came back, and after how long it ended */
async function trickle(first: string, bytes: string): Promise<{ answer: string; endedMs: number }> {
  const socket = connect({ port, host: '127.0.0.1' });
  await once(socket, 'connect');
  const startedMs = performance.now();
  let answer = '';
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString()));
  socket.on('error', () => undefined);
  socket.write(first);
  let sent = 0;
  const timer = setInterval(() => socket.writable && socket.write(bytes[sent++ % bytes.length] ?? 'x'), 40);
  await once(socket, 'close');
  clearInterval(timer);
  return { answer, endedMs: performance.now() - startedMs };
}

test('THREAT-14: whoever sends headers byte by byte loses the connection, and others are served meanwhile', async () => {
  const slow = Promise.all(Array.from({ length: 50 }, () => trickle('POST /v1/riders HTTP/1.1\r\nHost: a\r\nX-A: ', 'b')));
  expect((await fetch(`http://127.0.0.1:${port}/v1/nothing`)).status).toBe(404);
  for (const { answer, endedMs } of await slow) {
    expect(answer).toMatch(/^HTTP\/1\.1 408 |^$/);
    expect(endedMs).toBeLessThan(10_000);
  }
});

test('THREAT-14: whoever sends a body byte by byte loses the connection as well', async () => {
  const { answer, endedMs } = await trickle('POST /v1/riders HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nIdempotency-Key: k\r\nContent-Length: 100000\r\n\r\n{', ' ');
  expect(answer).not.toContain('201');
  expect(endedMs).toBeLessThan(10_000);
});

test('THREAT-14: without being told otherwise a connection has 15 seconds for its headers and a minute for all of it', async () => {
  const { publicKey } = await generateKeyPair('ES256');
  const { server: usual } = await createServer({
    logger: { debug() {}, info() {}, warn() {}, error() {}, child: () => { throw new Error('not here'); } }, metrics: prometheusMetrics(), tracer: passingTracer('w3c'), traceIds: 'w3c',
    authenticator: new Authenticator({ publicKey, issuer: 'i', audience: 'a', isRefused: () => false }), limiter: { take: async () => ({ policy: '', limit: '' }) },
    streams: new OpenStreams(), operations: [], trustedProxies: [], dispatchTo: () => async () => ({ status: 200, json: {} }),
    security: { publicUrl: 'http://localhost', demo: true, corsOrigins: [], mapStyleUrl: undefined, redirectOrigins: [] },
  });
  expect([usual.server.headersTimeout, usual.server.requestTimeout]).toEqual([15_000, 60_000]);
  await usual.close();
});
