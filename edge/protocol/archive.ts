/**
 * The archive of a bundle: a gzipped tar (ustar) of regular files, and nothing else. Platform and vehicle read it with the same
 * strictness, so that what the platform has signed is what vehicles take.
 */
import { createGunzip, gzipSync } from 'node:zlib';
import { pipeline, Readable } from 'node:stream';
import { BundleFile } from './bundle.ts';

export interface ArchiveFile {
  path: string;
  bytes: Uint8Array;
}

/** Beyond these an archive is refused, before it is held. */
export const archiveLimits = { maximumFiles: 2000, maximumFileBytes: 32 * 1024 * 1024, maximumTotalBytes: 256 * 1024 * 1024 };

/** The archive is none that may be installed; the message says why. */
export class ArchiveError extends Error {
  override name = 'ArchiveError';
}

const blockBytes = 512;
const isZero = (block: Uint8Array): boolean => block.every((byte) => byte === 0);

function text(header: Uint8Array, at: number, length: number): string {
  const field = header.subarray(at, at + length);
  const end = field.indexOf(0);
  return Buffer.from(end < 0 ? field : field.subarray(0, end)).toString('latin1');
}

function octal(header: Uint8Array, at: number, length: number): number {
  const digits = text(header, at, length).trim();
  if (!/^[0-7]{1,11}$/.test(digits)) throw new ArchiveError('a header has a number that is none');
  return Number.parseInt(digits, 8);
}

/** The checksum counts its own field as spaces. */
const checksumOf = (header: Uint8Array): number => header.reduce((sum, byte, index) => sum + (index >= 148 && index < 156 ? 32 : byte), 0);

