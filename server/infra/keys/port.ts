/** Private keys of the platform. They never leave the process that signs; in production they come from a secret store. */
import type { CryptoKey, JWK } from 'jose';

export interface SigningKey {
  keyId: string;
  algorithm: 'EdDSA' | 'ES256';
  privateKey: CryptoKey;
  publicKey: CryptoKey;
  /** With private members; for libraries that take key sets. */
  privateJwk: JWK;
  publicJwk: JWK;
}

/**
 * Promises: all who share a store have the same keys, however many start together; what was made is kept. A key that
 * was rotated in is known to everybody before anybody signs with it, and the one before stays good for as long as its
 * signatures may have to be. A store that is away for a while does not matter to those who have read their keys.
 */
export interface Keys {
  /** The current key of a purpose (`unlock`, `tokens`), made at the first call. Ask again for each use: it changes when it is rotated. */
  signingKey(purpose: string, algorithm: SigningKey['algorithm']): Promise<SigningKey>;
  /** All keys of a purpose whose signatures are good now, or will be: retired ones until their time is over, the current, the next. */
  verificationKeys(purpose: string, algorithm: SigningKey['algorithm']): Promise<readonly SigningKey[]>;
  /**
   * Makes the next key. It signs from `fromMs` on, a minute later, when every process has read it. Does nothing while
   * the last one that was made is not in use yet.
   * @param options.acceptedForMs how long signatures of the key before are good after that: their lifetime
   */
  rotate(purpose: string, algorithm: SigningKey['algorithm'], options: { acceptedForMs: number }): Promise<{ keyId: string; fromMs: number }>;
  /** A random secret of a purpose (cookies, between processes), made at the first call and kept. */
  secret(purpose: string): Promise<string>;
}
