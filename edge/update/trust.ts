/** Whom a vehicle believes: keys that it was built with, and those that a trusted key has put in their place. */
import { compactVerify, decodeProtectedHeader, importJWK, type CryptoKey } from 'jose';
import { BundleManifest, KeySet, RevertClaims } from '../protocol/bundle.ts';

/** The document of a job does not come from whom the vehicle trusts, or is malformed; the message says which. */
export class NotTrusted extends Error {
  override name = 'NotTrusted';
}

/** `counter` 0 for the first keys of all. */
export interface TrustedKeys {
  counter: number;
  keys: KeySet['keys'];
}

async function verify(token: string, type: string, trusted: TrustedKeys): Promise<unknown> {
  try {
    const { kid, typ, alg } = decodeProtectedHeader(token);
    if (typ !== type || alg !== 'EdDSA') throw new NotTrusted(`it is no ${type}`);
    const jwk = trusted.keys.find((key) => key.kid === kid);
    if (!jwk) throw new NotTrusted(`the key ${String(kid).slice(0, 80)} is not trusted`);
    const key = (await importJWK({ kty: 'OKP', crv: 'Ed25519', x: jwk.x }, 'EdDSA')) as CryptoKey;
    const { payload } = await compactVerify(token, key, { algorithms: ['EdDSA'] });
    return JSON.parse(Buffer.from(payload).toString('utf8'));
  } catch (error) {
    if (error instanceof NotTrusted) throw error;
    throw new NotTrusted(`the signature of a ${type} is not right`, { cause: error });
  }
}

/** Read before it is verified, to pass over sets that are known. */
function counterOf(token: string): number {
  try {
    return KeySet.shape.counter.parse((JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as { counter?: unknown }).counter);
  } catch (error) {
    throw new NotTrusted('a key set is malformed', { cause: error });
  }
}

/**
 * Follows a chain of key sets, the oldest first. Those with a counter that is not higher than the known one change nothing.
 * @throws NotTrusted when a newer set is not signed by a key of the one before
 */
export async function followKeys(trusted: TrustedKeys, chain: string): Promise<TrustedKeys> {
  let current = trusted;
  for (const token of chain.split('~')) {
    if (counterOf(token) <= current.counter) continue;
    const parsed = KeySet.safeParse(await verify(token, 'keys+jwt', current));
    if (!parsed.success) throw new NotTrusted('a key set is malformed');
    current = parsed.data;
  }
  return current;
}

/** @throws NotTrusted */
export async function openManifest(token: string, trusted: TrustedKeys): Promise<BundleManifest> {
  const parsed = BundleManifest.safeParse(await verify(token, 'bundle+jwt', trusted));
  if (!parsed.success) throw new NotTrusted('the manifest is malformed');
  return parsed.data;
}

/** @throws NotTrusted */
export async function openRevert(token: string, trusted: TrustedKeys): Promise<RevertClaims> {
  const parsed = RevertClaims.safeParse(await verify(token, 'revert+jwt', trusted));
  if (!parsed.success) throw new NotTrusted('the order to go back is malformed');
  return parsed.data;
}
