import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import fastify, { type FastifyInstance } from 'fastify';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runCity } from '../program/commands/city.ts';
import { runToken } from '../program/commands/token.ts';
import { problems } from '../wire/problem.ts';
import { serveApp } from './app-files.ts';
import { sendProblem } from './errors.ts';
import { clientKey } from './limits.ts';
import { openApiDocument } from './openapi.ts';
import { publicOperations } from './routes.ts';
import { contentSecurityPolicy } from './security.ts';
import { startGateway, type TestGateway } from './testing/start.ts';
import { Problem } from '../wire/problem.ts';

let gateway: TestGateway;
let production: TestGateway;
const metricsToken = 'a-token-of-the-scraper';
beforeAll(async () => {
  gateway = await startGateway({ MOBILITY_LIMIT_PER_CLIENT: '20', MOBILITY_LIMIT_PER_USER: '5' });
  production = await startGateway({ MOBILITY_MODE: 'production', MOBILITY_PUBLIC_URL: 'https://rides.example', MOBILITY_CORS_ORIGINS: 'https://partner.example', MOBILITY_TRUSTED_PROXIES: '127.0.0.1,::1', MOBILITY_LIMIT_PER_CLIENT: '3', MOBILITY_METRICS_TOKEN: metricsToken });
});
afterAll(async () => {
  await gateway.stop();
  await production.stop();
});

test('GATEWAY-04: a user who asks too often is told to wait, and another user is not', async () => {
  const { token } = await gateway.token('often@example.com');
  const answers = await Promise.all(Array.from({ length: 12 }, () => gateway.call('GET', '/v1/me', { token })));
  expect(answers.filter(({ status }) => status === 200)).toHaveLength(5);
  const refused = answers.find(({ status }) => status === 429);
  expect(refused?.headers.get('content-type')).toContain('application/problem+json');
  expect(Number(refused?.headers.get('retry-after'))).toBeGreaterThan(0);
  expect(refused?.headers.get('ratelimit')).toMatch(/^"user";r=0;t=\d+$/);
  expect(refused?.headers.get('ratelimit-policy')).toBe('"user";q=5;w=60');
  const { token: other } = await gateway.token('seldom@example.com');
  expect((await gateway.call('GET', '/v1/me', { token: other })).status).toBe(200);
});

test('GATEWAY-04: requests without a token, or with a wrong one, count for their address, whatever X-Forwarded-For says', async () => {
  const statuses: number[] = [];
  for (let round = 0; round < 30; round++) {
    const headers = { 'x-forwarded-for': `203.0.113.${round}`, 'forwarded': `for=203.0.113.${round}`, 'x-real-ip': `203.0.113.${round}` };
    const response = round % 2 === 0 ? await gateway.call('GET', '/v1/cities', { headers }) : await gateway.call('GET', '/v1/me', { token: `guess-${round}`, headers });
    statuses.push(response.status);
  }
  expect(new Set(statuses.slice(0, 20))).toEqual(new Set([200, 401]));
  expect(new Set(statuses.slice(20))).toEqual(new Set([429]));
  expect((await gateway.call('GET', '/oidc/.well-known/openid-configuration')).status).toBe(429);
});

test('GATEWAY-04: behind a trusted proxy the address that it tells counts', async () => {
  const ask = (address: string) => production.call('GET', '/v1/cities', { headers: { 'x-forwarded-for': address } });
  for (let round = 0; round < 3; round++) expect((await ask('203.0.113.50')).status).toBe(200);
  expect((await ask('203.0.113.50')).status).toBe(429);
  expect((await ask('203.0.113.51')).status).toBe(200);
  // What the client itself has put in front does not help it.
  expect((await ask('198.51.100.1, 203.0.113.50')).status).toBe(429);
});

