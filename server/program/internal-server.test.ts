import { request as httpRequest } from 'node:http';
import { SignJWT, UnsecuredJWT } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type Caller, defineContract } from '../wire/contract.ts';
import { createClient } from '../wire/dispatch.ts';
import { Problem } from '../wire/problem.ts';
import { remoteDispatch } from '../wire/remote.ts';
import { type InternalServer, openInternalServer } from './internal-server.ts';
import { openPeerConnections, peerHeaders } from './peers.ts';
import { moduleOf, startModules, type TestProcess } from './testing.ts';

const internal = { roles: ['machine'], scope: 'internal' } as const;
const contract = defineContract({
  module: 'vault',
  operations: {
    open: { method: 'POST', path: '/internal/vault/open', summary: 'Opens it', access: internal, public: false, body: z.object({ door: z.string() }), status: 200, response: z.object({ by: z.string(), door: z.string() }), errors: ['forbidden'] },
    look: { method: 'GET', path: '/internal/vault', summary: 'Looks at it', access: internal, public: false, status: 200, response: z.object({ closed: z.boolean() }), errors: [] },
  },
  events: {},
});

let peer: TestProcess;
let server: InternalServer;
let opened = 0;
const staff: Caller = { subject: 'ada', roles: ['staff'], scopes: ['vault'], clientId: 'console' };

beforeAll(async () => {
  peer = await startModules([moduleOf(contract, {
    look: async () => ({ closed: true }),
    open: async ({ body, caller }) => {
      if (!caller?.roles.includes('staff')) throw new Problem('forbidden');
      opened++;
      return { by: caller.subject, door: body.door };
    },
  })], { environment: { MOBILITY_LOG_LEVEL: 'silent' } });
  server = await openInternalServer(peer, { host: '127.0.0.1', port: 0 });
});
afterAll(async () => {
  await server.close();
  await peer.dispose();
});

const openDoor = { module: 'vault', operation: 'open' };
const tokenFor = async (called: typeof openDoor, caller?: Caller) => (await peerHeaders(peer.ports.keys)({ ...(caller && { caller }) }, called))['authorization'] ?? '';

async function call(authorization: string | undefined, path = '/call/vault/open', body: unknown = { body: { door: 'front' } }): Promise<{ status: number; text: string }> {
  const response = await fetch(`${server.listeningOrigin}${path}`, { method: 'POST', headers: { 'content-type': 'application/json', ...(authorization !== undefined && { authorization }) }, body: JSON.stringify(body) });
  return { status: response.status, text: await response.text() };
}

test('THREAT-30: a peer calls, for whom it says', async () => {
  expect(await call(await tokenFor(openDoor, staff))).toMatchObject({ status: 200, text: '{"by":"ada","door":"front"}' });
  const client = createClient(contract, remoteDispatch('vault', [server.listeningOrigin], { headersFor: peerHeaders(peer.ports.keys), dispatcher: openPeerConnections(undefined) }), { caller: staff });
  expect(await client.open({ body: { door: 'back' } })).toEqual({ by: 'ada', door: 'back' });
});

