/** What riders photograph: which kind of image it is, and the picture without what the camera wrote beside it. */

export type ImageType = 'image/jpeg' | 'image/png' | 'image/webp';

/** The image type of a file by its first bytes, whatever the sender calls it; `undefined` for anything else. */
export function imageTypeOf(bytes: Uint8Array): ImageType | undefined {
  const begins = (signature: readonly number[], at = 0): boolean => signature.every((byte, index) => bytes[at + index] === byte);
  if (begins([0xff, 0xd8, 0xff])) return 'image/jpeg';
  if (begins([0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a])) return 'image/png';
  if (begins([0x52, 0x49, 0x46, 0x46]) && begins([0x57, 0x45, 0x42, 0x50], 8)) return 'image/webp';
  return undefined;
}

const viewOf = (bytes: Uint8Array): DataView => new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
const latin1 = (bytes: Uint8Array, from: number, length: number): string => String.fromCharCode(...bytes.subarray(from, from + length));

function joined(parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.length;
  }
  return whole;
}

const orientationTag = 0x0112;

/** The turn of the camera, 2 to 8, out of an Exif block (TIFF); undefined for upright and for what cannot be read. */
function orientationIn(tiff: Uint8Array): number | undefined {
  if (tiff.length < 14) return undefined;
  const view = viewOf(tiff);
  const order = latin1(tiff, 0, 2);
  if (order !== 'II' && order !== 'MM') return undefined;
  const little = order === 'II';
  const directory = view.getUint32(4, little);
  if (directory + 2 > tiff.length) return undefined;
  const entries = view.getUint16(directory, little);
  for (let entry = 0; entry < entries; entry++) {
    const at = directory + 2 + entry * 12;
    if (at + 12 > tiff.length) return undefined;
    if (view.getUint16(at, little) !== orientationTag) continue;
    const value = view.getUint16(at + 8, little);
    return value >= 2 && value <= 8 ? value : undefined;
  }
  return undefined;
}

/** An Exif block that says how to turn the picture and nothing else. */
function orientationOnly(orientation: number): Uint8Array {
  const tiff = new Uint8Array(26);
  const view = viewOf(tiff);
  tiff.set([0x4d, 0x4d, 0, 42]);
  view.setUint32(4, 8);
  view.setUint16(8, 1);
  view.setUint16(10, orientationTag);
  view.setUint16(12, 3);
  view.setUint32(14, 1);
  view.setUint16(18, orientation);
  return tiff;
}

const exifMark = new Uint8Array([0x45, 0x78, 0x69, 0x66, 0, 0]);
const isExif = (payload: Uint8Array): boolean => exifMark.every((byte, index) => payload[index] === byte);

/** Say how to show the picture: JFIF, the colour profile, how colours are stored. All other such segments, and comments, are words about it. */
const neededSegments: Record<number, string> = { 0xe0: 'JFIF\0', 0xe2: 'ICC_PROFILE\0', 0xee: 'Adobe' };

function staysInJpeg(marker: number, payload: Uint8Array): boolean {
  const isWords = (marker >= 0xe0 && marker <= 0xef) || marker === 0xfe;
  const needed = neededSegments[marker];
  return !isWords || (needed !== undefined && latin1(payload, 0, needed.length) === needed);
}

/** Where the entropy-coded data ends that begins here: at the next marker that is neither a stuffed byte nor a restart. */
function endOfScan(bytes: Uint8Array, from: number): number {
  for (let at = from; at + 1 < bytes.length; at++) {
    const next = bytes[at + 1] ?? 0;
    if (bytes[at] === 0xff && next !== 0 && next !== 0xff && !(next >= 0xd0 && next <= 0xd7)) return at;
  }
  return bytes.length;
}

