/**
 * Keys in the key-value store, sealed with a master key that only the environment knows: machines share them without a
 * shared disk, and whoever reads the store reads nothing. Each is a JWE (RFC 7516: `dir`, AES-256-GCM) by `jose`, and
 * names what it is within what is authenticated, so that one cannot be put in the place of another.
 */
import { calculateJwkThumbprint, compactDecrypt, CompactEncrypt, decodeProtectedHeader, errors } from 'jose';
import type { Clock } from '../clock/port.ts';
import type { KeyValueStore } from '../kv/port.ts';
import type { Keys } from './port.ts';
import { storedKeys } from './stored.ts';

const masterBytes = 32;

interface Master {
  id: string;
  key: Uint8Array;
}

/** @throws RangeError that does not show the key */
async function masterOf(text: string): Promise<Master> {
  const key = Buffer.from(text, 'base64');
  if (key.length !== masterBytes) throw new RangeError(`a master key is ${masterBytes} random bytes in base64, as \`openssl rand -base64 ${masterBytes}\` makes them`);
  return { id: await calculateJwkThumbprint({ kty: 'oct', k: key.toString('base64url') }), key };
}

/** @throws Error when none of the masters has sealed it, or when it is not what its name says */
async function unseal(name: string, sealed: string, masters: readonly Master[]): Promise<string> {
  const { kid } = decodeProtectedHeader(sealed);
  const master = masters.find(({ id }) => id === kid);
  if (!master) throw new Error(`${name} was sealed with another master key than those of MOBILITY_KEYS_MASTER`);
  try {
    const { plaintext, protectedHeader } = await compactDecrypt(sealed, master.key, { keyManagementAlgorithms: ['dir'], contentEncryptionAlgorithms: ['A256GCM'] });
    if (protectedHeader['name'] !== name) throw new Error(`${name} holds what was sealed as ${String(protectedHeader['name'])}`);
    return new TextDecoder().decode(plaintext);
  } catch (error) {
    if (error instanceof errors.JOSEError) throw new Error(`${name} was changed since it was sealed`, { cause: error });
    throw error;
  }
}

/**
 * @param options.masters in base64; the first one seals, all of them open: so that a new one can take over
 */
export async function sealedKeys(options: { kv: KeyValueStore; masters: readonly string[]; clock: Clock }): Promise<Keys> {
  const masters = await Promise.all(options.masters.map(masterOf));
  const [sealing] = masters;
  if (!sealing) throw new RangeError('there is no master key');
  const table = options.kv.table<string>('keys');
  return storedKeys({
    async read(name) {
      const item = await table.get(name);
      return item && unseal(name, item.value, masters);
    },
    async writeOnce(name, text) {
      const sealed = await new CompactEncrypt(new TextEncoder().encode(text)).setProtectedHeader({ alg: 'dir', enc: 'A256GCM', kid: sealing.id, name }).encrypt(sealing.key);
      await table.put(name, sealed, { condition: { absent: true } });
    },
  }, options.clock);
}
