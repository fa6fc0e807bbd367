/** Calls between processes: who may make them, and for whom. Tokens are standard JWTs signed with a shared secret. */
import { jwtVerify, SignJWT } from 'jose';
import { z } from 'zod';
import type { Keys } from '../infra/keys/port.ts';
import { currentTrace, toTraceparent } from '../infra/observability/trace.ts';
import type { Caller, CallOptions } from '../wire/contract.ts';
import type { PeerHeaders } from '../wire/dispatch.ts';
import { Problem } from '../wire/problem.ts';

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

const secretOf = async (keys: Keys): Promise<Uint8Array> => new TextEncoder().encode(await keys.secret('peers'));

/** Headers that carry the caller, the idempotency key and the trace to another process. */
export function peerHeaders(keys: Keys): PeerHeaders {
  const secret = secretOf(keys);
  return async ({ caller, idempotencyKey, accept }, called) => {
    const token = await new SignJWT({ caller: caller as unknown as Record<string, unknown> })
      .setProtectedHeader({ alg: 'HS256' }).setAudience(audienceOf(called)).setIssuedAt().setExpirationTime(`${lifetimeSeconds}s`).sign(await secret);
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
