/** Access tokens that somebody has made, changed, or taken from where they belong, against the real gateway. */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, importJWK, SignJWT, UnsecuredJWT, type CryptoKey, type JWTHeaderParameters } from 'jose';
import { v7 } from 'uuid';
import { beforeAll, expect, test } from 'vitest';
import { apiResource, apiScopes } from '../../server/gateway/identity/scopes.ts';
import { pkce, signInFlow } from './sign-in.ts';
import { type World, world } from './world.ts';

let all: World;
let ours: { privateKey: CryptoKey; publicKey: CryptoKey; keyId: string };
let theirs: { privateKey: CryptoKey; publicKey: CryptoKey };
let subject: string;

beforeAll(async () => {
  all = await world();
  const { privateKey, publicJwk, keyId } = await all.process.ports.keys.signingKey('tokens', 'ES256');
  ours = { privateKey, keyId, publicKey: (await importJWK(publicJwk, 'ES256', { extractable: true })) as CryptoKey };
  theirs = await generateKeyPair('ES256', { extractable: true });
  subject = (await all.user()).id;
});

const nowSeconds = () => Math.floor(Date.now() / 1000);
const claims = () => ({ iss: `${all.url}/oidc`, aud: apiResource, sub: subject, client_id: 'rider-app', scope: 'profile bookings', roles: ['rider'], iat: nowSeconds(), exp: nowSeconds() + 300 });
const sign = (changes: Record<string, unknown> = {}, header: Record<string, unknown> = {}, key: CryptoKey | Uint8Array = ours.privateKey) =>
  new SignJWT({ ...claims(), ...changes }).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', kid: ours.keyId, ...header } as JWTHeaderParameters).sign(key);

async function statusOf(token: string, path = '/v1/me'): Promise<number> {
  return (await fetch(`${all.url}${path}`, { headers: { authorization: `Bearer ${token}` } })).status;
}

test('THREAT-01: a token as the platform makes them is taken, so that the refusals below mean something', async () => {
  expect(await statusOf(await sign())).toBe(200);
});

test('THREAT-01: alg none, in every spelling, with and without a signature', async () => {
  const unsecured = new UnsecuredJWT(claims()).encode();
  expect(await statusOf(unsecured)).toBe(401);
  const [, payload = '', signature = ''] = (await sign()).split('.');
  for (const alg of ['none', 'None', 'NONE', 'nOnE', '', null]) {
    const header = Buffer.from(JSON.stringify({ alg, typ: 'at+jwt' })).toString('base64url');
    for (const end of ['', signature]) expect(await statusOf(`${header}.${payload}.${end}`)).toBe(401);
  }
});

test('THREAT-01: the public key as the secret of an HMAC, in each form in which somebody may have it', async () => {
  const jwk = await exportJWK(ours.publicKey);
  for (const text of [await exportSPKI(ours.publicKey), JSON.stringify(jwk), String(jwk.x), ours.keyId]) {
    for (const alg of ['HS256', 'HS384', 'HS512']) {
      const secret = new Uint8Array(64);
      secret.set(new TextEncoder().encode(text).subarray(0, 64));
      expect(await statusOf(await sign({}, { alg }, secret))).toBe(401);
    }
  }
});

