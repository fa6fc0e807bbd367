/** Proof key for code exchange (RFC 7636). */
import { CryptoDigestAlgorithm, CryptoEncoding, digestStringAsync, getRandomBytes } from 'expo-crypto';

const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';

/** 64 symbols hold 384 random bits. */
export function randomToken(): string {
  return Array.from(getRandomBytes(64), (byte) => alphabet[byte & 63]).join('');
}

/** The S256 challenge of a verifier: SHA-256, base64url without padding. */
export async function challengeOf(verifier: string): Promise<string> {
  const digest = await digestStringAsync(CryptoDigestAlgorithm.SHA256, verifier, { encoding: CryptoEncoding.BASE64 });
  return digest.replaceAll('+', '-').replaceAll('/', '_').replace(/=+$/, '');
}
