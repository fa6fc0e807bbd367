import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { randomBytes, randomUUID } from 'node:crypto';
import { join } from 'node:path';
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type CryptoKey, type JWK } from 'jose';
import type { Keys, SigningKey } from './port.ts';

/**
 * Writes only when there is none; the file is readable by its owner alone. It is there whole or not at all: many
 * processes may start at this moment, and whoever finds it reads it.
 */
async function writeOnce(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await link(unfinished, path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await file.close();
    await unlink(unfinished);
  }
}

/** Keys in a folder, one file each. Two processes that start together end with the same key. */
export async function fileKeys(folder: string): Promise<Keys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const signingKeys = new Map<string, Promise<SigningKey>>();

  async function load(purpose: string, algorithm: SigningKey['algorithm']): Promise<SigningKey> {
    const path = join(folder, `${purpose}.${algorithm}.jwk.json`);
    let text = await readFile(path, 'utf8').catch(() => undefined);
    if (!text) {
      const pair = await generateKeyPair(algorithm, { extractable: true });
      await writeOnce(path, JSON.stringify(await exportJWK(pair.privateKey)));
      text = await readFile(path, 'utf8');
    }
    const bare = JSON.parse(text) as JWK;
    const keyId = await calculateJwkThumbprint(bare);
    const privateJwk: JWK = { ...bare, kid: keyId, alg: algorithm, use: 'sig' };
    const { d: _secret, ...publicJwk } = privateJwk;
    return { keyId, algorithm, privateKey: (await importJWK(privateJwk, algorithm)) as CryptoKey, privateJwk, publicJwk };
  }

  return {
    signingKey(purpose, algorithm) {
      const cached = signingKeys.get(`${purpose}.${algorithm}`) ?? load(purpose, algorithm);
      signingKeys.set(`${purpose}.${algorithm}`, cached);
      return cached;
    },
    async secret(purpose) {
      const path = join(folder, `${purpose.replaceAll(/[^a-z0-9-]/g, '_')}.secret`);
      const known = await readFile(path, 'utf8').catch(() => undefined);
      if (known) return known;
      await writeOnce(path, randomBytes(32).toString('base64url'));
      return readFile(path, 'utf8');
    },
  };
}
