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

/**
 * The document of an update job: the manifest as a compact JWS (Ed25519, `typ: bundle+jwt`, `kid` of the signing key)
 * and where the archive is. Agents trust the keys that they were built with, and those that a trusted key has signed.
 */
export const UpdateJobDocument = z.object({
  operation: z.literal('update'),
  manifest: z.string().max(500_000),
  archiveUrl: z.url(),
  /** Keys that replace older ones: a JWK set as a JWS (`typ: keys+jwt`) by a key that the agent trusts already. */
  keys: z.string().max(20_000).optional(),
});
export type UpdateJobDocument = z.infer<typeof UpdateJobDocument>;
