/** Requests that no browser sends: smuggled, dressed as another method, far too deep, half, or with bytes that mean something to somebody behind us. */
import { once } from 'node:events';
import { connect } from 'node:net';
import { gzipSync } from 'node:zlib';
import { v7 } from 'uuid';
import { beforeAll, expect, test } from 'vitest';
import type { ApiUser } from '../journeys/program.ts';
import { type World, world } from './world.ts';

let all: World;
let rider: ApiUser & { id: string; email: string };

beforeAll(async () => {
  all = await world();
  rider = await all.user();
});

/** Sends bytes as they are. @returns everything that comes back until the server ends, or has been silent */
async function raw(text: string, silentAfterMs = 400): Promise<string> {
  const socket = connect({ host: 'localhost', port: Number(new URL(all.url).port) });
  await once(socket, 'connect');
  let answer = '';
  socket.setTimeout(silentAfterMs, () => socket.destroy());
  socket.on('data', (chunk: Buffer) => (answer += chunk.toString('latin1')));
  // A connection that is cut is an answer as well.
  socket.on('error', () => undefined);
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return answer;
}

const answersIn = (text: string): string[] => [...text.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status = '']) => status);
const request = (first: string, headers: string[], body = '') => `${[first, 'Host: localhost', `Authorization: Bearer ${rider.token}`, ...headers].join('\r\n')}\r\n\r\n${body}`;
const smuggled = `GET /v1/me HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer x\r\n\r\n`;

