/** Hostile texts in every place of every public operation that takes one: answered as the contract says, and nothing is read, run or broken. */
import { SignJWT } from 'jose';
import { v7 } from 'uuid';
import { beforeAll, expect, test } from 'vitest';
import { apiResource, apiScopes } from '../../server/gateway/identity/scopes.ts';
import { problems, type ProblemDocument } from '../../server/wire/problem.ts';
import type { ApiUser } from '../journeys/program.ts';
import { type Path, type Sample, samples, textsIn, withAt } from './samples.ts';
import { type World, world } from './world.ts';

let all: World;
let rider: ApiUser & { id: string; email: string };
let everything: string;

beforeAll(async () => {
  all = await world();
  rider = await all.user();
  // With every role, so that nothing is refused before it is looked at; of an account that has nothing to lose.
  const { privateKey } = await all.process.ports.keys.signingKey('tokens', 'ES256');
  everything = await new SignJWT({ client_id: 'test', roles: ['rider', 'staff', 'admin', 'machine'], scope: apiScopes }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt' })
    .setIssuer(`${all.url}/oidc`).setAudience(apiResource).setSubject(v7()).setIssuedAt().setExpirationTime('10m').sign(privateKey);
});

const hostile = [
  "'; drop schema booking cascade; --", "' or '1'='1", "a'||pg_sleep(20)||'", '1; select pg_sleep(20)', '") or 1=1 --', '\\', "\\'; select 1; --", '$1', '${process.env.HOME}', '{{7*7}}', '%00', '\u0000', 'a\u0000b', '\ud800', 'a\r\nSet-Cookie: a=b',
  '<script>alert(1)</script>', '"><img src=x onerror=alert(1)>', '../../../../etc/passwd', '..%2f..%2f', 'file:///etc/passwd', 'http://169.254.169.254/latest/meta-data', '{"$ne":null}', '__proto__', 'constructor', '‮txt.exe', '😀'.repeat(50), 'A'.repeat(5_000), '-1', '1e400', 'NaN', 'null', 'true', '[]', '-'.repeat(36), '',
];

/** Undoable, or without an end of their own. */
const notSent = new Set(['user.eraseAccount']);

async function send({ operation }: Sample, request: Pick<Sample, 'params' | 'query' | 'body'>): Promise<Response> {
  const path = operation.path.replaceAll(/\{([^}]+)\}/g, (_whole, name: string) => encodeURIComponent(request.params[name] ?? ''));
  const given = new AbortController();
  const response = await fetch(`${all.url}${path}?${new URLSearchParams(request.query).toString()}`, {
    method: operation.method, signal: given.signal,
    headers: { 'authorization': `Bearer ${everything}`, 'idempotency-key': v7(), ...(operation.body && operation.consumes !== 'multipart/form-data' && { 'content-type': 'application/json' }) },
    ...(request.body !== undefined && { body: JSON.stringify(request.body) }),
  });
  if (response.headers.get('content-type') === 'text/event-stream') given.abort();
  return response;
}

/** Half of a surrogate pair does not survive the way to an address. */
const inAddress = (text: string): string => text.toWellFormed();

function* attacksOn(sample: Sample): Generator<{ where: string; text: string; request: Pick<Sample, 'params' | 'query' | 'body'> }> {
  const { params, query, body } = sample;
  for (const name of Object.keys(params)) for (const text of hostile) if (text !== '') yield { where: `path ${name}`, text, request: { params: { ...params, [name]: inAddress(text) }, query, body } };
  for (const name of Object.keys(query)) for (const text of hostile) yield { where: `query ${name}`, text, request: { params, query: { ...query, [name]: inAddress(text) }, body } };
  const places = textsIn(body);
  // Where there are many places of one kind, each gets some of the texts and all together get all.
  const share = Math.max(1, Math.ceil(places.length / 6));
  for (const [index, place] of places.entries()) {
    for (const [number, text] of hostile.entries()) {
      if (number % share === index % share) yield { where: `body /${place.join('/')}`, text, request: { params, query, body: withAt(body, place as Path, () => text) } };
    }
  }
}

/** Whether PostgreSQL, the event log or a file could not take it: a text of ours would stand in the answer. */
const leaks = /syntax error|SQLSTATE|PostgresError|pg_|at .+\.(ts|js):\d+|ENOENT|ECONN|node_modules|stack/;

