/** An update bundle: what is signed, and what a job of an update says. */
import { z } from 'zod';

const Sha256 = z.string().regex(/^[0-9a-f]{64}$/);

/** One part of a bundle. Paths are relative, without `..`. */
export const BundleFile = z.object({ path: z.string().regex(/^(?!\/)(?!.*(?:^|\/)\.\.(?:\/|$))[A-Za-z0-9._/-]{1,200}$/), sha256: Sha256, sizeBytes: z.int().min(0) });

/** What is signed. The bundle is a gzipped tar of exactly these files. */
export const BundleManifest = z.object({
  bundleId: z.uuid(),
  kind: z.enum(['firmware', 'models', 'zones']),
  version: z.string().regex(/^\d+\.\d+\.\d+(?:-[0-9A-Za-z.-]+)?$/),
  /** Vehicles with an older agent refuse it. */
  minimumAgentVersion: z.string().optional(),
  createdAt: z.iso.datetime({ offset: true }),
  archiveSha256: Sha256,
  archiveSizeBytes: z.int().min(1).max(64 * 1024 * 1024),
  files: z.array(BundleFile).min(1).max(2000),
});
export type BundleManifest = z.infer<typeof BundleManifest>;

/** What a vehicle undoes: it goes back to what it had before this bundle. Signed like a manifest, `typ: revert+jwt`. */
export const RevertClaims = z.object({ revert: z.uuid(), kind: BundleManifest.shape.kind });
export type RevertClaims = z.infer<typeof RevertClaims>;

/** Keys that take the place of all before them. `counter` grows with each set, so that an old one cannot be brought back. */
export const KeySet = z.object({ counter: z.int().min(1), keys: z.array(z.looseObject({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string(), kid: z.string() })).min(1).max(10) });
export type KeySet = z.infer<typeof KeySet>;

/**
 * The document of an update job: the manifest as a compact JWS (Ed25519, `typ: bundle+jwt`, `kid` of the signing key)
 * and where the archive is; or, to go back, a `revert+jwt` and no archive.
 * Agents trust the keys that they were built with, and those that a trusted key has signed.
 */
export const UpdateJobDocument = z.object({
  operation: z.enum(['update', 'revert']),
  manifest: z.string().max(500_000),
  archiveUrl: z.url().optional(),
  /** Keys that replace older ones: each set (`KeySet`) is a JWS (`typ: keys+jwt`) by a key of the set before; several, oldest first, are joined by `~`. */
  keys: z.string().max(20_000).optional(),
});
export type UpdateJobDocument = z.infer<typeof UpdateJobDocument>;
