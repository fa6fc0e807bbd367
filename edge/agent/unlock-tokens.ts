/** How a vehicle judges an unlock token without a network. */
import { createLocalJWKSet, errors, type JSONWebKeySet, jwtVerify } from 'jose';
import type { z } from 'zod';
import { UnlockClaims } from '../protocol/messages.ts';

export type TokenRefusal = 'malformed' | 'wrong-signature' | 'of-another-vehicle' | 'expired' | 'used-before';
export type TokenVerdict = { accepted: true; claims: z.infer<typeof UnlockClaims> } | { accepted: false; reason: TokenRefusal };

/** Longer than a minute no token is good, whoever signed it. */
const longestLifetimeSeconds = 90;

function refusalOf(error: unknown): TokenRefusal {
  if (error instanceof errors.JWTExpired) return 'expired';
  if (error instanceof errors.JWTClaimValidationFailed) return error.claim === 'aud' ? 'of-another-vehicle' : 'malformed';
  if (error instanceof errors.JWSSignatureVerificationFailed || error instanceof errors.JWKSNoMatchingKey) return 'wrong-signature';
  return 'malformed';
}

/** @param isUsed whether a token of this id has opened the vehicle before */
export async function judgeToken(token: string, options: { vehicleId: string; keys: JSONWebKeySet; now: Date; isUsed(id: string): boolean }): Promise<TokenVerdict> {
  try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(options.keys), { audience: options.vehicleId, algorithms: ['EdDSA'], typ: 'unlock+jwt', currentDate: options.now, requiredClaims: ['exp', 'iat', 'jti', 'sub'] });
    const claims = UnlockClaims.safeParse(payload);
    if (!claims.success || claims.data.exp - claims.data.iat > longestLifetimeSeconds) return { accepted: false, reason: 'malformed' };
    return options.isUsed(claims.data.jti) ? { accepted: false, reason: 'used-before' } : { accepted: true, claims: claims.data };
  } catch (error) {
    return { accepted: false, reason: refusalOf(error) };
  }
}
