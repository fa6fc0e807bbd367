import { createHash, randomBytes } from 'node:crypto';
import { decodeJwt } from 'jose';
import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../program/testing.ts';
import { userContract } from '../../services/user/contract.ts';
import { startGateway, type TestGateway } from '../testing/start.ts';
import { apiResource } from './scopes.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const password = 'correct horse battery';
const scope = 'openid offline_access profile vehicles:read bookings payments';

async function register(): Promise<{ email: string; id: string }> {
  const email = `${v7()}@example.com`;
  const response = await gateway.call('POST', '/v1/riders', { body: { email, password, name: 'Ada', birthDate: '1990-01-01' }, headers: { 'idempotency-key': v7() } });
  expect(response.status).toBe(201);
  return { email, id: ((await response.json()) as { id: string }).id };
}

/** A browser's cookies, as far as one host needs them. */
class Browser {
  readonly #cookies = new Map<string, string>();

  async open(url: string, init: RequestInit = {}): Promise<Response> {
    const response = await fetch(new URL(url, gateway.url), { ...init, redirect: 'manual', headers: { ...init.headers, cookie: [...this.#cookies].map(([name, value]) => `${name}=${value}`).join('; ') } });
    for (const cookie of response.headers.getSetCookie()) {
      const [pair = ''] = cookie.split(';');
      const [name = '', value = ''] = pair.split('=');
      if (value === '') this.#cookies.delete(name);
      else this.#cookies.set(name, value);
    }
    return response;
  }
}

const verifier = randomBytes(32).toString('base64url');
const challenge = createHash('sha256').update(verifier).digest('base64url');

function authorisationPath(changes: Record<string, string | undefined> = {}): string {
  const parameters: Record<string, string | undefined> = {
    client_id: 'rider-app', response_type: 'code', redirect_uri: `${gateway.url}/callback`, scope, state: 'state-1', resource: apiResource,
    code_challenge: challenge, code_challenge_method: 'S256', ...changes,
  };
  return `/oidc/auth?${new URLSearchParams(Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined))}`;
}

const locationOf = (response: Response): string => {
  const location = response.headers.get('location');
  if (!location) throw new Error(`no redirect: ${response.status}`);
  return location;
};

const formOf = (html: string) => ({ action: /action="([^"]+)"/.exec(html)?.[1] ?? '', csrfToken: /name="csrfToken" value="([^"]+)"/.exec(html)?.[1] ?? '' });

async function submit(browser: Browser, action: string, fields: Record<string, string>): Promise<Response> {
  return browser.open(action, { method: 'POST', body: new URLSearchParams(fields) });
}

/** Signs in as a person would, up to the redirect back to the app. */
async function signIn(email: string, changes: Record<string, string | undefined> = {}, browser = new Browser()): Promise<URL> {
  const page = await browser.open(locationOf(await browser.open(authorisationPath(changes))));
  expect(page.status).toBe(200);
  const { action, csrfToken } = formOf(await page.text());
  const resumed = await submit(browser, action, { csrfToken, email, password });
  expect(resumed.status).toBe(303);
  return new URL(locationOf(await browser.open(locationOf(resumed))));
}

interface Tokens {
  access_token: string;
  refresh_token: string;
  scope: string;
  expires_in: number;
  error?: string;
}

async function askForTokens(fields: Record<string, string>, headers: Record<string, string> = {}): Promise<{ status: number; tokens: Tokens }> {
  const response = await fetch(`${gateway.url}/oidc/token`, { method: 'POST', body: new URLSearchParams(fields), headers });
  return { status: response.status, tokens: (await response.json()) as Tokens };
}

const exchange = (code: string, changes: Record<string, string> = {}) =>
  askForTokens({ grant_type: 'authorization_code', client_id: 'rider-app', redirect_uri: `${gateway.url}/callback`, code, code_verifier: verifier, ...changes });
const refresh = (token: string) => askForTokens({ grant_type: 'refresh_token', client_id: 'rider-app', refresh_token: token });

async function tokensOf(email: string): Promise<Tokens> {
  const { status, tokens } = await exchange((await signIn(email)).searchParams.get('code') ?? '');
  expect(status).toBe(200);
  return tokens;
}

test('GATEWAY-10: signing in with PKCE gives a token for 15 minutes that the API takes', async () => {
  const { email, id } = await register();
  const back = await signIn(email);
  expect(`${back.origin}${back.pathname}`).toBe(`${gateway.url}/callback`);
  expect(back.searchParams.get('state')).toBe('state-1');
  const { tokens } = await exchange(back.searchParams.get('code') ?? '');
  expect(tokens.expires_in).toBe(900);
  expect(decodeJwt(tokens.access_token)).toMatchObject({ iss: `${gateway.url}/oidc`, aud: apiResource, sub: id, client_id: 'rider-app', roles: ['rider'] });
  const me = await gateway.call('GET', '/v1/me', { token: tokens.access_token });
  expect(await me.json()).toMatchObject({ id, email });
});

test('GATEWAY-10: without PKCE, or with plain, nobody signs in', async () => {
  for (const changes of [{ code_challenge: undefined, code_challenge_method: undefined }, { code_challenge_method: 'plain' }, { code_challenge_method: undefined }]) {
    const back = new URL(locationOf(await new Browser().open(authorisationPath(changes))));
    expect(back.searchParams.get('error')).toBe('invalid_request');
    expect(back.searchParams.get('code')).toBeNull();
  }
});

test('GATEWAY-10: a code is worth nothing with another verifier, another redirect, or a second time', async () => {
  const { email } = await register();
  const code = async () => (await signIn(email)).searchParams.get('code') ?? '';
  expect((await exchange(await code(), { code_verifier: randomBytes(32).toString('base64url') })).tokens.error).toBe('invalid_grant');
  expect((await exchange(await code(), { redirect_uri: 'http://localhost:8081/callback' })).tokens.error).toBe('invalid_grant');
  const once = await code();
  const first = await exchange(once);
  expect(first.status).toBe(200);
  expect((await exchange(once)).tokens.error).toBe('invalid_grant');
  // A code that comes twice was stolen: what the first use gave is taken back.
  expect((await refresh(first.tokens.refresh_token)).tokens.error).toBe('invalid_grant');
});

test('GATEWAY-10: of ten uses of one code at the same moment at most one succeeds', async () => {
  const { email } = await register();
  const code = (await signIn(email)).searchParams.get('code') ?? '';
  const results = await Promise.all(Array.from({ length: 10 }, () => exchange(code)));
  expect(results.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
});

test('GATEWAY-10: sign-in leads back to registered addresses only', async () => {
  for (const redirect_uri of ['https://attacker.example/callback', `${gateway.url}/callback/../other`, `${gateway.url}/callback?x=1`, 'javascript:alert(1)']) {
    const response = await new Browser().open(authorisationPath({ redirect_uri }));
    expect(response.status).toBe(400);
    expect(response.headers.get('location')).toBeNull();
    expect(response.headers.get('content-security-policy')).toContain("script-src 'self'");
  }
});

test('GATEWAY-11: each refresh gives a new refresh token, and the token keeps its scope', async () => {
  const { email } = await register();
  const first = await tokensOf(email);
  const { status, tokens: second } = await refresh(first.refresh_token);
  expect(status).toBe(200);
  expect(second.refresh_token).not.toBe(first.refresh_token);
  expect(second.scope).toBe(first.scope);
  expect((await gateway.call('GET', '/v1/me', { token: second.access_token })).status).toBe(200);
});

test('GATEWAY-11: a refresh token that is used twice takes all of its sign-in back', async () => {
  const { email } = await register();
  const first = await tokensOf(email);
  const { tokens: second } = await refresh(first.refresh_token);
  expect((await refresh(first.refresh_token)).tokens.error).toBe('invalid_grant');
  expect((await refresh(second.refresh_token)).tokens.error).toBe('invalid_grant');
});

test('GATEWAY-11: of ten refreshes at the same moment at most one succeeds', async () => {
  const { email } = await register();
  const { refresh_token } = await tokensOf(email);
  const results = await Promise.all(Array.from({ length: 10 }, () => refresh(refresh_token)));
  expect(results.filter(({ status }) => status === 200).length).toBeLessThanOrEqual(1);
});

test('GATEWAY-11: a suspended account cannot refresh', async () => {
  const { email, id } = await register();
  const { refresh_token } = await tokensOf(email);
  await gateway.process.client(userContract).setSuspension({ params: { riderId: id }, body: { suspended: true } });
  expect((await refresh(refresh_token)).tokens.error).toBe('invalid_grant');
});

test('GATEWAY-12: a rider who asks for the scopes of staff is signed in without them', async () => {
  const { email } = await register();
  const back = await signIn(email, { scope: `${scope} vehicles:manage cities:manage internal` });
  const { tokens } = await exchange(back.searchParams.get('code') ?? '');
  const granted = String(decodeJwt(tokens.access_token)['scope']).split(' ');
  expect(granted).toEqual(expect.arrayContaining(['profile', 'bookings', 'payments']));
  for (const forbidden of ['vehicles:manage', 'cities:manage', 'internal']) expect(granted).not.toContain(forbidden);
});

test('GATEWAY-13: a wrong password shows the page again with a message that is read out, in the language that was asked for', async () => {
  const { email } = await register();
  const browser = new Browser();
  const page = await browser.open(locationOf(await browser.open(authorisationPath({ ui_locales: 'de' }))));
  const { action, csrfToken } = formOf(await page.text());
  const again = await submit(browser, action, { csrfToken, email: `${email}"><script>`, password: 'wrong password' });
  expect(again.status).toBe(401);
  const html = await again.text();
  expect(html).toContain('<html lang="de">');
  expect(html).toContain('role="alert"');
  expect(html).toContain('E-Mail-Adresse oder Passwort ist falsch.');
  expect(html).not.toContain('<script>');
  expect((await submit(browser, action, { csrfToken, email, password })).status).toBe(303);
});

test('GATEWAY-13: a form without its token, or of another sign-in, signs nobody in', async () => {
  const { email } = await register();
  const [mine, theirs] = [new Browser(), new Browser()];
  const myForm = formOf(await (await mine.open(locationOf(await mine.open(authorisationPath())))).text());
  const theirForm = formOf(await (await theirs.open(locationOf(await theirs.open(authorisationPath())))).text());
  expect((await submit(mine, myForm.action, { email, password })).status).toBe(403);
  expect((await submit(mine, myForm.action, { csrfToken: theirForm.csrfToken, email, password })).status).toBe(403);
  // The page of a sign-in that another browser has begun.
  const stranger = await submit(new Browser(), myForm.action, { csrfToken: myForm.csrfToken, email, password });
  expect(stranger.status).toBe(400);
  expect(await stranger.text()).toContain('This sign-in has expired');
});

test('GATEWAY-13: six wrong passwords close the account to this address', async () => {
  const { email } = await register();
  const browser = new Browser();
  const { action, csrfToken } = formOf(await (await browser.open(locationOf(await browser.open(authorisationPath())))).text());
  for (let round = 0; round < 6; round++) expect((await submit(browser, action, { csrfToken, email, password: 'wrong password' })).status).toBe(401);
  expect((await submit(browser, action, { csrfToken, email, password })).status).toBe(429);
});

test('GATEWAY-13: whoever is signed in already is not asked again', async () => {
  const { email } = await register();
  const browser = new Browser();
  await signIn(email, {}, browser);
  const back = new URL(locationOf(await browser.open(authorisationPath({ state: 'state-2' }))));
  expect(back.searchParams.get('code')).toBeTruthy();
  expect(back.searchParams.get('state')).toBe('state-2');
});

const asSimulator = async (fields: Record<string, string>, secret?: string) => {
  const known = secret ?? (await gateway.process.ports.keys.secret('client:simulator'));
  return askForTokens({ grant_type: 'client_credentials', resource: apiResource, ...fields }, { authorization: `Basic ${Buffer.from(`simulator:${known}`).toString('base64')}` });
};

test('GATEWAY-14: a machine gets a token by its secret, for its own scopes only', async () => {
  const { status, tokens } = await asSimulator({ scope: 'vehicles:read devices:provision' });
  expect(status).toBe(200);
  expect(decodeJwt(tokens.access_token)).toMatchObject({ sub: 'simulator', roles: ['machine'], scope: 'vehicles:read devices:provision', aud: apiResource });
  expect((await gateway.call('GET', '/v1/vehicles?lat=50&lon=8', { token: tokens.access_token })).status).toBe(200);
  expect((await gateway.call('GET', '/v1/me', { token: tokens.access_token })).status).toBe(403);
  expect((await asSimulator({ scope: 'bookings payments:manage' })).tokens.error).toBe('invalid_scope');
  expect((await asSimulator({ scope: 'vehicles:read' }, 'wrong-secret')).tokens.error).toBe('invalid_client');
  expect((await asSimulator({ scope: 'vehicles:read', resource: 'urn:another' })).tokens.error).toBe('invalid_target');
});

test('GATEWAY-14: the app is no machine', async () => {
  const { status, tokens } = await askForTokens({ grant_type: 'client_credentials', client_id: 'rider-app', scope: 'vehicles:read' });
  expect(status).toBe(400);
  expect(tokens.access_token).toBeUndefined();
});

test('GATEWAY-15: demo tokens need an address and a role, and carry that role', async () => {
  const { token, riderId } = await gateway.token('demo-staff@example.com', 'staff');
  expect(decodeJwt(token)).toMatchObject({ sub: riderId, roles: ['staff'] });
  for (const body of [{}, { email: 'nobody' }, { email: 'a@example.com', role: 'root' }, { email: 'a@example.com', more: 1 }]) expect((await gateway.call('POST', '/demo/token', { body })).status).toBe(400);
});

test('GATEWAY-15: a new demo account gets one payment method', async () => {
  gateway.reached.length = 0;
  await gateway.token('demo-rider@example.com');
  await gateway.token('demo-rider@example.com');
  expect(gateway.reached.filter((name) => name === 'payment.addPaymentMethod')).toHaveLength(1);
});

test('GATEWAY-15: demo tokens are not given through a proxy or by another name of this machine', async () => {
  const ask = (headers: Record<string, string>) => gateway.call('POST', '/demo/token', { body: { email: 'a@example.com' }, headers });
  expect((await ask({ 'x-forwarded-for': '203.0.113.5' })).status).toBe(404);
  const { request } = await import('node:http');
  const status = await new Promise<number | undefined>((resolve, reject) => {
    const rebound = request(`${gateway.url}/demo/token`, { method: 'POST', headers: { 'host': 'attacker.example', 'content-type': 'application/json' } }, (response) => resolve(response.resume().statusCode));
    rebound.on('error', reject);
    rebound.end(JSON.stringify({ email: 'a@example.com' }));
  });
  expect(status).toBe(404);
});

test('GATEWAY-10: what the identity provider stores is removed with the sign-in', async () => {
  const { email, id } = await register();
  await tokensOf(email);
  const sql = gateway.process.database('gateway')?.sql;
  if (!sql) throw new Error('gateway has no database');
  const records = async () => (await sql<{ count: number }[]>`select count(*)::int as count from oidc_records where account_id = ${id}`)[0]?.count ?? 0;
  expect(await records()).toBeGreaterThan(0);
  await gateway.process.client(userContract).setSuspension({ params: { riderId: id }, body: { suspended: true } });
  await eventually(async () => (await records()) === 0);
});