test('THREAT-30: without a token, with a forged, unsigned, endless or old one nothing is called', async () => {
  const before = opened;
  const secret = new TextEncoder().encode(await peer.ports.keys.secret('peers'));
  const audience = 'urn:mobility:peers:vault:open';
  const sign = (change: (token: SignJWT) => SignJWT, key = secret) => change(new SignJWT({ caller: { ...staff } }).setProtectedHeader({ alg: 'HS256' }).setAudience(audience)).sign(key);
  const nowSeconds = Math.floor(Date.now() / 1000);
  const tokens = [
    undefined, '', 'Bearer', 'Bearer x.y.z',
    `Bearer ${new UnsecuredJWT({ caller: { ...staff } }).setAudience(audience).setIssuedAt().setExpirationTime('1m').encode()}`,
    `Bearer ${await sign((token) => token.setIssuedAt().setExpirationTime('1m'), new TextEncoder().encode('another secret of thirty-two chars'))}`,
    `Bearer ${await sign((token) => token.setIssuedAt())}`,
    `Bearer ${await sign((token) => token.setExpirationTime('1m'))}`,
    `Bearer ${await sign((token) => token.setIssuedAt(nowSeconds - 600).setExpirationTime(nowSeconds + 600))}`,
    `Bearer ${await sign((token) => token.setIssuedAt(nowSeconds - 120).setExpirationTime(nowSeconds - 60))}`,
    `Bearer ${await sign((token) => token.setIssuedAt().setExpirationTime('1m').setAudience('urn:mobility:api'))}`,
  ];
  for (const token of tokens) expect((await call(token)).status, token).toBe(401);
  expect(opened).toBe(before);
});

test('THREAT-31: a token that was taken on its way to one operation opens no other, and no other module', async () => {
  const before = opened;
  for (const elsewhere of [{ module: 'vault', operation: 'look' }, { module: 'user', operation: 'open' }]) expect((await call(await tokenFor(elsewhere, staff))).status).toBe(401);
  expect((await call(await tokenFor(openDoor, staff), '/call/vault/look')).status).toBe(401);
  expect(opened).toBe(before);
});

test('THREAT-31: nobody raises the caller in a token: it is signed, and what is no caller is none', async () => {
  const before = opened;
  const [header = '', payload = '', signature = ''] = (await tokenFor(openDoor, { ...staff, roles: ['rider'] })).slice('Bearer '.length).split('.');
  const read = JSON.parse(Buffer.from(payload, 'base64url').toString()) as { caller: object };
  const raised = Buffer.from(JSON.stringify({ ...read, caller: { ...read.caller, roles: ['staff'] } })).toString('base64url');
  expect((await call(`Bearer ${header}.${raised}.${signature}`)).status).toBe(401);
  const secret = new TextEncoder().encode(await peer.ports.keys.secret('peers'));
  for (const caller of ['admin', { roles: ['staff'] }, { ...staff, roles: ['root'] }]) {
    const token = await new SignJWT({ caller }).setProtectedHeader({ alg: 'HS256' }).setAudience('urn:mobility:peers:vault:open').setIssuedAt().setExpirationTime('1m').sign(secret);
    expect((await call(`Bearer ${token}`)).status).toBe(401);
  }
  // A rider's call stays a rider's call.
  expect((await call(await tokenFor(openDoor, { ...staff, roles: ['rider'] }))).status).toBe(403);
  expect(opened).toBe(before);
});

test('THREAT-31: what every object has is no operation, and what is no call is refused as such', async () => {
  for (const operation of ['constructor', 'toString', '__proto__', 'hasOwnProperty', 'nothing']) expect((await call(await tokenFor({ module: 'vault', operation }, staff), `/call/vault/${operation}`)).status).toBe(404);
  expect((await call(await tokenFor(openDoor, staff), '/call/vault/open', { uploads: 'x' })).status).toBe(400);
  expect((await call(await tokenFor(openDoor, staff), '/call/vault/open', { body: { door: 'a\0' } })).status).toBe(400);
});

test('THREAT-31: the door for peers serves calls, health and metrics, whatever the path is dressed as', async () => {
  const statusOf = (method: string, path: string) =>
    new Promise<number | undefined>((resolve, reject) => {
      const asked = httpRequest(server.listeningOrigin, { method, path }, (response) => resolve(response.resume().statusCode));
      asked.on('error', reject).end();
    });
  for (const path of ['/call/vault/open/../../user/authenticate', '/call/vault/..%2fuser', '//call/vault/open', '/internal/vault/open', '/v1/me', '/']) expect(await statusOf('GET', path), path).toBe(404);
  expect(await statusOf('GET', '/health/live')).toBe(200);
});
