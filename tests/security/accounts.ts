/** Accounts and sign-in from outside: guessed, found out, fixed, led astray. */
import { v7 } from 'uuid';
import { beforeAll, expect, test } from 'vitest';
import { userContract } from '../../server/services/user/contract.ts';
import { Browser, formOf, locationOf, password, pkce, signInFlow } from './sign-in.ts';
import { type World, world } from './world.ts';

let all: World;
beforeAll(async () => {
  all = await world();
});

const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

/** Times two ways of asking in turns, so that whatever else the machine does falls on both. */
async function compare(one: () => Promise<unknown>, other: () => Promise<unknown>, rounds: number): Promise<number> {
  const timed = async (work: () => Promise<unknown>) => {
    const startedMs = performance.now();
    await work();
    return performance.now() - startedMs;
  };
  const times: [number[], number[]] = [[], []];
  await one();
  await other();
  for (let round = 0; round < rounds; round++) {
    times[0].push(await timed(one));
    times[1].push(await timed(other));
  }
  return median(times[0]) / median(times[1]);
}

test('THREAT-06: how long a refusal takes does not tell whether there is an account', async () => {
  const flow = await signInFlow(all);
  const client = all.process.client(userContract);
  // As the form would, but for the limits of an address; fewer than close the account.
  const attempt = (email: string) => client.authenticate({ body: { email, password: 'not the password' } }).then(() => undefined, () => undefined);
  const ratio = await compare(() => attempt(flow.email), () => attempt(`${v7()}@example.com`), 11);
  // Without the same work for unknown addresses it would be a hundred times, or a hundredth.
  expect(ratio).toBeGreaterThan(1 / 3);
  expect(ratio).toBeLessThan(3);
});

test('THREAT-06: the page of a wrong password is the page of an unknown address', async () => {
  const flow = await signInFlow(all);
  const pageOf = async (email: string) => {
    const browser = new Browser(all.url);
    const { action, csrfToken } = formOf(await (await browser.open(locationOf(await browser.open(flow.authorisationPath(pkce()))))).text());
    const response = await browser.open(action, { method: 'POST', body: new URLSearchParams({ csrfToken, email, password: 'not the password' }) });
    return { status: response.status, headers: [...response.headers.keys()], html: (await response.text()).replaceAll(email, '').replaceAll(action, '').replaceAll(csrfToken, '') };
  };
  expect(await pageOf(flow.email)).toEqual(await pageOf(`${v7()}@example.com`));
});

test('THREAT-07: guessing many at once gets no further than guessing one after another', async () => {
  const flow = await signInFlow(all);
  const client = all.process.client(userContract);
  const outcomes = await Promise.all(Array.from({ length: 40 }, () => client.authenticate({ body: { email: flow.email, password: 'guess', address: '198.51.100.7' } }).then(() => 'in', (error: { code: string }) => error.code)));
  expect(outcomes.filter((code) => code === 'wrong-credentials').length).toBeLessThanOrEqual(6);
  expect(outcomes).not.toContain('in');
  // The owner, elsewhere, still gets in.
  expect(await client.authenticate({ body: { email: flow.email, password, address: '203.0.113.9' } })).toMatchObject({ id: flow.id });
});

test('THREAT-07: addresses of one IPv6 network are one, and spelling an address differently is no other account', async () => {
  const flow = await signInFlow(all);
  const client = all.process.client(userContract);
  const codes: string[] = [];
  for (const spelling of [flow.email, flow.email.toUpperCase(), ` ${flow.email}`, `${flow.email} `, flow.email.replace('e', 'E'), flow.email, flow.email]) {
    codes.push(await client.authenticate({ body: { email: spelling, password: 'guess', address: '198.51.100.8' } }).then(() => 'in', (error: { code: string }) => error.code));
  }
  expect(codes).toEqual([...Array.from({ length: 6 }, () => 'wrong-credentials'), 'too-many-requests']);
});

test('THREAT-08: signing in leads to registered addresses only, however they are written', async () => {
  const flow = await signInFlow(all);
  const { host } = new URL(all.url);
  const astray = [
    'https://attacker.example/callback', `http://attacker.example@${host}/callback`, `http://${host}@attacker.example/callback`, `http://${host}.attacker.example/callback`, `http://attacker.example#${host}/callback`,
    `${all.url}/callback#x`, `${all.url}/callback/`, `${all.url}/callback/..`, `${all.url}//callback`, `${all.url}/Callback`, `${all.url}/callback%2f..`, `HTTP://${host}/callback?`, `//${host}/callback`, 'javascript:alert(1)', 'data:text/html,x', '',
  ];
  for (const redirect_uri of astray) {
    const response = await new Browser(all.url).open(flow.authorisationPath(pkce(), { redirect_uri }));
    expect([redirect_uri, response.status]).toEqual([redirect_uri, 400]);
    expect(response.headers.get('location')).toBeNull();
  }
  for (const post_logout_redirect_uri of ['https://attacker.example/', `${all.url}/callback`, `${all.url}.attacker.example/`]) {
    const response = await new Browser(all.url).open(`/oidc/session/end?${new URLSearchParams({ client_id: 'rider-app', post_logout_redirect_uri }).toString()}`);
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
  }
});

