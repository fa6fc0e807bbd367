/** What the tests of updates share: keys, bundles, and a disk whose power is cut. */
import { createHash, randomUUID } from 'node:crypto';
import { calculateJwkThumbprint, CompactSign, exportJWK, generateKeyPair, type CryptoKey, type JWK } from 'jose';
import { type ArchiveFile, writeArchive } from '../../protocol/archive.ts';
import type { BundleManifest, KeySet, UpdateJobDocument } from '../../protocol/bundle.ts';
import type { OpenArchive } from '../download.ts';

type PublicKey = KeySet['keys'][number];

export interface Signer {
  privateKey: CryptoKey;
  publicKey: PublicKey;
  sign(type: string, payload: object): Promise<string>;
}

export async function newSigner(): Promise<Signer> {
  const { privateKey, publicKey: key } = await generateKeyPair('EdDSA', { extractable: true });
  const jwk: JWK = await exportJWK(key);
  const kid = await calculateJwkThumbprint(jwk);
  return {
    privateKey,
    publicKey: { kty: 'OKP', crv: 'Ed25519', x: jwk.x ?? '', kid },
    sign: (type, payload) => new CompactSign(Buffer.from(JSON.stringify(payload))).setProtectedHeader({ alg: 'EdDSA', typ: type, kid }).sign(privateKey),
  };
}

export const textFile = (path: string, text: string): ArchiveFile => ({ path, bytes: Buffer.from(text) });
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export interface TestBundle {
  manifest: BundleManifest;
  archive: Uint8Array;
}

export function bundleOf(kind: BundleManifest['kind'], version: string, files: ArchiveFile[], changes: Partial<BundleManifest> = {}): TestBundle {
  const archive = writeArchive(files);
  const manifest: BundleManifest = {
    bundleId: randomUUID(), kind, version, createdAt: '2026-11-23T00:00:00Z', archiveSha256: sha256(archive), archiveSizeBytes: archive.length,
    files: files.map(({ path, bytes }) => ({ path, sha256: sha256(bytes), sizeBytes: bytes.length })), ...changes,
  };
  return { manifest, archive };
}

export const updateJob = async (signer: Signer, { manifest }: TestBundle, keys?: string): Promise<UpdateJobDocument> => ({
  operation: 'update', manifest: await signer.sign('bundle+jwt', manifest), archiveUrl: `http://platform.test/${manifest.bundleId}`, ...(keys !== undefined && { keys }),
});

export const revertJob = async (signer: Signer, { manifest }: TestBundle): Promise<UpdateJobDocument> => ({
  operation: 'revert', manifest: await signer.sign('revert+jwt', { revert: manifest.bundleId, kind: manifest.kind }),
});

/** Serves archives from memory, in small pieces. */
export const serving = (...bundles: TestBundle[]): OpenArchive => async (url, fromByte) => {
  const archive = bundles.find(({ manifest }) => url.endsWith(manifest.bundleId))?.archive ?? new Uint8Array();
  return (async function* () {
    for (let at = fromByte; at < archive.length; at += 200) yield archive.subarray(at, at + 200);
  })();
};

export const noReport = async (): Promise<void> => undefined;
