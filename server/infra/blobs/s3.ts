/**
 * Objects on S3, or on any store that speaks its API and keeps to conditional writes (`If-None-Match`). The bucket has
 * to list in the order of the keys, as general purpose buckets do.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import { CreateBucketCommand, DeleteObjectCommand, GetObjectCommand, type GetObjectCommandOutput, HeadBucketCommand, HeadObjectCommand, ListObjectsV2Command, PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { Problem } from '../../wire/problem.ts';
import { clientOptions, errorName, metadataOf, rethrow, statusOf, wasTriedBefore } from '../aws.ts';
import { checkedContentType, checkedKey, checkedLimit, isRange, notInObject } from './checks.ts';
import type { BlobListing, BlobMetadata, Blobs } from './port.ts';

const service = 'S3';
const requestTimeoutMs = 8_000;
const keysPerPage = 1000;
/** Two who put the same key at the same moment: S3 tells one of them to ask again. */
const conflictAttempts = 10;
/** Metadata that says who wrote an object. */
const writerName = 'mobility-writer';

class S3Blobs implements Blobs {
  readonly #client: S3Client;
  /** Asks for no checksums: that of an object says nothing of its parts, and some stores send it with a part. */
  readonly #partsClient: S3Client;
  readonly #bucket: string;

  constructor(client: S3Client, partsClient: S3Client, bucket: string) {
    this.#client = client;
    this.#partsClient = partsClient;
    this.#bucket = bucket;
  }

  #address(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: checkedKey(key) };
  }

  async putIfAbsent(key: string, bytes: Uint8Array, contentType: string): Promise<boolean> {
    const address = this.#address(key);
    checkedContentType(contentType);
    const writer = randomUUID();
    const command = { ...address, Body: bytes, ContentType: contentType, IfNoneMatch: '*', Metadata: { [writerName]: writer } };
    for (let attempt = 1; ; attempt++) {
      try {
        // With a checksum of the bytes, which the service compares before it keeps anything.
        await this.#client.send(new PutObjectCommand(command));
        return true;
      } catch (error) {
        if (statusOf(error) === 412) return (attempt > 1 || wasTriedBefore(metadataOf(error))) && this.#isOurs(key, writer);
        if (errorName(error) !== 'ConditionalRequestConflict' && statusOf(error) !== 409) return rethrow(service, error);
        if (attempt === conflictAttempts) throw new Problem('unavailable', `${service} has not decided who puts ${key}`, { cause: error });
        await pause(Math.random() * 50 * attempt);
      }
    }
  }

  /** The answer to an earlier attempt was lost, so the object that is in the way may be the one that we put. */
  async #isOurs(key: string, writer: string): Promise<boolean> {
    const found = await this.#orAbsent(this.#client.send(new HeadObjectCommand(this.#address(key))));
    if (!found) throw new Problem('unavailable', `${service} has not said whether ${key} was put`);
    return found.Metadata?.[writerName] === writer;
  }

  async get(key: string, range?: { first: number; last: number }): Promise<{ metadata: BlobMetadata; bytes: Uint8Array } | undefined> {
    const address = this.#address(key);
    if (range && !isRange(range)) throw notInObject(key, range);
    // Held against the checksum that came with it, unless it is a part.
    const found = await this.#orAbsent(this.#read({ ...address, ...(range && { Range: `bytes=${range.first}-${range.last}` }) }).catch((error: unknown) => {
      if (range && statusOf(error) === 416) throw notInObject(key, range);
      throw error;
    }));
    if (!found) return undefined;
    const { output, bytes } = found;
    const sizeBytes = range ? Number(output.ContentRange?.split('/')[1]) : bytes.byteLength;
    if (!Number.isInteger(sizeBytes)) throw new Error(`${service} has not answered with a part of ${key}, but with ${output.ContentRange ?? 'all of it'}`);
    return { metadata: { key, contentType: output.ContentType ?? '', sizeBytes }, bytes };
  }

  /** The SDK tries a request again, not the body of its answer; a connection that broke in the middle is tried once more here. */
  async #read(request: { Bucket: string; Key: string; Range?: string }): Promise<{ output: GetObjectCommandOutput; bytes: Uint8Array }> {
    const attempt = async () => {
      const output = await (request.Range === undefined ? this.#client : this.#partsClient).send(new GetObjectCommand(request));
      return { output, body: await (output.Body?.transformToByteArray() ?? Promise.resolve(new Uint8Array())).then((bytes) => ({ bytes }), (error: unknown) => ({ error })) };
    };
    const first = await attempt();
    const { output, body } = 'error' in first.body ? await attempt() : first;
    if ('error' in body) throw new Problem('unavailable', `${service} has not sent ${request.Key} whole`, { cause: body.error });
    return { output, bytes: body.bytes };
  }

  async head(key: string): Promise<BlobMetadata | undefined> {
    const found = await this.#orAbsent(this.#client.send(new HeadObjectCommand(this.#address(key))));
    return found && { key, contentType: found.ContentType ?? '', sizeBytes: found.ContentLength ?? 0 };
  }

  async delete(key: string): Promise<void> {
    await this.#orAbsent(this.#client.send(new DeleteObjectCommand(this.#address(key))));
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<BlobListing[]> {
    const limit = checkedLimit(options.limit);
    const found: BlobListing[] = [];
    let after = options.after;
    for (;;) {
      const wanted = Math.min(keysPerPage, limit - found.length);
      const { Contents: contents = [], IsTruncated: more } = await this.#client.send(new ListObjectsV2Command({ Bucket: this.#bucket, Prefix: prefix, StartAfter: after, MaxKeys: wanted })).catch((error: unknown) => rethrow(service, error));
      found.push(...contents.map(({ Key = '', Size = 0 }) => ({ key: Key, sizeBytes: Size })));
      after = found.at(-1)?.key;
      if (more !== true || found.length >= limit || contents.length === 0) return found;
    }
  }

  async close(): Promise<void> {
    this.#client.destroy();
    this.#partsClient.destroy();
  }

  async #orAbsent<Result>(work: Promise<Result>): Promise<Result | undefined> {
    try {
      return await work;
    } catch (error) {
      if (error instanceof RangeError) throw error;
      if (statusOf(error) === 404 && errorName(error) !== 'NoSuchBucket') return undefined;
      return rethrow(service, error);
    }
  }
}