test('THREAT-08: what would hand tokens to a page, or skip the proof, is not offered', async () => {
  const flow = await signInFlow(all);
  const refused = [{ response_type: 'token' }, { response_type: 'id_token' }, { response_type: 'code id_token' }, { code_challenge_method: 'plain' }, { code_challenge: undefined, code_challenge_method: undefined }, { request: 'eyJhbGciOiJub25lIn0.e30.' }, { request_uri: 'https://attacker.example/r' }, { resource: 'urn:another' }];
  for (const changes of refused) {
    const response = await new Browser(all.url).open(flow.authorisationPath(pkce(), changes));
    const location = response.headers.get('location');
    expect(location ?? '', JSON.stringify(changes)).not.toMatch(/[?&#](code|access_token|id_token)=/);
    expect(location === null ? response.status : new URL(location, all.url).searchParams.get('error') ?? new URL(location, all.url).hash, JSON.stringify(changes)).toBeTruthy();
    expect(location ?? '').not.toMatch(/^\/sign-in\//);
  }
});

test('THREAT-08: a code is for the browser app that asked for it, and for its proof, once', async () => {
  const flow = await signInFlow(all);
  const proof = pkce();
  const code = await flow.codeFor(proof);
  const wrong: Record<string, string>[] = [{ client_id: 'simulator' }, { code_verifier: '' }, { code_verifier: proof.challenge }, { code_verifier: pkce().verifier }, { redirect_uri: `${all.url}/other` }];
  for (const changes of wrong) {
    const { status, tokens } = await flow.exchange(await flow.codeFor(proof), proof.verifier, changes);
    expect([400, 401]).toContain(status);
    expect(tokens.access_token).toBeUndefined();
  }
  expect((await flow.exchange(code, proof.verifier)).status).toBe(200);
  expect((await flow.exchange(code, proof.verifier)).tokens.error).toBe('invalid_grant');
  // A refresh token says nothing to another client.
  const { tokens } = await flow.signIn(pkce());
  expect((await flow.askForTokens({ grant_type: 'refresh_token', client_id: 'simulator', refresh_token: tokens.refresh_token })).status).toBeGreaterThanOrEqual(400);
});

test('THREAT-09: cookies are for the browser alone, not for scripts or other sites, and change when somebody signs in', async () => {
  const flow = await signInFlow(all);
  const browser = new Browser(all.url);
  const begun = await browser.open(flow.authorisationPath(pkce()));
  for (const cookie of begun.headers.getSetCookie()) {
    expect(cookie.toLowerCase()).toContain('httponly');
    expect(cookie.toLowerCase()).toContain('samesite=lax');
    expect(cookie.toLowerCase()).not.toContain('domain=');
  }
  const { action, csrfToken } = formOf(await (await browser.open(locationOf(begun))).text());
  // A session that somebody else has planted does not become the signed-in one.
  browser.cookies.set('_session', 'planted-by-somebody');
  const resumed = await browser.open(action, { method: 'POST', body: new URLSearchParams({ csrfToken, email: flow.email, password }) });
  await browser.open(locationOf(resumed));
  expect(browser.cookies.get('_session')).toBeDefined();
  expect(browser.cookies.get('_session')).not.toBe('planted-by-somebody');
  // The form is no use to a page of another site: it has no cookie there, and no token.
  const stranger = await fetch(`${all.url}${action}`, { method: 'POST', redirect: 'manual', headers: { origin: 'https://attacker.example' }, body: new URLSearchParams({ csrfToken, email: flow.email, password }) });
  expect(stranger.status).toBe(400);
  expect(stranger.headers.get('access-control-allow-origin')).toBeNull();
});

test('THREAT-09: pages of other sites read nothing and frame nothing', async () => {
  const rider = await all.user();
  for (const origin of ['https://attacker.example', 'null', `${all.url}.attacker.example`, 'http://localhost:8082']) {
    for (const path of ['/v1/me', '/oidc/token', '/sign-in/a', '/openapi.json', '/health/live']) {
      const response = await fetch(`${all.url}${path}`, { headers: { origin, authorization: `Bearer ${rider.token}` }, redirect: 'manual' });
      expect([origin, path, response.headers.get('access-control-allow-origin'), response.headers.get('access-control-allow-credentials')]).toEqual([origin, path, null, null]);
      expect(response.headers.get('content-security-policy')).toContain("frame-ancestors 'none'");
      expect(response.headers.get('x-content-type-options')).toBe('nosniff');
    }
  }
  const token = await fetch(`${all.url}/demo/token`, { method: 'POST', headers: { 'origin': 'https://attacker.example', 'content-type': 'application/json' }, body: JSON.stringify({ email: rider.email }) });
  expect(token.status).toBe(404);
});
