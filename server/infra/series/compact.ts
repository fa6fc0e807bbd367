/**
 * Columns packed for keeping: differences from row to row, each byte of all rows together, then Zstandard.
 * Measurements come with few decimals, so most columns become small whole numbers.
 */
import { promisify } from 'node:util';
import { constants, zstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { bytesOf, type ColumnArray } from './columns.ts';

/** A column as it is packed; `counter` is for whole numbers up to 2^53. */
export type PackedKind = 'whole' | 'counter' | 'real' | 'double' | 'smallint';
type Packable = ColumnArray | Uint32Array;

const makers = {
  whole: (rows: number) => new Int32Array(rows),
  smallint: (rows: number) => new Int16Array(rows),
  counter: (rows: number) => new Float64Array(rows),
  real: (rows: number) => new Float32Array(rows),
  double: (rows: number) => new Float64Array(rows),
} as const;

/** Decimals that measurements come with. */
const factors = [1, 10, 100, 1000, 1e5, 1e6, 1e7] as const;
const largestWhole = 2 ** 31 - 1;

/** @returns what every value has to be multiplied with to be a whole number, or 0 when there is no such factor */
function factorOf(values: Packable, isReal: boolean): number {
  let tried = 0;
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number;
    if (Object.is(value, -0)) return 0;
    for (; ; tried++) {
      const factor = factors[tried];
      if (factor === undefined) return 0;
      const whole = Math.round(value * factor);
      if (Math.abs(whole) <= largestWhole && (isReal ? Math.fround(whole / factor) : whole / factor) === value) break;
    }
  }
  // A later value may need a larger factor, under which an earlier one must still hold.
  const factor = factors[tried] ?? 0;
  for (let row = 0; row < values.length; row++) {
    const whole = Math.round((values[row] as number) * factor);
    if (Math.abs(whole) > largestWhole || (isReal ? Math.fround(whole / factor) : whole / factor) !== values[row]) return 0;
  }
  return factor;
}

/** The sign goes into the lowest bit, so that small steps back are small, too. */
function putWhole(values: Packable, factor: number, planes: Uint8Array, at: number): number {
  const rows = values.length;
  let before = 0;
  for (let row = 0; row < rows; row++) {
    const value = (factor === 1 ? (values[row] as number) : Math.round((values[row] as number) * factor)) | 0;
    const step = (value - before) | 0;
    const folded = (step << 1) ^ (step >> 31);
    before = value;
    planes[at + row] = folded;
    planes[at + rows + row] = folded >> 8;
    planes[at + 2 * rows + row] = folded >> 16;
    planes[at + 3 * rows + row] = folded >> 24;
  }
  return at + 4 * rows;
}

function takeWhole(target: Packable, factor: number, planes: Uint8Array, at: number): number {
  const rows = target.length;
  let value = 0;
  for (let row = 0; row < rows; row++) {
    const folded = (planes[at + row] as number) | ((planes[at + rows + row] as number) << 8) | ((planes[at + 2 * rows + row] as number) << 16) | ((planes[at + 3 * rows + row] as number) << 24);
    value = (value + ((folded >>> 1) ^ -(folded & 1))) | 0;
    target[row] = factor === 1 ? value : value / factor;
  }
  return at + 4 * rows;
}

const word = 2 ** 32;

function putCounter(values: Packable, planes: Uint8Array, at: number): number {
  const rows = values.length;
  let before = 0;
  for (let row = 0; row < rows; row++) {
    const value = values[row] as number;
    const step = value - before;
    before = value;
    const low = Math.abs(step) % word | 0;
    const high = Math.floor(Math.abs(step) / word) * 2 + (step < 0 ? 1 : 0);
    for (let byte = 0; byte < 4; byte++) {
      planes[at + byte * rows + row] = low >> (byte * 8);
      planes[at + (4 + byte) * rows + row] = high >> (byte * 8);
    }
  }
  return at + 8 * rows;
}

function takeCounter(target: Packable, planes: Uint8Array, at: number): number {
  const rows = target.length;
  let value = 0;
  for (let row = 0; row < rows; row++) {
    let low = 0;
    let high = 0;
    for (let byte = 0; byte < 4; byte++) {
      low |= (planes[at + byte * rows + row] as number) << (byte * 8);
      high |= (planes[at + (4 + byte) * rows + row] as number) << (byte * 8);
    }
    const size = Math.floor(high / 2) * word + (low >>> 0);
    value += high & 1 ? -size : size;
    target[row] = value;
  }
  return at + 8 * rows;
}

/** What differs from the value before, bit by bit. */
function putBits(values: Packable, planes: Uint8Array, at: number): number {
  const rows = values.length;
  const width = values.BYTES_PER_ELEMENT;
  const bytes = bytesOf(values);
  for (let row = 0; row < rows; row++) {
    for (let byte = 0; byte < width; byte++) planes[at + byte * rows + row] = (bytes[row * width + byte] as number) ^ (row > 0 ? (bytes[(row - 1) * width + byte] as number) : 0);
  }
  return at + width * rows;
}

function takeBits(target: Packable, planes: Uint8Array, at: number): number {
  const rows = target.length;
  const width = target.BYTES_PER_ELEMENT;
  const bytes = bytesOf(target);
  for (let row = 0; row < rows; row++) {
    for (let byte = 0; byte < width; byte++) bytes[row * width + byte] = (planes[at + byte * rows + row] as number) ^ (row > 0 ? (bytes[(row - 1) * width + byte] as number) : 0);
  }
  return at + width * rows;
}

/** From here on another thread is worth its while: others have their turn meanwhile. */
const muchBytes = 32_768;
const compress = promisify(zstdCompress);
const compression = { params: { [constants.ZSTD_c_compressionLevel]: 1 } };

/** @param columns of the same length; each is preceded by one byte: the factor under which it is whole, counted from 1, or 0 */
export async function pack(kinds: readonly PackedKind[], columns: readonly Packable[]): Promise<Buffer> {
  const rows = columns[0]?.length ?? 0;
  const planes = Buffer.allocUnsafe(columns.length + rows * columns.length * 8);
  let at = 0;
  for (const [index, kind] of kinds.entries()) {
    const values = columns[index] as Packable;
    const factor = kind === 'counter' ? 0 : kind === 'real' || kind === 'double' ? factorOf(values, kind === 'real') : 1;
    planes[at++] = (factors as readonly number[]).indexOf(factor) + 1;
    if (kind === 'counter') at = putCounter(values, planes, at);
    else at = factor > 0 ? putWhole(values, factor, planes, at) : putBits(values, planes, at);
  }
  const packed = planes.subarray(0, at);
  return at > muchBytes ? compress(packed, compression) : zstdCompressSync(packed, compression);
}

export function unpack(kinds: readonly PackedKind[], bytes: Uint8Array, rows: number): ColumnArray[] {
  const planes = zstdDecompressSync(bytes);
  let at = 0;
  return kinds.map((kind) => {
    const values = makers[kind](rows);
    const factor = factors[(planes[at++] as number) - 1] ?? 0;
    if (kind === 'counter') at = takeCounter(values, planes, at);
    else at = factor > 0 ? takeWhole(values, factor, planes, at) : takeBits(values, planes, at);
    return values;
  });
}