const attacked = samples().filter(({ module, name }) => !notSent.has(`${module}.${name}`)).filter((sample) => [...attacksOn(sample)].length > 0);

test.each(attacked.map((sample) => [`${sample.operation.method} ${sample.operation.path}`, sample] as const))('THREAT-24: %s takes hostile texts in every place as texts, or refuses them as a problem', async (_name, sample) => {
  for (const { where, text, request } of attacksOn(sample)) {
    const startedMs = performance.now();
    const response = await send(sample, request);
    const said = `${sample.module}.${sample.name} ${where}: ${JSON.stringify(text.slice(0, 60))}`;
    expect(response.status, said).toBeLessThan(500);
    expect(performance.now() - startedMs, said).toBeLessThan(15_000);
    if (response.status < 400) {
      await response.body?.cancel().catch(() => undefined);
      continue;
    }
    expect(response.headers.get('content-type'), said).toContain('application/problem+json');
    const answered = await response.text();
    const { code } = JSON.parse(answered) as ProblemDocument;
    expect(problems[code].status, said).toBe(response.status);
    expect(answered.replaceAll(JSON.stringify(text).slice(1, -1), ''), said).not.toMatch(leaks);
    expect(response.headers.getSetCookie(), said).toEqual([]);
  }
});

test('THREAT-24: after all that every table is still there, and a text is kept as it was sent', async () => {
  const schemas = await all.sql<{ nspname: string }[]>`select nspname from pg_namespace where nspname in ('booking', 'user', 'vehicle', 'payment', 'incident', 'rollout', 'iot', 'gateway')`;
  expect(schemas).toHaveLength(8);
  for (const name of ["Robert'); drop table accounts; --", '<b>Ada</b>', '${7*7}', "O'Brien \\ %s $1"]) {
    expect(await rider.send('PATCH', '/v1/me', { name })).toMatchObject({ status: 200, body: { name } });
    expect((await rider.get('/v1/me')).body['name']).toBe(name);
  }
  expect(({} as Record<string, unknown>)['polluted']).toBeUndefined();
});

test('THREAT-24: a text that no database keeps is refused with a pointer to it, wherever it is', async () => {
  for (const text of ['a\0b', '\ud83d']) {
    const answer = await rider.send<ProblemDocument>('PATCH', '/v1/me', { name: text });
    expect(answer).toMatchObject({ status: 400, body: { code: 'invalid-request', errors: [{ pointer: '/body/name' }] } });
  }
  expect(await rider.get('/v1/bookings?cursor=a%00b')).toMatchObject({ status: 400, body: { code: 'invalid-request' } });
});

test('THREAT-24: the identity provider takes hostile texts as well', async () => {
  const form = async (path: string, fields: Record<string, string>) => fetch(`${all.url}${path}`, { method: 'POST', body: new URLSearchParams(fields), redirect: 'manual' });
  for (const text of hostile.map(inAddress)) {
    const answers = await Promise.all([
      form('/oidc/token', { grant_type: 'authorization_code', client_id: 'rider-app', redirect_uri: `${all.url}/callback`, code: text, code_verifier: 'a'.repeat(43) }),
      form('/oidc/token', { grant_type: 'refresh_token', client_id: 'rider-app', refresh_token: text }),
      form('/oidc/token', { grant_type: text, client_id: 'rider-app' }),
      form('/oidc/token', { grant_type: 'client_credentials', client_id: text, client_secret: text }),
      form('/oidc/token/revocation', { client_id: 'rider-app', token: text }),
      fetch(`${all.url}/oidc/auth?${new URLSearchParams({ client_id: text, redirect_uri: text, response_type: 'code', scope: text, state: text }).toString()}`, { redirect: 'manual' }),
      fetch(`${all.url}/sign-in/${encodeURIComponent(text) || 'a'}`, { redirect: 'manual' }),
      fetch(`${all.url}/sign-in/a`, { redirect: 'manual', headers: { cookie: `_interaction=${encodeURIComponent(text)}; _session=${encodeURIComponent(text)}` } }),
    ]);
    for (const answer of answers) {
      expect([answer.status, text]).toEqual([expect.toSatisfy((status: number) => status < 500), text]);
      expect(await answer.text()).not.toMatch(/<script>alert|<img src=x/);
    }
  }
});