test('THREAT-01: a key of the attacker, brought along or pointed at; nobody goes and fetches it', async () => {
  const asked: string[] = [];
  const server = createServer(async (request, response) => {
    asked.push(request.url ?? '');
    response.setHeader('content-type', 'application/json').end(JSON.stringify({ keys: [{ ...(await exportJWK(theirs.publicKey)), kid: 'attacker', alg: 'ES256' }] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`;
  const jwk = await exportJWK(theirs.publicKey);
  const headers = [{}, { kid: 'attacker' }, { jwk }, { jku: address, kid: 'attacker' }, { x5u: address }, { kid: address }, { kid: '../../../../dev/null' }, { kid: "' or '1'='1" }, { kid: '\0' }, { x5c: ['MIIB'] }, { iss: address }];
  for (const header of headers) expect(await statusOf(await sign({}, header, theirs.privateKey)), JSON.stringify(header)).toBe(401);
  // Signed with nothing: what a file of zero bytes or a missing row would give.
  for (const kid of ['/dev/null', '../../../../dev/null']) expect(await statusOf(await sign({}, { alg: 'HS256', kid }, new Uint8Array(32)))).toBe(401);
  expect(asked).toEqual([]);
  server.close();
});

test('THREAT-01: expired, from the future, for somebody else, by somebody else, of another kind, or critical in a way that we do not know', async () => {
  const changes = [
    { exp: nowSeconds() - 1 }, { exp: undefined }, { nbf: nowSeconds() + 300 }, { iat: undefined }, { iss: 'https://attacker.example/oidc' }, { iss: undefined }, { iss: [`${all.url}/oidc`] },
    { aud: 'rider-app' }, { aud: undefined }, { aud: 'urn:mobility:peers' }, { sub: undefined }, { sub: '' }, { roles: 'rider' }, { roles: ['root'] }, { exp: 'tomorrow' },
  ];
  for (const change of changes) expect(await statusOf(await sign(change)), JSON.stringify(change)).toBe(401);
  for (const typ of ['JWT', 'id_token+jwt', 'logout+jwt', undefined]) expect(await statusOf(await sign({}, { typ }))).toBe(401);
  const critical = await new CompactSign(new TextEncoder().encode(JSON.stringify(claims()))).setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', crit: ['x'], x: 1 }).sign(ours.privateKey, { crit: { x: true } });
  expect(await statusOf(critical)).toBe(401);
});

test('THREAT-02: a rider who writes other roles, scopes or another subject into a token', async () => {
  const token = await sign();
  const [header = '', payload = '', signature = ''] = token.split('.');
  const read = JSON.parse(Buffer.from(payload, 'base64url').toString()) as Record<string, unknown>;
  for (const change of [{ roles: ['admin'] }, { scope: apiScopes }, { sub: v7() }, { exp: nowSeconds() + 1e6 }, { roles: ['rider', 'machine'], scope: 'internal' }]) {
    const changed = Buffer.from(JSON.stringify({ ...read, ...change })).toString('base64url');
    expect(await statusOf(`${header}.${changed}.${signature}`)).toBe(401);
  }
  // A member twice: whichever a parser takes, the signature is over other bytes.
  const twice = Buffer.from(JSON.stringify(read).replace('"roles":["rider"]', '"roles":["rider"],"roles":["admin"]')).toString('base64url');
  expect(await statusOf(`${header}.${twice}.${signature}`)).toBe(401);
  // Roles without the account: a token says them, and only we sign tokens.
  expect(await statusOf(await sign({ roles: ['admin'], scope: apiScopes }, {}, theirs.privateKey), '/v1/statistics/ledger')).toBe(401);
});

test('THREAT-02: signatures that are none: all zeros, another message, the DER form, with the sign turned', async () => {
  const [header = '', payload = '', signature = ''] = (await sign()).split('.');
  const bytes = Buffer.from(signature, 'base64url');
  const [, , ofAnother = ''] = (await sign({ sub: v7() })).split('.');
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8(flipped.readUInt8(40) ^ 1, 40);
  const der = Buffer.concat([Buffer.from([0x30, 0x44, 0x02, 0x20]), bytes.subarray(0, 32), Buffer.from([0x02, 0x20]), bytes.subarray(32)]);
  for (const wrong of [Buffer.alloc(64), Buffer.alloc(0), flipped, der, bytes.subarray(0, 63)]) expect(await statusOf(`${header}.${payload}.${wrong.toString('base64url')}`)).toBe(401);
  expect(await statusOf(`${header}.${payload}.${ofAnother}`)).toBe(401);
  for (const broken of [`${header}.${payload}`, `${header}.${payload}.${signature}.`, `..`, 'x'.repeat(4000), `${header} .${payload}.${signature}`]) expect(await statusOf(broken)).toBe(401);
});

test('THREAT-02: a token of another installation, for the same person, with the same claims', async () => {
  expect(await statusOf(await sign({ iss: 'https://rides.example/oidc' }))).toBe(401);
  expect(await statusOf(await sign({}, { kid: ours.keyId }, theirs.privateKey))).toBe(401);
});

test('THREAT-03: an ID token, a refresh token and a code are no access tokens', async () => {
  const flow = await signInFlow(all);
  const { tokens, code } = await flow.signIn(pkce());
  expect(await statusOf(tokens.access_token)).toBe(200);
  for (const other of [tokens.id_token, tokens.refresh_token, code]) expect(await statusOf(other)).toBe(401);
});

test('THREAT-03: tokens of other purposes that the platform signs open nothing at the gateway', async () => {
  const unlock = await all.process.ports.keys.signingKey('unlock', 'EdDSA');
  const secret = new TextEncoder().encode(await all.process.ports.keys.secret('peers'));
  expect(await statusOf(await new SignJWT(claims()).setProtectedHeader({ alg: 'EdDSA', typ: 'at+jwt' }).sign(unlock.privateKey))).toBe(401);
  expect(await statusOf(await new SignJWT(claims()).setProtectedHeader({ alg: 'HS256', typ: 'at+jwt' }).sign(secret))).toBe(401);
});

test('THREAT-03: a token counts in the Authorization header only: not in the address, a form or a cookie', async () => {
  const token = await sign();
  expect((await fetch(`${all.url}/v1/me?access_token=${token}`)).status).toBe(401);
  expect((await fetch(`${all.url}/v1/me`, { headers: { cookie: `access_token=${token}; token=${token}; _session=${token}` } })).status).toBe(401);
  expect((await fetch(`${all.url}/v1/me`, { method: 'PATCH', headers: { 'content-type': 'application/x-www-form-urlencoded' }, body: `access_token=${token}` })).status).toBe(401);
});
