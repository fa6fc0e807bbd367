import { generateKeyPair, exportSPKI, SignJWT, UnsecuredJWT, type CryptoKey } from 'jose';
import { beforeAll, expect, test } from 'vitest';
import type { Caller } from '../wire/contract.ts';
import type { Problem } from '../wire/problem.ts';
import { Authenticator } from './authentication.ts';

const issuer = 'https://mobility.example/oidc';
const audience = 'urn:mobility:api';
let ours: { publicKey: CryptoKey; privateKey: CryptoKey };
const refused = new Set<string>();
let authenticator: Authenticator;

beforeAll(async () => {
  ours = await generateKeyPair('ES256', { extractable: true });
  authenticator = new Authenticator({ publicKey: ours.publicKey, issuer, audience, isRefused: (subject) => refused.has(subject), capacity: 3 });
});

interface Crafted {
  claims?: Record<string, unknown>;
  header?: Record<string, unknown>;
  key?: CryptoKey | Uint8Array;
  expiresInSeconds?: number;
}

const goodClaims = { iss: issuer, aud: audience, sub: 'rider-1', client_id: 'rider-app', scope: 'profile bookings', roles: ['rider'] };

function craft({ claims = {}, header = {}, key, expiresInSeconds = 600 }: Crafted = {}): Promise<string> {
  const now = Math.floor(Date.now() / 1000);
  return new SignJWT({ ...goodClaims, iat: now, exp: now + expiresInSeconds, ...claims }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...header }).sign(key ?? ours.privateKey);
}

const identify = async (token: string): Promise<Caller | undefined> => authenticator.identify(`Bearer ${token}`);
const codeOf = (token: string): Promise<string> => identify(token).then(() => 'accepted', (error: Problem) => error.code);

test('GATEWAY-01: a token of ours stands for its subject, roles, scopes and client', async () => {
  expect(await identify(await craft())).toEqual({ subject: 'rider-1', roles: ['rider'], scopes: ['profile', 'bookings'], clientId: 'rider-app' });
  expect(authenticator.identify(undefined)).toBeUndefined();
});

test('GATEWAY-01: alg none is refused, whatever its case', async () => {
  const unsecured = new UnsecuredJWT({ ...goodClaims }).setIssuedAt().setExpirationTime('5m').encode();
  expect(await codeOf(unsecured)).toBe('unauthenticated');
  const [, payload = ''] = (await craft()).split('.');
  for (const alg of ['none', 'None', 'NONE', 'nOnE']) {
    const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url');
    for (const signature of ['', 'AAAA']) expect(await codeOf(`${header}.${payload}.${signature}`)).toBe('unauthenticated');
  }
});

test('GATEWAY-01: a token signed with the public key as an HMAC secret is refused', async () => {
  const secret = new TextEncoder().encode(await exportSPKI(ours.publicKey));
  expect(await codeOf(await craft({ header: { alg: 'HS256' }, key: secret }))).toBe('unauthenticated');
});

test('GATEWAY-01: a token of another key is refused, also when it brings or names that key', async () => {
  const theirs = await generateKeyPair('ES256', { extractable: true });
  expect(await codeOf(await craft({ key: theirs.privateKey }))).toBe('unauthenticated');
  const { exportJWK } = await import('jose');
  const jwk = await exportJWK(theirs.publicKey);
  expect(await codeOf(await craft({ key: theirs.privateKey, header: { jwk } }))).toBe('unauthenticated');
  expect(await codeOf(await craft({ key: theirs.privateKey, header: { jku: 'https://attacker.example/keys', kid: '../../dev/null' } }))).toBe('unauthenticated');
});

test('GATEWAY-01: expired, not yet valid, without an end, of another issuer, audience or kind: refused', async () => {
  expect(await codeOf(await craft({ expiresInSeconds: -1 }))).toBe('unauthenticated');
  expect(await codeOf(await craft({ claims: { nbf: Math.floor(Date.now() / 1000) + 300 } }))).toBe('unauthenticated');
  expect(await codeOf(await craft({ claims: { exp: undefined } }))).toBe('unauthenticated');
  expect(await codeOf(await craft({ claims: { iss: 'https://attacker.example/oidc' } }))).toBe('unauthenticated');
  for (const aud of ['urn:mobility:peers', 'rider-app', undefined]) expect(await codeOf(await craft({ claims: { aud } }))).toBe('unauthenticated');
  for (const typ of ['JWT', 'logout+jwt', undefined]) expect(await codeOf(await craft({ header: { typ } }))).toBe('unauthenticated');
});

test('GATEWAY-01: claims of a wrong shape are refused', async () => {
  for (const claims of [{ sub: undefined }, { sub: '' }, { client_id: undefined }, { roles: undefined }, { roles: 'admin' }, { roles: ['root'] }, { scope: ['profile'] }]) {
    expect(await codeOf(await craft({ claims }))).toBe('unauthenticated');
  }
});

test('GATEWAY-01: anything that is not a bearer token is refused', async () => {
  const token = await craft();
  for (const header of ['', 'Bearer', 'Bearer ', `Basic ${token}`, token, `Bearer ${token}x`, `Bearer ${token} ${token}`, `Bearer ${'x'.repeat(5000)}`, 'Bearer a.b.c']) {
    expect(await Promise.resolve().then(() => authenticator.identify(header)).then(() => 'accepted', (error: Problem) => error.code)).toBe('unauthenticated');
  }
  expect(await Promise.resolve().then(() => authenticator.identify(`bearer ${token}`))).toMatchObject({ subject: 'rider-1' });
});

test('GATEWAY-01: a changed signature or payload of a token that was accepted before is refused', async () => {
  const token = await craft();
  await identify(token);
  const [header = '', payload = '', signature = ''] = token.split('.');
  const raised = Buffer.from(JSON.stringify({ ...JSON.parse(Buffer.from(payload, 'base64url').toString()), roles: ['admin'] })).toString('base64url');
  expect(await codeOf(`${header}.${raised}.${signature}`)).toBe('unauthenticated');
  expect(await codeOf(`${header}.${payload}.${signature.slice(0, -2)}AA`)).toBe('unauthenticated');
});

test('GATEWAY-01: a remembered token is refused once it has expired', async () => {
  const token = await craft({ expiresInSeconds: 1 });
  expect(await codeOf(token)).toBe('accepted');
  const deadline = Date.now() + 5000;
  let code = 'accepted';
  while (code === 'accepted' && Date.now() < deadline) {
    code = await codeOf(token);
    await new Promise((resume) => setTimeout(resume, 20));
  }
  expect(code).toBe('unauthenticated');
});

test('GATEWAY-03: a remembered token is refused as soon as its account is', async () => {
  const token = await craft({ claims: { sub: 'rider-2' } });
  expect(await codeOf(token)).toBe('accepted');
  refused.add('rider-2');
  expect(await codeOf(token)).toBe('unauthenticated');
  refused.delete('rider-2');
  expect(await codeOf(token)).toBe('accepted');
});

test('GATEWAY-01: more tokens than can be remembered are all still accepted', async () => {
  const tokens = await Promise.all(Array.from({ length: 8 }, (_, number) => craft({ claims: { sub: `rider-${number + 10}` } })));
  for (const token of [...tokens, ...tokens]) expect(await codeOf(token)).toBe('accepted');
});
