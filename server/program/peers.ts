/** Calls between processes: who may make them, for whom, and by which connections. Tokens are standard JWTs signed with a shared secret. */
import { readFile } from 'node:fs/promises';
import { type CryptoKey, jwtVerify, SignJWT } from 'jose';
import { Agent } from 'undici';
import { z } from 'zod';
import type { Keys } from '../infra/keys/port.ts';
import { currentTrace, toTraceparent } from '../infra/observability/trace.ts';
import type { Caller, CallOptions } from '../wire/contract.ts';
import type { PeerHeaders } from '../wire/remote.ts';
import { Problem } from '../wire/problem.ts';
import { type Configuration, ConfigurationError } from './configuration.ts';

/** A token is for one operation of one module: who was called with it cannot call others with it. */
const audienceOf = ({ module, operation }: Called): string => `urn:mobility:peers:${module}:${operation}`;
const lifetimeSeconds = 60;
/** By which the clocks of two machines may differ. */
const clockToleranceSeconds = 10;

interface Called {
  module: string;
  operation: string;
}
const CallerClaim = z.object({ subject: z.string(), roles: z.array(z.enum(['rider', 'staff', 'admin', 'device', 'machine'])), scopes: z.array(z.string()), clientId: z.string() });

const hmac = { name: 'HMAC', hash: 'SHA-256' };
const secrets = new WeakMap<Keys, Promise<CryptoKey>>();

/** Read and imported once: every call between processes is signed and held against it. */
function secretOf(keys: Keys): Promise<CryptoKey> {
  const known = secrets.get(keys);
  if (known) return known;
  const secret = keys.secret('peers').then((text) => crypto.subtle.importKey('raw', new TextEncoder().encode(text), hmac, false, ['sign', 'verify']));
  secrets.set(keys, secret);
  // One that could not be read is read again at the next call.
  secret.catch(() => secrets.delete(keys));
  return secret;
}

/** Headers that carry the caller, the idempotency key and the trace to another process. */
export function peerHeaders(keys: Keys): PeerHeaders {
  return async ({ caller, idempotencyKey, accept }, called) => {
    const token = await new SignJWT({ caller: caller as unknown as Record<string, unknown> })
      .setProtectedHeader({ alg: 'HS256' }).setAudience(audienceOf(called)).setIssuedAt().setExpirationTime(`${lifetimeSeconds}s`).sign(await secretOf(keys));
    const trace = currentTrace();
    return {
      authorization: `Bearer ${token}`,
      ...(idempotencyKey && { 'idempotency-key': idempotencyKey }),
      ...(accept && { accept }),
      ...(trace && { traceparent: toTraceparent(trace) }),
    };
  };
}

/** @throws Problem `unauthenticated` */
export async function verifyPeer(keys: Keys, authorization: string | undefined, called: Called): Promise<Pick<CallOptions, 'caller'>> {
  try {
    const { payload } = await jwtVerify(authorization?.replace(/^Bearer /, '') ?? '', await secretOf(keys), { algorithms: ['HS256'], audience: audienceOf(called), requiredClaims: ['iat', 'exp'], maxTokenAge: lifetimeSeconds, clockTolerance: clockToleranceSeconds });
    return { caller: payload['caller'] === undefined ? undefined : (CallerClaim.parse(payload['caller']) as Caller) };
  } catch (cause) {
    throw new Problem('unauthenticated', 'this address is for the other processes of the platform', { cause });
  }
}

/** What a process shows to the others, and holds theirs against. */
export interface InternalTls {
  cert: Buffer;
  key: Buffer;
  ca: Buffer;
}

/** @returns undefined without settings @throws ConfigurationError for some of them, or a file that cannot be read */
export async function readInternalTls(configuration: Configuration): Promise<InternalTls | undefined> {
  const files = { cert: configuration.MOBILITY_INTERNAL_TLS_CERTIFICATE, key: configuration.MOBILITY_INTERNAL_TLS_KEY, ca: configuration.MOBILITY_INTERNAL_TLS_CA };
  const { cert, key, ca } = files;
  if (!cert && !key && !ca) return undefined;
  if (!cert || !key || !ca) throw new ConfigurationError('MOBILITY_INTERNAL_TLS_CERTIFICATE, MOBILITY_INTERNAL_TLS_KEY and MOBILITY_INTERNAL_TLS_CA go together');
  const read = (path: string) => readFile(path).catch((cause: unknown) => {
    throw new ConfigurationError(`${path} cannot be read: ${String(cause)}`);
  });
  return { cert: await read(cert), key: await read(key), ca: await read(ca) };
}

const connectTimeoutMs = 2_000;
/** To one address. More calls than these wait for one of them. */
const mostConnections = 64;
/** Less than the called process keeps a connection that nobody uses. */
const keptIdleMs = 30_000;

/** The connections of this process to all others. */
export const openPeerConnections = (tls: InternalTls | undefined): Agent =>
  new Agent({ connections: mostConnections, pipelining: 1, keepAliveTimeout: keptIdleMs, keepAliveMaxTimeout: keptIdleMs, connect: { timeout: connectTimeoutMs, ...(tls && { ...tls, minVersion: 'TLSv1.3' }) } });
