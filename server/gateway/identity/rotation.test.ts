import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decodeProtectedHeader, SignJWT } from 'jose';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { manualClock } from '../../infra/clock/system.ts';
import { fileKeys } from '../../infra/keys/files.ts';
import type { Keys } from '../../infra/keys/port.ts';
import { Authenticator } from '../authentication.ts';
import { accessTokenKey, Identity, type IdentityOptions, mintAccessToken } from './provider.ts';
import { apiResource } from './scopes.ts';

const publicUrl = 'http://localhost:8080';
const minuteMs = 60_000;
const account = { id: '0198c5a0-0000-7000-8000-000000000001', role: 'rider' } as const;

let folder: string;
let clock: ReturnType<typeof manualClock>;
/** Two gateways on the keys of one installation. */
let gateways: { keys: Keys; identity: Identity; authenticator(): Authenticator }[];

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'rotation-'));
  clock = manualClock(Date.now());
  gateways = await Promise.all([1, 2].map(async () => {
    const keys = await fileKeys(folder, clock);
    // No database is asked for when an account is given a token.
    const identity = new Identity({ publicUrl, demo: true, keys, user: { getAccount: async () => ({ roles: ['rider'] }) }, log: () => undefined } as unknown as IdentityOptions);
    // A new one each time: it has seen no token before.
    return { keys, identity, authenticator: () => new Authenticator({ publicKey: accessTokenKey(keys), issuer: `${publicUrl}/oidc`, audience: apiResource, isRefused: () => false }) };
  }));
});
afterEach(() => rm(folder, { recursive: true }));

const tokenOf = async ({ identity }: (typeof gateways)[number]): Promise<string> => (await mintAccessToken(await identity.provider(), account)).token;
const keyOf = (token: string): string | undefined => decodeProtectedHeader(token).kid;

async function publishedBy({ identity }: (typeof gateways)[number]): Promise<string[]> {
  const server = createServer((request, response) => void identity.provider().then((provider) => provider.callback()(request, response)));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/jwks`);
  const { keys } = (await response.json()) as { keys: { kid: string; d?: string }[] };
  server.close();
  expect(keys.every(({ d }) => d === undefined)).toBe(true);
  return keys.map(({ kid }) => kid);
}

test('GATEWAY-21: the key that signs tokens is replaced without a restart: every gateway accepts what any of them has signed', async () => {
  const before = await Promise.all(gateways.map(tokenOf));
  const first = keyOf(before[0] ?? '') ?? '';
  const next = await gateways[0]?.keys.rotate('tokens', 'ES256', { acceptedForMs: 65 * minuteMs });
  const nextId = next?.keyId ?? '';
  clock.advance(minuteMs - 1);
  for (const gateway of gateways) {
    expect(keyOf(await tokenOf(gateway))).toBe(first);
    expect(await publishedBy(gateway)).toEqual([first, nextId]);
  }
  clock.advance(1);
  const after = await Promise.all(gateways.map(tokenOf));
  expect(after.map(keyOf)).toEqual([nextId, nextId]);
  for (const token of [...before, ...after]) {
    for (const gateway of gateways) expect(await gateway.authenticator().identify(`Bearer ${token}`)).toMatchObject({ subject: account.id });
  }
  clock.advance(65 * minuteMs);
  for (const gateway of gateways) {
    expect(await publishedBy(gateway)).toEqual([nextId]);
    await expect(gateway.authenticator().identify(`Bearer ${before[0]}`)).rejects.toMatchObject({ code: 'unauthenticated' });
    expect(await gateway.authenticator().identify(`Bearer ${after[0]}`)).toMatchObject({ subject: account.id });
  }
});

test('GATEWAY-21: a token names one of our keys, and has to be signed with that one', async () => {
  const [gateway] = gateways;
  if (!gateway) throw new Error('there is no gateway');
  const { keys, authenticator } = gateway;
  await keys.rotate('tokens', 'ES256', { acceptedForMs: minuteMs });
  const [first, second] = await keys.verificationKeys('tokens', 'ES256');
  if (!first || !second) throw new Error('there is one key only');
  const other = await keys.signingKey('unlock', 'ES256');
  const signed = (kid: string | undefined, signer: typeof first) => new SignJWT({ client_id: 'rider-app', scope: '', roles: ['rider'] })
    .setProtectedHeader({ alg: 'ES256', typ: 'at+jwt', ...(kid !== undefined && { kid }) }).setIssuer(`${publicUrl}/oidc`).setAudience(apiResource).setSubject(account.id).setIssuedAt().setExpirationTime('5m').sign(signer.privateKey);
  expect(await authenticator().identify(`Bearer ${await signed(first.keyId, first)}`)).toMatchObject({ subject: account.id });
  for (const token of [await signed(first.keyId, second), await signed(second.keyId, other), await signed(other.keyId, other), await signed(undefined, first)]) {
    await expect(authenticator().identify(`Bearer ${token}`)).rejects.toMatchObject({ code: 'unauthenticated' });
  }
});