test('GATEWAY-04: an IPv6 network of 64 bits is one client', () => {
  expect(clientKey('2001:db8:1:2:3:4:5:6')).toBe(clientKey('2001:db8:1:2::1'));
  expect(clientKey('2001:db8:1:2::1')).not.toBe(clientKey('2001:db8:1:3::1'));
  expect(clientKey('2001:DB8::1')).toBe('2001:db8:0:0');
  expect(clientKey('fe80::1%eth0')).toBe('fe80:0:0:0');
  expect(clientKey('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(clientKey('192.0.2.7')).toBe('192.0.2.7');
});

test('GATEWAY-17: pages run our scripts only, and nobody frames them', async () => {
  const { headers } = await gateway.call('GET', '/health/live');
  const policy = headers.get('content-security-policy') ?? '';
  for (const part of ["default-src 'self'", "script-src 'self'", "object-src 'none'", "frame-ancestors 'none'", "worker-src 'self' blob:", "img-src 'self' data: blob:"]) expect(policy).toContain(part);
  expect(policy).not.toContain('unsafe-eval');
  expect(headers.get('x-content-type-options')).toBe('nosniff');
  expect(headers.get('referrer-policy')).toBe('no-referrer');
  expect(headers.get('x-powered-by')).toBeNull();
  expect(headers.get('server')).toBeNull();
});

test('GATEWAY-17: the map style of the configuration may be loaded, and plain HTTP is given up where there is HTTPS', () => {
  const policy = contentSecurityPolicy({ publicUrl: 'https://rides.example', demo: false, mapStyleUrl: 'https://maps.example/style.json', redirectOrigins: [] });
  expect(policy['connect-src']).toEqual(["'self'", 'https://maps.example']);
  expect(policy['upgrade-insecure-requests']).toEqual([]);
});

test('GATEWAY-17: other origins may call only when the configuration names them', async () => {
  const preflight = (target: TestGateway, origin: string) =>
    target.call('OPTIONS', '/v1/vehicles', { headers: { origin, 'access-control-request-method': 'GET', 'access-control-request-headers': 'authorization' } });
  expect((await preflight(gateway, 'https://partner.example')).headers.get('access-control-allow-origin')).toBeNull();
  expect((await preflight(production, 'https://partner.example')).headers.get('access-control-allow-origin')).toBe('https://partner.example');
  expect((await preflight(production, 'https://attacker.example')).headers.get('access-control-allow-origin')).toBeNull();
  expect((await production.call('GET', '/health/live')).headers.get('strict-transport-security')).toContain('max-age=');
});

test('GATEWAY-15: outside demo mode there are no demo tokens, and no simulator', async () => {
  expect((await production.call('POST', '/demo/token', { body: { email: 'a@example.com' } })).status).toBe(404);
  const secret = await production.process.ports.keys.secret('client:simulator');
  const response = await fetch(`${production.url}/oidc/token`, { method: 'POST', headers: { 'authorization': `Basic ${btoa(`simulator:${secret}`)}`, 'x-forwarded-for': '203.0.113.99' }, body: new URLSearchParams({ grant_type: 'client_credentials' }) });
  expect(response.status).toBe(401);
});

test('GATEWAY-10: outside demo mode the identity provider has one name, whatever a request says', async () => {
  const response = await production.call('GET', '/oidc/.well-known/openid-configuration', { headers: { 'x-forwarded-host': 'attacker.example', 'x-forwarded-proto': 'http', 'x-forwarded-for': '203.0.113.98' } });
  const text = await response.text();
  expect(text).not.toContain('attacker.example');
  expect(JSON.parse(text)).toMatchObject({ issuer: 'https://rides.example/oidc', token_endpoint: 'https://rides.example/oidc/token' });
});

test('GATEWAY-19: in demo mode health and metrics need no token and do not count', async () => {
  for (let round = 0; round < 30; round++) expect((await gateway.call('GET', '/health/live')).status).toBe(200);
  expect((await gateway.call('GET', '/health/ready')).status).toBe(200);
  const metrics = await (await gateway.call('GET', '/metrics')).text();
  expect(metrics).toMatch(/mobility_http_request_duration_seconds_count\{method="GET",route="\/v1\/me",module="user",status="4xx"\} \d+/);
});

test('GATEWAY-19: in production metrics are for the scraper alone', async () => {
  for (const token of [undefined, 'another-token-of-nobody', `${metricsToken}x`, metricsToken.slice(0, -1)]) {
    const response = await production.call('GET', '/metrics', token === undefined ? {} : { token });
    expect(response.status).toBe(401);
    expect(await response.text()).not.toContain('http_request');
  }
  expect(await (await production.call('GET', '/metrics', { token: metricsToken })).text()).toContain('process_cpu');
  const closed = await startGateway({ MOBILITY_MODE: 'production', MOBILITY_PUBLIC_URL: 'https://rides.example' });
  expect((await closed.call('GET', '/metrics')).status).toBe(404);
  await closed.stop();
});

interface OpenApi {
  paths: Record<string, Record<string, { operationId: string; security: object[]; parameters: { name: string; in: string; required: boolean }[]; responses: Record<string, { content?: Record<string, { schema: unknown }> }> }>>;
}

test('GATEWAY-09: the document at /openapi.json is valid OpenAPI 3.1', async () => {
  const served: unknown = await (await gateway.call('GET', '/openapi.json')).json();
  const validator = new Validator();
  const result = await validator.validate(served as Record<string, unknown>);
  expect(result.errors).toBeUndefined();
  expect(result.valid).toBe(true);
  expect(validator.version).toBe('3.1');
});

test('GATEWAY-09: the document describes every public operation with its parameters, security and each error that it can answer', () => {
  const document = JSON.parse(JSON.stringify(openApiDocument(publicOperations(), 'http://localhost'))) as OpenApi;
  expect(Object.values(document.paths).flatMap((methods) => Object.keys(methods))).toHaveLength(publicOperations().length);
  for (const { operation, module, name } of publicOperations()) {
    const described = document.paths[operation.path]?.[operation.method.toLowerCase()];
    if (!described) throw new Error(`${operation.path} is not described`);
    expect(described.operationId).toBe(`${module}.${name}`);
    const inPath = described.parameters.filter((parameter) => parameter.in === 'path').map((parameter) => `{${parameter.name}}`);
    expect(inPath.toSorted()).toEqual((operation.path.match(/\{[^}]+\}/g) ?? []).toSorted());
    expect(described.parameters.some((parameter) => parameter.name === 'Idempotency-Key')).toBe(operation.idempotent === true);
    expect(described.security.length).toBe(operation.access === 'anyone' ? 0 : 1);
    expect(described.responses[String(operation.status)]).toBeDefined();
    for (const code of [...operation.errors, 'internal', 'too-many-requests'] as const) {
      const content = described.responses[String(problems[code].status)]?.content?.['application/problem+json'];
      expect(JSON.stringify(content), `${operation.path}: ${code}`).toContain(`"${code}"`);
    }
  }
});

let folder: string;
let app: FastifyInstance;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-app-'));
  await mkdir(join(folder, '_expo', 'static'), { recursive: true });
  await writeFile(join(folder, 'index.html'), '<!doctype html><title>app</title>');
  await writeFile(join(folder, '_expo', 'static', 'index-0123456789abcdef0123456789abcdef.js'), 'x'.repeat(5000));
  app = fastify();
  app.get('/v1/cities', () => ({ items: [] }));
  await serveApp(app, pathToFileURL(`${folder}/`), (request, reply) => sendProblem(reply, new Problem('not-found'), request.id));
});
afterAll(async () => {
  await app.close();
  await rm(folder, { recursive: true, force: true });
});