async function isThere(client: S3Client, bucket: string): Promise<boolean> {
  try {
    await client.send(new HeadBucketCommand({ Bucket: bucket }));
    return true;
  } catch (error) {
    // Who may not look may still read and write.
    if (statusOf(error) === 403) return true;
    if (statusOf(error) === 404) return false;
    return rethrow(service, error);
  }
}

/** @throws Error when it is not there and may not be made */
async function ensureBucket(client: S3Client, bucket: string): Promise<void> {
  if (await isThere(client, bucket)) return;
  const region = await client.config.region();
  try {
    // The first region of all is the one that must not be named.
    await client.send(new CreateBucketCommand({ Bucket: bucket, ...(region !== 'us-east-1' && { CreateBucketConfiguration: { LocationConstraint: region as 'eu-central-1' } }) }));
  } catch (error) {
    // Another process that starts with us was faster; or the name is taken, which the next look tells.
    if (statusOf(error) === 409 && (await isThere(client, bucket))) return;
    if (statusOf(error) === 403) throw new Error(`the bucket ${bucket} is not there, and we may not make it`, { cause: error });
    rethrow(service, error);
  }
}

/**
 * Opens the store in a bucket, which is made when it is not there and we may make it.
 * @param options.url of another store that speaks S3's API, with the bucket in the path; Amazon's own without it
 */
export async function openS3Blobs(options: { bucket: string; url?: string | undefined }): Promise<Blobs> {
  const settings = { ...clientOptions({ url: options.url, requestTimeoutMs }), forcePathStyle: options.url !== undefined };
  const client = new S3Client(settings);
  await ensureBucket(client, options.bucket);
  return new S3Blobs(client, new S3Client({ ...settings, responseChecksumValidation: 'WHEN_REQUIRED' }), options.bucket);
}
