/**
 * Immutable objects: photos, receipts, models.
 *
 * Promises: a resolved `putIfAbsent` survives a power cut, whole or not at all; an object never changes;
 * range reads; keys are `/`-separated names that cannot leave the store.
 */
export interface BlobMetadata {
  key: string;
  contentType: string;
  sizeBytes: number;
}

export interface Blobs {
  /** @returns false when there was one already (it is left as it is). */
  putIfAbsent(key: string, bytes: Uint8Array, contentType: string): Promise<boolean>;
  /** @param range first and last byte, both included. */
  get(key: string, range?: { first: number; last: number }): Promise<{ metadata: BlobMetadata; bytes: Uint8Array } | undefined>;
  head(key: string): Promise<BlobMetadata | undefined>;
  delete(key: string): Promise<void>;
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<BlobMetadata[]>;
  close(): Promise<void>;
}
