/** Access tokens: whether one is ours and still good, and who it stands for. */
import { hash } from 'node:crypto';
import { type CryptoKey, jwtVerify } from 'jose';
import { z } from 'zod';
import type { Caller } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';

const Claims = z.object({
  sub: z.string().min(1),
  client_id: z.string().min(1),
  exp: z.int(),
  scope: z.string().default(''),
  roles: z.array(z.enum(['rider', 'staff', 'admin', 'device', 'machine'])),
});

export interface AuthenticatorOptions {
  /** The only key that tokens are accepted from, or the way to find it among ours; a token never brings its key or algorithm. */
  publicKey: CryptoKey | ((header: { kid?: string | undefined }) => Promise<CryptoKey>);
  issuer: string;
  audience: string;
  /** Whether tokens of this account are refused although they have not expired. */
  isRefused(subject: string): boolean;
  /** Verified tokens that are remembered at most. */
  capacity?: number;
}

interface Verified {
  caller: Caller;
  expiresAtMs: number;
}

/** Longer ones are not ours and would only cost time to look at. */
const greatestTokenLength = 4096;

/**
 * Verifies bearer tokens; a token that was verified once is only looked up again until it expires.
 *
 * Reads the machine's clock and not the program's, because `oidc-provider` issues by it.
 */
export class Authenticator {
  readonly #options: AuthenticatorOptions;
  readonly #capacity: number;
  /** By digest, so that no usable token lies in memory longer than its request. */
  readonly #verified = new Map<string, Verified>();

  constructor(options: AuthenticatorOptions) {
    this.#options = options;
    this.#capacity = options.capacity ?? 20_000;
  }

  /**
   * @param authorization the header
   * @returns undefined without a token; at once for a known token
   * @throws Problem `unauthenticated` (or rejects with it) for anything but a valid bearer token
   */
  identify(authorization: string | undefined): Caller | undefined | Promise<Caller> {
    if (authorization === undefined) return undefined;
    if (authorization.length > greatestTokenLength || !/^bearer /i.test(authorization)) throw new Problem('unauthenticated', 'The Authorization header has to be "Bearer" and an access token');
    const token = authorization.slice('bearer '.length);
    const digest = hash('sha256', token, 'base64url');
    const known = this.#verified.get(digest);
    if (!known) return this.#verify(token, digest);
    if (known.expiresAtMs <= Date.now()) {
      this.#verified.delete(digest);
      throw new Problem('unauthenticated', 'The access token has expired');
    }
    return this.#admitted(known.caller);
  }

  async #verify(token: string, digest: string): Promise<Caller> {
    const { publicKey, issuer, audience } = this.#options;
    let claims: z.infer<typeof Claims>;
    try {
      const { payload } = await jwtVerify(token, typeof publicKey === 'function' ? publicKey : () => publicKey, { algorithms: ['ES256'], issuer, audience, typ: 'at+jwt', requiredClaims: ['sub', 'exp', 'iat', 'client_id'] });
      claims = Claims.parse(payload);
    } catch (cause) {
      const expired = cause instanceof Error && 'code' in cause && cause.code === 'ERR_JWT_EXPIRED';
      throw new Problem('unauthenticated', expired ? 'The access token has expired' : 'The access token is not valid', { cause });
    }
    const caller: Caller = { subject: claims.sub, roles: claims.roles, scopes: claims.scope.split(' ').filter(Boolean), clientId: claims.client_id };
    if (this.#verified.size >= this.#capacity) {
      const [oldest] = this.#verified.keys();
      if (oldest !== undefined) this.#verified.delete(oldest);
    }
    this.#verified.set(digest, { caller, expiresAtMs: claims.exp * 1000 });
    return this.#admitted(caller);
  }

  #admitted(caller: Caller): Caller {
    if (this.#options.isRefused(caller.subject)) throw new Problem('unauthenticated', 'The account of this token is suspended or erased');
    return caller;
  }
}