/** @returns `undefined` for a folder, which needs no entry of its own */
function readHeader(header: Uint8Array): { path: string; sizeBytes: number } | undefined {
  if (text(header, 257, 5) !== 'ustar') throw new ArchiveError('it is no tar of the format ustar');
  if (octal(header, 148, 8) !== checksumOf(header)) throw new ArchiveError('a header has a wrong checksum');
  const type = text(header, 156, 1);
  const prefix = text(header, 345, 155);
  const path = `${prefix === '' ? '' : `${prefix}/`}${text(header, 0, 100)}`.replace(/^\.\//, '');
  const sizeBytes = octal(header, 124, 12);
  if (type === '5' && sizeBytes === 0) return undefined;
  if (type !== '0' && type !== '') throw new ArchiveError(`"${path.slice(0, 200)}" is no regular file`);
  if (!BundleFile.shape.path.safeParse(path).success || path.split('/').some((part) => part === '' || part === '.')) throw new ArchiveError(`"${path.slice(0, 200)}" is no path of a bundle`);
  return { path, sizeBytes };
}

/** Hands out a stream in pieces of exactly the asked length. */
class Pieces {
  #held: Uint8Array[] = [];
  #heldBytes = 0;
  #readBytes = 0;
  readonly #source: AsyncIterator<Uint8Array>;
  readonly #maximumBytes: number;

  constructor(source: AsyncIterator<Uint8Array>, maximumBytes: number) {
    this.#source = source;
    this.#maximumBytes = maximumBytes;
  }

  /** @returns `undefined` at the end @throws ArchiveError when it ends in the middle, or is too large */
  async take(length: number): Promise<Uint8Array | undefined> {
    while (this.#heldBytes < length) {
      const next = await this.#source.next();
      if (next.done) {
        if (this.#heldBytes === 0) return undefined;
        throw new ArchiveError('it breaks off');
      }
      this.#readBytes += next.value.length;
      if (this.#readBytes > this.#maximumBytes) throw new ArchiveError('unpacked it is too large');
      this.#held.push(next.value);
      this.#heldBytes += next.value.length;
    }
    const all = this.#held.length === 1 ? this.#held[0] : Buffer.concat(this.#held);
    const bytes = (all ?? new Uint8Array()).subarray(0, length);
    this.#held = all && all.length > length ? [all.subarray(length)] : [];
    this.#heldBytes -= length;
    return bytes;
  }
}

/** Every path once, and none a folder of another. */
class Paths {
  readonly #files = new Set<string>();
  readonly #folders = new Set<string>();

  add(path: string): void {
    const parts = path.split('/');
    const folders = parts.slice(0, -1).map((_, index) => parts.slice(0, index + 1).join('/'));
    if (this.#files.has(path) || this.#folders.has(path) || folders.some((folder) => this.#files.has(folder))) throw new ArchiveError(`"${path}" is there twice`);
    this.#files.add(path);
    for (const folder of folders) this.#folders.add(folder);
  }
}

async function* readTar(pieces: Pieces, limits: typeof archiveLimits): AsyncGenerator<ArchiveFile> {
  const paths = new Paths();
  let files = 0;
  for (;;) {
    const header = await pieces.take(blockBytes);
    if (!header) throw new ArchiveError('it breaks off');
    if (isZero(header)) break;
    const entry = readHeader(header);
    if (!entry) continue;
    if (++files > limits.maximumFiles) throw new ArchiveError(`it has more than ${limits.maximumFiles} files`);
    if (entry.sizeBytes > limits.maximumFileBytes) throw new ArchiveError(`"${entry.path}" is too large`);
    paths.add(entry.path);
    const padded = Math.ceil(entry.sizeBytes / blockBytes) * blockBytes;
    const bytes = padded === 0 ? new Uint8Array() : await pieces.take(padded);
    if (!bytes) throw new ArchiveError('it breaks off');
    yield { path: entry.path, bytes: bytes.subarray(0, entry.sizeBytes) };
  }
  for (let block = await pieces.take(blockBytes); block; block = await pieces.take(blockBytes)) if (!isZero(block)) throw new ArchiveError('something follows its end');
  if (files === 0) throw new ArchiveError('it has no files');
}

/**
 * Unpacks an archive file by file; only one file is held at a time.
 * @throws ArchiveError for anything but a gzipped ustar of regular files with plain relative paths, each once, within the limits
 */
export async function* readArchive(gzipped: Iterable<Uint8Array> | AsyncIterable<Uint8Array>, limits: Partial<typeof archiveLimits> = {}): AsyncGenerator<ArchiveFile> {
  const bounds = { ...archiveLimits, ...limits };
  const unpacked = createGunzip();
  let failure: Error | undefined;
  pipeline(Readable.from(gzipped, { objectMode: false }), unpacked, (error) => {
    failure = error ?? undefined;
  });
  const headerBytes = (bounds.maximumFiles * 2 + 40) * blockBytes;
  try {
    yield* readTar(new Pieces(unpacked[Symbol.asyncIterator]() as AsyncIterator<Uint8Array>, bounds.maximumTotalBytes + headerBytes), bounds);
  } catch (error) {
    if ((error as { code?: string }).code?.startsWith('Z_') === true) throw new ArchiveError(`it cannot be unpacked: ${(error as Error).message}`, { cause: error });
    throw failure && !(error instanceof ArchiveError) ? failure : error;
  } finally {
    unpacked.destroy();
  }
}

function headerOf(path: string, sizeBytes: number): Uint8Array {
  const header = Buffer.alloc(blockBytes);
  const split = path.length <= 100 ? -1 : path.indexOf('/', path.length - 101);
  if (path.length > 100 && (split < 0 || split > 155)) throw new ArchiveError(`"${path}" is too long for a tar`);
  header.write(path.slice(split + 1), 0, 'latin1');
  header.write('0000644\0' + '0000000\0' + '0000000\0', 100, 'latin1');
  header.write(`${sizeBytes.toString(8).padStart(11, '0')}\0`, 124, 'latin1');
  header.write('00000000000\0', 136, 'latin1');
  header.write('0', 156, 'latin1');
  header.write('ustar\0' + '00', 257, 'latin1');
  if (split > 0) header.write(path.slice(0, split), 345, 'latin1');
  header.write(`${checksumOf(header).toString(8).padStart(6, '0')}\0 `, 148, 'latin1');
  return header;
}

/**
 * Packs files into an archive: the same files give the same bytes.
 * @throws ArchiveError for a path that no bundle may have
 */
export function writeArchive(files: readonly ArchiveFile[]): Uint8Array {
  const paths = new Paths();
  const blocks = files.toSorted((a, b) => (a.path < b.path ? -1 : 1)).flatMap(({ path, bytes }) => {
    if (!BundleFile.shape.path.safeParse(path).success) throw new ArchiveError(`"${path}" is no path of a bundle`);
    paths.add(path);
    return [headerOf(path, bytes.length), bytes, Buffer.alloc((blockBytes - (bytes.length % blockBytes)) % blockBytes)];
  });
  return gzipSync(Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]));
}
