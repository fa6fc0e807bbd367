/** Brings an archive onto the vehicle, piece by piece: what has arrived stays, whatever happens. */
import { createHash } from 'node:crypto';
import { setTimeout as pause } from 'node:timers/promises';
import type { Disk } from './disk.ts';

/** Opens an archive from a byte on. @throws DownloadRefused when asking again is of no use; anything else is tried again */
export type OpenArchive = (url: string, fromByte: number, signal: AbortSignal) => Promise<AsyncIterable<Uint8Array>>;

/** The platform does not give it, or gives something else than was signed. */
export class DownloadRefused extends Error {
  override name = 'DownloadRefused';
}

/** Without a byte for so long, a connection is given up and asked for again. */
const silenceMs = 30_000;
/** So much is collected before it is written. */
const pieceBytes = 256 * 1024;
const firstPauseMs = 100;
const longestPauseMs = 60_000;

/** By HTTP; redirects are not followed. */
export const fetchArchive: OpenArchive = async (url, fromByte, signal) => {
  const from = new URL(url);
  from.searchParams.set('from', String(fromByte));
  const response = await fetch(from, { signal, redirect: 'error', headers: { accept: 'application/gzip' } });
  if (response.status >= 400 && response.status < 500 && response.status !== 408 && response.status !== 429) throw new DownloadRefused(`the platform answered ${response.status}`);
  if (!response.ok || !response.body) throw new Error(`the platform answered ${response.status}`);
  return response.body;
};

export interface Download {
  url: string;
  sizeBytes: number;
  sha256: string;
  /** Where it is kept until it is whole and after. */
  path: string;
}

export interface DownloadOptions {
  disk: Disk;
  open: OpenArchive;
  signal: AbortSignal;
  /** Tries in a row that bring nothing, before giving up. */
  maximumTries: number;
  onProgress: (bytes: number) => Promise<void>;
}

/** @returns how many bytes are there now */
async function fetchRest({ url, sizeBytes, path }: Download, { disk, open, signal, onProgress }: DownloadOptions, had: number): Promise<number> {
  const silence = new AbortController();
  let timer = setTimeout(() => silence.abort(), silenceMs);
  let there = had;
  let held: Uint8Array[] = [];
  let heldBytes = 0;
  const keep = async () => {
    if (heldBytes === 0) return;
    await disk.append(path, Buffer.concat(held));
    there += heldBytes;
    held = [];
    heldBytes = 0;
    await onProgress(there);
  };
  try {
    for await (const bytes of await open(url, had, AbortSignal.any([signal, silence.signal]))) {
      clearTimeout(timer);
      timer = setTimeout(() => silence.abort(), silenceMs);
      held.push(bytes);
      heldBytes += bytes.length;
      if (there + heldBytes > sizeBytes) throw new DownloadRefused('the archive is larger than was signed');
      if (heldBytes >= pieceBytes) await keep();
    }
  } finally {
    clearTimeout(timer);
    if (there + heldBytes <= sizeBytes) await keep();
  }
  return there;
}

async function isWhole(archive: Download, disk: Disk): Promise<boolean> {
  const bytes = await disk.read(archive.path);
  return bytes?.length === archive.sizeBytes && createHash('sha256').update(bytes).digest('hex') === archive.sha256;
}

/**
 * Resolves when the file is whole and its digest right; goes on where an earlier try broke off, also before a power cut.
 * @throws DownloadRefused also when the digest is wrong, and then nothing of it is kept; Error after too many tries in vain
 */
export async function download(archive: Download, options: DownloadOptions): Promise<void> {
  const { disk } = options;
  const had = await disk.sizeBytes(archive.path);
  await fetchAll(archive, options, had);
  if (await isWhole(archive, disk)) return;
  await disk.remove(archive.path);
  // A power cut may have left rubbish at the end of what was there: once more, from the beginning.
  if (had > 0) return download(archive, options);
  throw new DownloadRefused('the archive is not the one that was signed');
}

async function fetchAll(archive: Download, options: DownloadOptions, had: number): Promise<void> {
  const { disk, signal, maximumTries } = options;
  let there = had;
  for (let tries = 0; there < archive.sizeBytes; ) {
    const before = there;
    try {
      there = await fetchRest(archive, options, before);
      if (there === before) throw new Error('the connection ended without a byte');
      tries = 0;
    } catch (error) {
      if (error instanceof DownloadRefused) {
        await disk.remove(archive.path);
        throw error;
      }
      signal.throwIfAborted();
      there = await disk.sizeBytes(archive.path);
      tries = there > before ? 0 : tries + 1;
      if (tries >= maximumTries) throw error;
      await pause(Math.min(longestPauseMs, firstPauseMs * 2 ** tries), undefined, { signal });
    }
  }
}
