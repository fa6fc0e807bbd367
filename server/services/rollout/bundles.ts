/** Bundles: checked as strictly as vehicles do, signed, stored, handed out piece by piece. */
import { createHash } from 'node:crypto';
import { v7 } from 'uuid';
import { ArchiveError, readArchive } from '../../../edge/protocol/archive.ts';
import { BundleManifest } from '../../../edge/protocol/bundle.ts';
import type { Blobs } from '../../infra/blobs/port.ts';
import type { ModuleContext } from '../../module.ts';
import { type Handlers, RawReply } from '../../wire/contract.ts';
import { idCursor } from '../../wire/cursor.ts';
import { Problem } from '../../wire/problem.ts';
import type { Bundle, rolloutContract } from './contract.ts';
import type { Signing } from './signing.ts';
import { type BundleRow, findBundle, insertBundle, listBundles } from './store.ts';
import type { z } from 'zod';

type Operations = typeof rolloutContract.operations;

const pieceBytes = 256 * 1024;
const blobOf = (bundleId: string): string => `bundles/${bundleId}`;
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex');

export const toBundle = ({ id, kind, version, sizeBytes, sha256: digest, keyId, createdAt, createdBy }: BundleRow): z.input<typeof Bundle> => ({ id, kind, version, sizeBytes, sha256: digest, keyId, createdAt: createdAt.toISOString(), createdBy });

/** @throws Problem `bundle-invalid` with what a vehicle would say */
async function filesOf(archive: Uint8Array, kind: BundleManifest['kind']): Promise<BundleManifest['files']> {
  const files: BundleManifest['files'] = [];
  try {
    for await (const { path, bytes } of readArchive([archive])) files.push({ path, sha256: sha256(bytes), sizeBytes: bytes.length });
  } catch (cause) {
    if (cause instanceof ArchiveError) throw new Problem('bundle-invalid', cause.message, { cause });
    throw cause;
  }
  if (kind === 'firmware' && !files.some(({ path }) => path === 'main.ts' || path === 'main.js')) throw new Problem('bundle-invalid', 'firmware has to have main.ts or main.js: the launcher starts it');
  return files;
}

async function* pieces(blobs: Blobs, key: string, from: number, sizeBytes: number): AsyncGenerator<Uint8Array> {
  for (let first = from; first < sizeBytes; first += pieceBytes) {
    const piece = await blobs.get(key, { first, last: Math.min(sizeBytes, first + pieceBytes) - 1 });
    if (!piece) throw new Error(`the archive ${key} is gone`);
    yield piece.bytes;
  }
}

export function bundleHandlers(context: ModuleContext, signing: Signing): Pick<Handlers<Operations>, 'createBundle' | 'listBundles' | 'getArchive' | 'rotateSigningKey' | 'getSigningKeys'> {
  const { database: { sql }, blobs, clock } = context;
  return {
    async createBundle({ query: { kind, version, minimumAgentVersion }, uploads, caller, idempotencyKey }) {
      const [upload] = uploads;
      if (!upload || uploads.length > 1) throw new Problem('bundle-invalid', 'one archive as the file of the form');
      const files = await filesOf(upload.bytes, kind);
      const createdAt = clock.now();
      const id = v7();
      const manifest = BundleManifest.safeParse({ bundleId: id, kind, version, ...(minimumAgentVersion !== undefined && { minimumAgentVersion }), createdAt: createdAt.toISOString(), archiveSha256: sha256(upload.bytes), archiveSizeBytes: upload.bytes.length, files });
      if (!manifest.success) throw new Problem('bundle-invalid', manifest.error.issues[0]?.message);
      const { key } = await signing.current();
      // Object first, row then: a row never names an archive that is not there.
      await blobs.putIfAbsent(blobOf(id), upload.bytes, 'application/gzip');
      const stored = await insertBundle(sql, {
        id, kind, version, sizeBytes: upload.bytes.length, sha256: manifest.data.archiveSha256, keyId: key.keyId, manifest: manifest.data, createdAt, createdBy: caller?.subject ?? 'unknown', idempotencyKey: idempotencyKey ?? id,
      });
      if (stored.id === id) return toBundle(stored);
      await blobs.delete(blobOf(id));
      if (stored.idempotencyKey === idempotencyKey && stored.sha256 === manifest.data.archiveSha256) return toBundle(stored);
      throw new Problem('bundle-exists', `${kind} ${version} is ${stored.id}`);
    },
    async listBundles({ query: { limit, cursor } }) {
      const rows = await listBundles(sql, limit + 1, idCursor(cursor));
      return { items: rows.slice(0, limit).map(toBundle), ...(rows.length > limit && { next: rows[limit - 1]?.id }) };
    },
    async getArchive({ params: { bundleId }, query: { ticket, from } }) {
      await signing.checkTicket(bundleId, ticket);
      const bundle = await findBundle(sql, bundleId);
      if (!bundle) throw new Problem('not-found');
      return new RawReply('application/gzip', pieces(blobs, blobOf(bundleId), from, bundle.sizeBytes), { 'cache-control': 'private, max-age=86400' });
    },
    rotateSigningKey: async () => ({ keyId: await signing.rotate() }),
    async getSigningKeys() {
      const { row } = await signing.current();
      return { counter: row.number, keys: [row.publicJwk] };
    },
  };
}
