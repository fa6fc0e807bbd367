/**
 * Immutable objects: photos, receipts, models.
 *
 * Promises: a resolved `putIfAbsent` survives a power cut, whole or not at all; an object never changes;
 * range reads; keys cannot leave the store: names between single slashes, each of 1 to 200 letters,
 * digits and `._-=+@,` that does not begin with a dot, at most 900 characters together. Every call
 * refuses another key with a RangeError.
 * A store outside of this process that does not answer, or not in time, is a Problem `unavailable`; it is found again
 * without a restart. Bytes that were damaged on their way are an error, never an object.
 */
export interface BlobMetadata {
  key: string;
  contentType: string;
  sizeBytes: number;
}

/** What a listing knows; the content type is with the object (`head`). */
export type BlobListing = Pick<BlobMetadata, 'key' | 'sizeBytes'>;

export interface Blobs {
  /** @returns false when there was one already (it is left as it is). */
  putIfAbsent(key: string, bytes: Uint8Array, contentType: string): Promise<boolean>;
  /**
   * @param range first and last byte, both included; a last one past the end means the end
   * @throws RangeError for a range that begins past the end or is none
   */
  get(key: string, range?: { first: number; last: number }): Promise<{ metadata: BlobMetadata; bytes: Uint8Array } | undefined>;
  head(key: string): Promise<BlobMetadata | undefined>;
  delete(key: string): Promise<void>;
  /** In the order of the keys. @param options.limit 1000 unless given; the next page begins `after` the last key of this one */
  list(prefix: string, options?: { after?: string; limit?: number }): Promise<BlobListing[]>;
  close(): Promise<void>;
}
