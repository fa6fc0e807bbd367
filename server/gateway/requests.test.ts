import { request as httpRequest } from 'node:http';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../program/testing.ts';
import type { Operation } from '../wire/contract.ts';
import { problems, type ProblemDocument } from '../wire/problem.ts';
import { apiScopes } from './identity/scopes.ts';
import { defaultBodyLimitBytes } from './operations.ts';
import { publicOperations } from './routes.ts';
import { forgeToken, startGateway, type TestGateway } from './testing/start.ts';

let gateway: TestGateway;
let token: string;
const unknownId = '0198c5a0-0000-7000-8000-00000000dead';
beforeAll(async () => {
  gateway = await startGateway();
  token = await forgeToken(gateway, { sub: unknownId, roles: ['rider', 'staff', 'admin', 'machine'], scope: apiScopes });
});
afterAll(() => gateway.stop());

const operations = publicOperations();
const pathOf = ({ path }: Operation): string => path.replaceAll(/\{[^}]+\}/g, (name) => (name === '{cityId}' ? 'city' : unknownId));
const named = (list: typeof operations) => list.map(({ operation }) => [`${operation.method} ${operation.path}`, operation] as const);
const withJson = operations.filter(({ operation }) => operation.body && operation.consumes !== 'multipart/form-data');

/** The problem of an answer, held against what every problem has. */
async function problemOf(response: Response): Promise<ProblemDocument> {
  expect(response.headers.get('content-type')).toContain('application/problem+json');
  const document = (await response.json()) as ProblemDocument;
  expect(document.status).toBe(response.status);
  expect(problems[document.code].status).toBe(response.status);
  expect(document.requestId).toBe(response.headers.get('x-request-id'));
  return document;
}

async function refusal(method: string, path: string, body: string | undefined, headers: Record<string, string> = {}): Promise<[number, string]> {
  gateway.reached.length = 0;
  const response = await gateway.call(method, path, { token, body, headers: { 'idempotency-key': 'requests', ...headers } });
  const { status, code } = await problemOf(response);
  expect(gateway.reached).toEqual([]);
  return [status, code];
}

test.each(named(withJson))('GATEWAY-06: %s refuses a body that is malformed, missing, of the wrong shape, type or size', async (_name, operation) => {
  const { method } = operation;
  const path = pathOf(operation);
  for (const malformed of ['{', '{"a":1}}', 'nonsense', '{"__proto__":{"admin":true}}']) expect(await refusal(method, path, malformed)).toEqual([400, 'malformed-json']);
  for (const wrong of ['[]', '"text"', '7', 'null', '{"unexpected-member-of-nothing":{}}']) {
    const accepted = operation.body?.safeParse(JSON.parse(wrong)).success;
    if (!accepted) expect(await refusal(method, path, wrong), wrong).toEqual([400, 'invalid-request']);
  }
  expect(await refusal(method, path, undefined)).toEqual([400, 'invalid-request']);
  for (const type of ['text/plain', 'application/xml', 'multipart/form-data; boundary=x', 'application/x-www-form-urlencoded', 'application/jsonx']) {
    expect(await refusal(method, path, '{}', { 'content-type': type })).toEqual([415, 'unsupported-media-type']);
  }
  const limit = operation.bodyLimitBytes ?? defaultBodyLimitBytes;
  if (limit < 1024 * 1024) expect(await refusal(method, path, JSON.stringify('x'.repeat(limit)))).toEqual([413, 'payload-too-large']);
});

test.each(named(operations.filter(({ operation }) => operation.params)))('GATEWAY-06: %s refuses an id of the wrong shape', async (_name, operation) => {
  const path = operation.path.replaceAll(/\{[^}]+\}/g, encodeURIComponent('no such / id \u0000'));
  const response = await gateway.call(operation.method, path, { token, headers: { 'idempotency-key': 'requests' } });
  expect((await problemOf(response)).code).toBe('invalid-request');
});

test.each(named(operations.filter(({ operation }) => operation.idempotent)))('GATEWAY-07: %s needs an Idempotency-Key of visible characters', async (_name, operation) => {
  const ask = (headers: Record<string, string>) => gateway.call(operation.method, pathOf(operation), { token, body: {}, headers });
  expect((await problemOf(await ask({}))).code).toBe('idempotency-key-missing');
  for (const key of ['', 'with space', 'x'.repeat(201)]) expect(['invalid-request', 'idempotency-key-missing']).toContain((await problemOf(await ask({ 'idempotency-key': key }))).code);
});