test('THREAT-10: where a request ends is not a matter of opinion: two lengths, a length beside chunks, chunks that are none', async () => {
  const body = '{"name":"Smuggler"}';
  const ambiguous = [
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Transfer-Encoding: chunked'], `0\r\n\r\n${smuggled}`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: chunked', `Content-Length: ${body.length}`], `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', `Content-Length: ${body.length}`, 'Content-Length: 5'], body),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', `Content-Length: ${body.length}, ${body.length + 1}`], body),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Content-Length: +19'], body),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Content-Length: 0x13'], body),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: xchunked'], `0\r\n\r\n${smuggled}`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding : chunked'], `0\r\n\r\n${smuggled}`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: chunked, identity'], `0\r\n\r\n${smuggled}`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], `zz\r\n${body}\r\n0\r\n\r\n`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'Transfer-Encoding: chunked'], `13\n${body}\n0\n\n`),
    request('PATCH /v1/me HTTP/1.1', ['Content-Type: application/json', 'X: y\rTransfer-Encoding: chunked'], body),
  ];
  for (const text of ambiguous) expect(answersIn(await raw(text)), text.slice(0, 300)).toEqual(['400']);
  expect((await rider.get('/v1/me')).body['name']).not.toBe('Smuggler');
});

test('THREAT-10: a bad request does not answer for the good one before it, nor let one behind it through', async () => {
  const good = request('GET /v1/me HTTP/1.1', []);
  const answers = answersIn(await raw(`${good}${request('GET /v1/me HTTP/1.1', ['Content-Length: 5', 'Transfer-Encoding: chunked'], '0\r\n\r\n')}${smuggled}`));
  expect(['400', '200,400']).toContain(answers.join());
  // Two in one go are two, each with its own token.
  expect(answersIn(await raw(`${good}${smuggled}`))).toEqual(['200', '401']);
});

test('THREAT-10: lines are not broken by what a client writes: no header or log line of its own', async () => {
  for (const id of ['abcdefgh%0d%0aSet-Cookie: a=b', 'abcdefgh\nSet-Cookie: a=b']) {
    const answer = await raw(request('GET /health/live HTTP/1.1', [`X-Request-Id: ${id}`, 'Connection: close']));
    expect(answer.toLowerCase()).not.toContain('set-cookie');
  }
  const paths = ['/v1/vehicles/a%0d%0aSet-Cookie:%20a=b', '/sign-in/a%0d%0aLocation:%20https:%2f%2fattacker.example', '/oidc/auth?client_id=a%0d%0aSet-Cookie:%20a=b&redirect_uri=%0d%0ax', '/%0d%0aSet-Cookie:%20a=b'];
  for (const path of paths) {
    const response = await fetch(`${all.url}${path}`, { redirect: 'manual', headers: { authorization: `Bearer ${rider.token}` } });
    expect(response.status).toBeGreaterThanOrEqual(400);
    expect(response.status).toBeLessThan(500);
    expect(response.headers.getSetCookie().join()).not.toContain('a=b');
    expect(response.headers.get('location')).toBeNull();
  }
});

test('THREAT-10: a header, a query or a body says nothing about the method', async () => {
  const overriding = ['x-http-method-override', 'x-http-method', 'x-method-override', '_method'];
  for (const name of overriding) {
    expect((await fetch(`${all.url}/v1/me?_method=DELETE`, { headers: { authorization: `Bearer ${rider.token}`, [name]: 'DELETE' } })).status).toBe(200);
    expect((await fetch(`${all.url}/v1/riders?_method=GET`, { method: 'POST', headers: { [name]: 'GET', 'content-type': 'application/json', 'idempotency-key': v7() }, body: '{"_method":"GET"}' })).status).toBe(400);
  }
  expect((await rider.get('/v1/me')).status).toBe(200);
  expect(answersIn(await raw(request('TRACE /v1/me HTTP/1.1', ['Connection: close'])))).toEqual(['405']);
  expect(answersIn(await raw('CONNECT example.org:443 HTTP/1.1\r\nHost: example.org:443\r\n\r\n'))).not.toContain('200');
  // Another server's address in the first line, and another host: answered by us or not at all, never fetched.
  const absolute = await raw(request('GET http://169.254.169.254/latest/meta-data HTTP/1.1', ['Connection: close']));
  expect(['400', '404']).toContain(answersIn(absolute)[0]);
});

test('THREAT-11: JSON that is a thousand levels deep, and JSON that is large, is refused in no time', async () => {
  const deep = '['.repeat(60_000) + ']'.repeat(60_000);
  const startedMs = performance.now();
  for (const body of [deep, `{"name":${deep}}`, `${'{"a":'.repeat(20_000)}1${'}'.repeat(20_000)}`, '['.repeat(120_000), `{"name":"${'a'.repeat(130_000)}"}`, `[${'1,'.repeat(60_000)}1]`]) {
    const answer = await fetch(`${all.url}/v1/me`, { method: 'PATCH', headers: { 'authorization': `Bearer ${rider.token}`, 'content-type': 'application/json' }, body });
    expect([400, 413]).toContain(answer.status);
    expect(answer.headers.get('content-type')).toContain('application/problem+json');
    expect((await answer.text()).length).toBeLessThan(20_000);
  }
  expect(performance.now() - startedMs).toBeLessThan(5_000);
});

test('THREAT-11: a body that would grow by being unpacked is not unpacked', async () => {
  const packed = gzipSync(JSON.stringify({ name: 'a'.repeat(5_000_000) }));
  for (const encoding of ['gzip', 'x-gzip', 'deflate', 'br']) {
    const response = await fetch(`${all.url}/v1/me`, { method: 'PATCH', headers: { 'authorization': `Bearer ${rider.token}`, 'content-type': 'application/json', 'content-encoding': encoding }, body: packed });
    expect([400, 415]).toContain(response.status);
  }
});

test('THREAT-12: members that JavaScript has a meaning for are refused, and change nothing for others', async () => {
  const bodies = ['{"__proto__":{"roles":["admin"]}}', '{"name":"a","__proto__":{"polluted":1}}', '{"constructor":{"prototype":{"polluted":1}}}', '{"name":{"__proto__":{"polluted":1}}}', '{"\\u005f_proto__":{"polluted":1}}'];
  for (const body of bodies) {
    const response = await fetch(`${all.url}/v1/me`, { method: 'PATCH', headers: { 'authorization': `Bearer ${rider.token}`, 'content-type': 'application/json' }, body });
    expect(response.status, body).toBe(400);
  }
  for (const query of ['__proto__[limit]=1', 'constructor.prototype.limit=1', '__proto__.state=riding', 'limit[__proto__]=1']) {
    const response = await rider.get(`/v1/bookings?${query}`);
    expect([200, 400]).toContain(response.status);
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
  expect(({} as Record<string, unknown>)['roles']).toBeUndefined();
  expect((await rider.get('/v1/me')).body['roles']).toEqual(['rider']);
});

test('THREAT-13: paths that lead out of a folder lead nowhere, spelt in whatever way', async () => {
  const ways = ['/../../../../etc/passwd', '/..%2f..%2f..%2fetc/passwd', '/%2e%2e/%2e%2e/package.json', '/....//....//etc/passwd', '/..\\..\\package.json', '/..%5c..%5cpackage.json', '/%c0%ae%c0%ae/package.json', '/assets/%252e%252e/%252e%252e/package.json', '/.git/config', '/.env', '/server/main.ts', '/%00', '/index.html%00.png'];
  for (const path of ways) {
    const answer = await raw(request(`GET ${path} HTTP/1.1`, ['Accept: text/html', 'Connection: close']));
    expect(['400', '404'], path).toContain(answersIn(answer)[0]);
    expect(answer).not.toMatch(/root:|"name": "mobility"|\[core\]/);
  }
  for (const id of ['..%2f..%2fkeys%2fcookies', '....', '%2e%2e', 'photos%2f..%2f..', '0198c5a0-0000-7000-8000-00000000dead%00.jpg']) {
    expect([400, 404]).toContain((await rider.get(`/v1/photos/${id}`)).status);
    expect([400, 404]).toContain((await fetch(`${all.url}/v1/bundles/${id}/archive?ticket=x`)).status);
  }
});
