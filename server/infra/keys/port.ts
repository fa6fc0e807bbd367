/** Private keys of the platform. They never leave the process that signs; in production they come from a secret store. */
import type { CryptoKey, JWK } from 'jose';

export interface SigningKey {
  keyId: string;
  algorithm: 'EdDSA' | 'ES256';
  privateKey: CryptoKey;
  /** With private members; for libraries that take key sets. */
  privateJwk: JWK;
  publicJwk: JWK;
}

export interface Keys {
  /** The current key of a purpose (`unlock`, `tokens`), made at the first call and kept across restarts. */
  signingKey(purpose: string, algorithm: SigningKey['algorithm']): Promise<SigningKey>;
  /** A random secret of a purpose (cookies, between processes), made at the first call and kept. */
  secret(purpose: string): Promise<string>;
}