test.each(named(operations))('GATEWAY-05: %s is the only way to call its path, and others are told so', async (_name, operation) => {
  const path = pathOf(operation);
  const allowed = operations.filter(({ operation: other }) => pathOf(other) === path).map(({ operation: other }) => other.method as string);
  const response = await gateway.call(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'].find((method) => !allowed.includes(method)) ?? 'OPTIONS', path, { token });
  expect((await problemOf(response)).code).toBe('method-not-allowed');
  expect(response.headers.get('allow')?.split(', ')).toEqual(expect.arrayContaining(allowed));
});

test('GATEWAY-05: unknown paths and paths that cannot be read are problems', async () => {
  for (const path of ['/v1', '/v1/nothing', '/v1/vehicles/', '/internal/user/accounts', '/..%2f..%2fetc/passwd']) {
    const { status } = await problemOf(await gateway.call('GET', path, { token }));
    expect([400, 404]).toContain(status);
  }
  expect((await problemOf(await gateway.call('GET', '/v1/vehicles/%E0%A4%A', { token }))).code).toBe('invalid-request');
});

test('GATEWAY-06: a body that is announced as too large is refused before it is sent', async () => {
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const request = httpRequest(`${gateway.url}/v1/quotes`, { method: 'POST', headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json', 'content-length': 50_000_000, 'idempotency-key': 'large' } });
    request.on('response', (response) => {
      resolve(response.statusCode);
      request.destroy();
    });
    request.on('error', reject);
    request.flushHeaders();
  });
  expect(status).toBe(413);
});

test('GATEWAY-06: a photo comes in as multipart; another type, none, or one over the limit is refused', async () => {
  const send = (form: FormData | string, headers: Record<string, string> = {}) =>
    fetch(`${gateway.url}/v1/photos`, { method: 'POST', body: form, headers: { authorization: `Bearer ${token}`, 'idempotency-key': 'photo', ...headers } });
  const form = (bytes: number) => {
    const data = new FormData();
    data.append('file', new Blob([new Uint8Array(bytes)], { type: 'image/jpeg' }), 'bike.jpg');
    return data;
  };
  expect((await send(form(1000))).status).toBe(201);
  expect((await problemOf(await send('{}', { 'content-type': 'application/json' }))).code).toBe('unsupported-media-type');
  expect((await problemOf(await send('', {}))).code).toBe('unsupported-media-type');
  expect((await problemOf(await send('--x\r\nbroken', { 'content-type': 'multipart/form-data; boundary=x' }))).code).toBe('invalid-request');
  expect((await problemOf(await send(form(9 * 1024 * 1024 + 1)))).code).toBe('payload-too-large');
});

test('GATEWAY-06: a route without a body takes an empty one of any JSON type', async () => {
  const response = await gateway.call('POST', `/v1/bookings/${unknownId}/unlock`, { token, headers: { 'content-type': 'application/json' } });
  expect((await problemOf(response)).code).toBe('not-found');
  expect(gateway.reached).toContain('booking.unlock');
});

test('GATEWAY-08: a request id is taken over when it is harmless, and made otherwise', async () => {
  const idFor = async (given: string) => (await gateway.call('GET', '/health/live', { headers: { 'x-request-id': given } })).headers.get('x-request-id');
  expect(await idFor('0198c5a0-from-the-phone')).toBe('0198c5a0-from-the-phone');
  for (const bad of ['short', 'with space in it', `${'x'.repeat(129)}`, '<script>alert(1)</script>']) expect(await idFor(bad)).toMatch(/^[0-9a-f-]{36}$/);
});

test('GATEWAY-05: an Accept header that cannot be met is refused, one that can decides', async () => {
  const ask = (accept: string) => gateway.call('GET', `/v1/bookings/${unknownId}/receipt`, { token, headers: { accept } });
  expect((await problemOf(await ask('image/tiff'))).code).toBe('not-acceptable');
  expect((await ask('text/html')).headers.get('content-type')).toContain('text/html');
  const pdf = await ask('application/pdf;q=0.9, text/html;q=0.1');
  expect(pdf.headers.get('content-type')).toBe('application/pdf');
  expect([...new Uint8Array(await pdf.arrayBuffer())]).toEqual([37, 80, 68, 70]);
  expect(pdf.headers.get('content-security-policy')).toContain("default-src 'none'");
});

test('GATEWAY-16: a stream is handed on as it comes, and ends for its module when the client goes', async () => {
  const gone = new AbortController();
  const response = await fetch(`${gateway.url}/v1/vehicles/stream?bbox=8,50,9,51`, { headers: { authorization: `Bearer ${token}` }, signal: gone.signal });
  expect(response.headers.get('content-type')).toBe('text/event-stream');
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader();
  let text = '';
  while (!text.includes('"number":3')) text += (await reader?.read())?.value ?? '';
  const { streams } = gateway;
  expect(streams.open).toBe(1);
  gone.abort();
  await eventually(async () => streams.open === 0);
});

test('GATEWAY-16: a client that does not read is not run ahead of', async () => {
  const { streams } = gateway;
  streams.chunks = 0;
  const request = httpRequest(`${gateway.url}/v1/photos/${unknownId}`, { headers: { authorization: `Bearer ${token}` } });
  request.end();
  const response = await new Promise<import('node:http').IncomingMessage>((resolve) => request.on('response', resolve));
  response.pause();
  let before = -1;
  let same = 0;
  await eventually(async () => {
    same = streams.chunks === before ? same + 1 : 0;
    before = streams.chunks;
    return same > 10;
  });
  expect(streams.chunks).toBeLessThan(streams.allChunks / 2);
  request.destroy();
});
