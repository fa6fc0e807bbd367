import { randomUUID } from 'node:crypto';
import { type FileHandle, link, mkdir, open, readdir, rm, stat, unlink } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { checkedContentType, checkedKey, checkedLimit, isRange, notInObject } from './checks.ts';
import type { BlobListing, BlobMetadata, Blobs } from './port.ts';

/** The first bytes of a file: this mark, the length of the header, the header as JSON; then the object. */
const mark = Buffer.from('MOB1');
const preambleBytes = mark.length + 4;
/** Cannot be in a key, so that the objects `a` and `a/b` can both be there. */
const objectSuffix = '~';
const abandonedAfterMs = 3_600_000;

interface OpenedObject {
  metadata: BlobMetadata;
  /** Where the object's own bytes begin. */
  bodyAt: number;
}

class FileBlobs implements Blobs {
  readonly #objects: string;
  readonly #incoming: string;
  /** Folders whose names are known to be on the disk. */
  readonly #durableFolders = new Set<string>();

  constructor(folder: string) {
    this.#objects = join(folder, 'objects');
    this.#incoming = join(folder, 'incoming');
  }

  async open(): Promise<void> {
    await mkdir(this.#objects, { recursive: true });
    await mkdir(this.#incoming, { recursive: true });
    // What a kill has left; a younger one may be another process's.
    for (const name of await readdir(this.#incoming)) {
      const path = join(this.#incoming, name);
      const found = await stat(path).catch(unlessAbsent);
      if (found && Date.now() - found.mtimeMs > abandonedAfterMs) await rm(path, { force: true });
    }
  }

  async putIfAbsent(key: string, bytes: Uint8Array, contentType: string): Promise<boolean> {
    const target = this.#pathOf(key);
    checkedContentType(contentType);
    if (await stat(target).catch(unlessAbsent)) return false;
    const header = Buffer.from(JSON.stringify({ contentType, sizeBytes: bytes.byteLength }));
    const preamble = Buffer.alloc(preambleBytes);
    mark.copy(preamble);
    preamble.writeUInt32BE(header.length, mark.length);
    const temporary = join(this.#incoming, randomUUID());
    try {
      const file = await open(temporary, 'wx');
      try {
        for (const part of [preamble, header, bytes]) await file.writeFile(part);
        await file.sync();
      } finally {
        await file.close();
      }
      const folder = dirname(target);
      await mkdir(folder, { recursive: true });
      if (!(await linkIfAbsent(temporary, target))) return false;
      await this.#makeDurable(folder);
      return true;
    } finally {
      await rm(temporary, { force: true });
    }
  }

  async get(key: string, range?: { first: number; last: number }): Promise<{ metadata: BlobMetadata; bytes: Uint8Array } | undefined> {
    return this.#withObject(key, async (file, { metadata, bodyAt }) => {
      const { first, last } = range ?? { first: 0, last: metadata.sizeBytes - 1 };
      if (range && (!isRange(range) || range.first >= metadata.sizeBytes)) throw notInObject(key, range);
      const bytes = new Uint8Array(Math.max(0, Math.min(last, metadata.sizeBytes - 1) - first + 1));
      await readFully(file, bytes, bodyAt + first, key);
      return { metadata, bytes };
    });
  }

  async head(key: string): Promise<BlobMetadata | undefined> {
    return this.#withObject(key, async (_file, { metadata }) => metadata);
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    const removed = await unlink(path).then(() => true, unlessAbsent);
    if (removed) await syncFolder(dirname(path));
  }

  async list(prefix: string, options: { after?: string; limit?: number } = {}): Promise<BlobListing[]> {
    const { after = '' } = options;
    const limit = checkedLimit(options.limit);
    const items: BlobListing[] = [];
    for await (const key of this.#keys(this.#objects, '', prefix, after)) {
      // One that was deleted meanwhile is not listed.
      const metadata = await this.head(key);
      if (metadata) items.push({ key, sizeBytes: metadata.sizeBytes });
      if (items.length === limit) break;
    }
    return items;
  }

  async close(): Promise<void> {
    this.#durableFolders.clear();
  }

  /** Keys that begin with the prefix and come after `after`, in order. */
  async *#keys(folder: string, path: string, prefix: string, after: string): AsyncGenerator<string> {
    const entries = (await readdir(folder, { withFileTypes: true }).catch(unlessAbsent)) ?? [];
    // `a/…` comes after `a-b`: a folder takes its place by its name with the slash.
    const names = entries
      .filter((entry) => entry.isDirectory() || entry.name.endsWith(objectSuffix))
      .map((entry) => (entry.isDirectory() ? `${path}${entry.name}/` : path + entry.name.slice(0, -objectSuffix.length)))
      .sort((one, other) => (one < other ? -1 : 1));
    for (const name of names) {
      if (!name.endsWith('/')) {
        if (name.startsWith(prefix) && name > after) yield name;
        continue;
      }
      const mayMatch = name.startsWith(prefix) || prefix.startsWith(name);
      const mayFollow = after < name || after.startsWith(name);
      if (mayMatch && mayFollow) yield* this.#keys(join(this.#objects, name), name, prefix, after);
    }
  }

  async #withObject<Result>(key: string, work: (file: FileHandle, object: OpenedObject) => Promise<Result>): Promise<Result | undefined> {
    const file = await open(this.#pathOf(key), 'r').catch(unlessAbsent);
    if (!file) return undefined;
    try {
      return await work(file, await readHeader(file, key));
    } finally {
      await file.close();
    }
  }

  /** @throws RangeError for a key that is not a name inside the store */
  #pathOf(key: string): string {
    return join(this.#objects, checkedKey(key) + objectSuffix);
  }

  /** Flushes the folder's new name, and the names of the folders above that were made for it. */
  async #makeDurable(folder: string): Promise<void> {
    await syncFolder(folder);
    for (let child = folder; child !== dirname(this.#objects) && !this.#durableFolders.has(child); child = dirname(child)) {
      await syncFolder(dirname(child));
      this.#durableFolders.add(child);
    }
  }
}

async function linkIfAbsent(from: string, to: string): Promise<boolean> {
  try {
    await link(from, to);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return false;
    throw error;
  }
}

async function syncFolder(path: string): Promise<void> {
  const folder = await open(path, 'r');
  try {
    await folder.sync();
  } finally {
    await folder.close();
  }
}

async function readHeader(file: FileHandle, key: string): Promise<OpenedObject> {
  const preamble = Buffer.alloc(preambleBytes);
  await readFully(file, preamble, 0, key);
  if (!preamble.subarray(0, mark.length).equals(mark)) throw new Error(`the file of the object ${key} is damaged: it does not begin as an object`);
  const { size } = await file.stat();
  const headerLength = preamble.readUInt32BE(mark.length);
  if (headerLength > size) throw new Error(`the file of the object ${key} is damaged: its header is cut off`);
  const header = Buffer.alloc(headerLength);
  await readFully(file, header, preambleBytes, key);
  const { contentType, sizeBytes } = JSON.parse(header.toString()) as { contentType: string; sizeBytes: number };
  const bodyAt = preambleBytes + headerLength;
  if (size !== bodyAt + sizeBytes) throw new Error(`the file of the object ${key} is damaged: ${size - bodyAt} bytes in place of ${sizeBytes}`);
  return { metadata: { key, contentType, sizeBytes }, bodyAt };
}

async function readFully(file: FileHandle, into: Uint8Array, position: number, key: string): Promise<void> {
  for (let done = 0; done < into.byteLength; ) {
    const { bytesRead } = await file.read(into, done, into.byteLength - done, position + done);
    if (bytesRead === 0) throw new Error(`the file of the object ${key} is damaged: it ends too early`);
    done += bytesRead;
  }
}

const codeOf = (error: unknown): unknown => (error instanceof Error && 'code' in error ? error.code : undefined);

/** For what may be absent: nothing then, and every other error goes on. */
function unlessAbsent(error: unknown): undefined {
  if (codeOf(error) === 'ENOENT') return undefined;
  throw error;
}

/** Opens a store of objects in a folder, which several processes may share: one file an object, with a header. */
export async function openFileBlobs(options: { folder: string }): Promise<Blobs> {
  const blobs = new FileBlobs(options.folder);
  await blobs.open();
  return blobs;
}