test('GATEWAY-18: the app answers for its own paths, and not for those of the API', async () => {
  const navigate = (url: string) => app.inject({ method: 'GET', url, headers: { accept: 'text/html,application/xhtml+xml' } });
  for (const url of ['/', '/callback?code=1', '/bookings/42']) {
    const response = await navigate(url);
    expect([url, response.statusCode, response.headers['cache-control']]).toEqual([url, 200, 'no-cache']);
    expect(response.body).toContain('<title>app</title>');
  }
  for (const url of ['/v1/nothing', '/oidc/nothing', '/_expo/static/missing.js']) expect((await navigate(url)).statusCode).toBe(404);
  expect((await app.inject({ method: 'GET', url: '/bookings/42', headers: { accept: 'application/json' } })).statusCode).toBe(404);
});

test('GATEWAY-18: files with a digest in their name are compressed and kept for good; nothing outside the folder is served', async () => {
  const response = await app.inject({ method: 'GET', url: '/_expo/static/index-0123456789abcdef0123456789abcdef.js', headers: { 'accept-encoding': 'br' } });
  expect(response.headers['cache-control']).toBe('public, max-age=31536000, immutable');
  expect(response.headers['content-encoding']).toBe('br');
  for (const url of ['/../package.json', '/..%2fpackage.json', '/%2e%2e/package.json', '/_expo/..%5c..%5cpackage.json']) expect((await app.inject({ method: 'GET', url })).statusCode).toBeGreaterThanOrEqual(400);
});

async function command(rest: string[], env: NodeJS.ProcessEnv): Promise<string> {
  let output = '';
  await runToken(rest, { env, stdout: { write: (text) => void (output += text) } });
  return output;
}

test('GATEWAY-15: the token command prints a token that works, found by the folder of the program', async () => {
  const token = (await command(['command@example.com', '--role', 'staff'], { MOBILITY_HOME: gateway.process.home })).trim();
  expect((await gateway.call('GET', '/v1/statistics/events', { token })).status).toBe(200);
});

test('GATEWAY-15: the token command says in a sentence what is wrong', async () => {
  const failing = (rest: string[], env: NodeJS.ProcessEnv) => command(rest, env).then(() => 'no error', (error: Error) => error.message);
  expect(await failing([], {})).toContain('Usage: mobility token EMAIL');
  expect(await failing(['nobody'], {})).toContain('"nobody" is not an e-mail address');
  expect(await failing(['a@example.com', '--role', 'king'], {})).toContain('There is no role "king"');
  expect(await failing(['a@example.com', '--colour', 'red'], {})).toContain('--colour');
  expect(await failing(['a@example.com'], { PORT: '1' })).toContain('The program is not running at http://localhost:1.');
  expect(await failing(['a@example.com'], { PORT: new URL(production.url).port })).toContain('is not in demo mode');
});

test('GATEWAY-15: the city command prints the counts of the running program as JSON', async () => {
  let output = '';
  await runCity([], { env: { MOBILITY_HOME: gateway.process.home }, stdout: { write: (text) => void (output += text) } });
  expect(JSON.parse(output)).toEqual({ vehicles: { scooter: { available: 2 } }, bookings: { riding: 1 }, ledgerBalance: { EUR: 0 }, eventsPublished: expect.any(Number), eventsHandled: expect.any(Number) });
});