function cleanJpeg(bytes: Uint8Array): Uint8Array | undefined {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [bytes.subarray(0, 2)];
  let orientation: number | undefined;
  for (let at = 2; at < bytes.length; ) {
    if (bytes[at] !== 0xff) return undefined;
    const marker = bytes[at + 1] ?? 0;
    if (marker === 0xff) {
      at++;
      continue;
    }
    // The end of the picture: what follows (a second picture, a film) goes, and is often a whole photo with its own position.
    if (marker === 0xd9) {
      kept.push(bytes.subarray(at, at + 2));
      const turned = orientation === undefined ? [] : [segmentOf(orientation)];
      return joined([...kept.slice(0, 1), ...turned, ...kept.slice(1)]);
    }
    if (at + 4 > bytes.length) return undefined;
    const end = at + 2 + view.getUint16(at + 2);
    if (end > bytes.length || end < at + 4) return undefined;
    const payload = bytes.subarray(at + 4, end);
    if (marker === 0xe1 && isExif(payload)) orientation ??= orientationIn(payload.subarray(exifMark.length));
    const next = marker === 0xda ? endOfScan(bytes, end) : end;
    if (staysInJpeg(marker, payload)) kept.push(bytes.subarray(at, next));
    at = next;
  }
  return undefined;
}

function segmentOf(orientation: number): Uint8Array {
  const payload = joined([exifMark, orientationOnly(orientation)]);
  const head = new Uint8Array([0xff, 0xe1, 0, 0]);
  viewOf(head).setUint16(2, payload.length + 2);
  return joined([head, payload]);
}

/** What a PNG needs to be shown; texts, times, Exif and whatever else somebody has put in are not among it. */
const pngChunks = new Set(['IHDR', 'PLTE', 'IDAT', 'IEND', 'tRNS', 'gAMA', 'cHRM', 'sRGB', 'iCCP', 'sBIT', 'bKGD', 'pHYs', 'cICP', 'acTL', 'fcTL', 'fdAT']);

function cleanPng(bytes: Uint8Array): Uint8Array | undefined {
  const view = viewOf(bytes);
  const kept: Uint8Array[] = [bytes.subarray(0, 8)];
  for (let at = 8; at + 12 <= bytes.length; ) {
    const end = at + 12 + view.getUint32(at);
    if (end > bytes.length) return undefined;
    const type = latin1(bytes, at + 4, 4);
    if (pngChunks.has(type)) kept.push(bytes.subarray(at, end));
    if (type === 'IEND') return joined(kept);
    at = end;
  }
  return undefined;
}

const webpChunks = new Set(['VP8 ', 'VP8L', 'VP8X', 'ALPH', 'ANIM', 'ANMF', 'ICCP']);
/** Bits of VP8X that announce Exif and XMP. */
const announcedWords = 0x08 | 0x04;

function cleanWebp(bytes: Uint8Array): Uint8Array | undefined {
  const view = viewOf(bytes);
  const riffEnd = Math.min(bytes.length, 8 + view.getUint32(4, true));
  const kept: Uint8Array[] = [];
  for (let at = 12; at + 8 <= riffEnd; ) {
    const end = at + 8 + view.getUint32(at + 4, true);
    if (end > riffEnd) return undefined;
    const type = latin1(bytes, at, 4);
    const padded = Math.min(riffEnd, end + (end % 2));
    if (webpChunks.has(type)) {
      const chunk = bytes.slice(at, padded);
      if (type === 'VP8X') chunk[8] = (chunk[8] ?? 0) & ~announcedWords;
      kept.push(chunk);
    }
    at = padded;
  }
  if (kept.length === 0) return undefined;
  const head = bytes.slice(0, 12);
  viewOf(head).setUint32(4, 4 + kept.reduce((sum, chunk) => sum + chunk.length, 0), true);
  return joined([head, ...kept]);
}

/**
 * The same picture, untouched in its pixels and its turn, without position, time, names, thumbnails and what stands behind its end.
 * @returns undefined for a file that is not whole
 */
export function withoutMetadata(bytes: Uint8Array, type: ImageType): Uint8Array | undefined {
  return type === 'image/jpeg' ? cleanJpeg(bytes) : type === 'image/png' ? cleanPng(bytes) : cleanWebp(bytes);
}
