/**
 * The container of a model: `MOBM`, version of the format, kind, length, payload, SHA-256 of everything before. Little-endian.
 * A vehicle may be cut from power in the middle of writing one, so nothing is believed before the checksum is right.
 */
import { createHash } from 'node:crypto';

const magic = Buffer.from('MOBM', 'latin1');
const formatVersion = 1;
const headerBytes = 12;
const digestBytes = 32;
/** Of the file as a whole; larger ones are refused unread. */
export const modelFileLimitBytes = 3 * 1024 * 1024;

const kinds = { collision: 1, tamper: 2 } as const;
export type ModelKind = keyof typeof kinds;

/** The file is no model of this kind, or damaged. The agent goes on with its rules. */
export class ModelFileError extends Error {
  override readonly name = 'ModelFileError';
}

const digestOf = (bytes: Uint8Array): Buffer => createHash('sha256').update(bytes).digest();

/** @throws ModelFileError that says what is wrong */
export function openModelFile(bytes: Uint8Array, kind: ModelKind): PayloadReader {
  if (bytes.byteLength > modelFileLimitBytes) throw new ModelFileError(`the model file has ${bytes.byteLength} bytes; ${modelFileLimitBytes} are the most`);
  if (bytes.byteLength < headerBytes + digestBytes || !magic.equals(bytes.subarray(0, magic.length))) throw new ModelFileError('this is no model file, or only the beginning of one');
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (view.getUint8(4) !== formatVersion) throw new ModelFileError(`the model file has format ${view.getUint8(4)}; this agent reads format ${formatVersion}`);
  if (view.getUint8(5) !== kinds[kind]) throw new ModelFileError(`the model file is not for ${kind} detection`);
  const payloadBytes = view.getUint32(8, true);
  if (payloadBytes !== bytes.byteLength - headerBytes - digestBytes) throw new ModelFileError(`the model file announces ${payloadBytes} bytes and has ${bytes.byteLength - headerBytes - digestBytes}`);
  const end = headerBytes + payloadBytes;
  if (!digestOf(bytes.subarray(0, end)).equals(bytes.subarray(end))) throw new ModelFileError('the model file is damaged: its checksum is wrong');
  return new PayloadReader(new DataView(bytes.buffer, bytes.byteOffset + headerBytes, payloadBytes));
}

/** Reads one value after the other. @throws ModelFileError where the payload ends before its time */
export class PayloadReader {
  readonly #view: DataView;
  #at = 0;

  constructor(view: DataView) {
    this.#view = view;
  }

  #next(bytes: number): number {
    const at = this.#at;
    if (at + bytes > this.#view.byteLength) throw new ModelFileError('the model file ends in the middle of a value');
    this.#at += bytes;
    return at;
  }

  /** @throws ModelFileError also when it is outside these bounds */
  integer(name: string, minimum: number, maximum: number): number {
    const value = this.#view.getUint32(this.#next(4), true);
    if (value < minimum || value > maximum) throw new ModelFileError(`${name} is ${value}; it must be from ${minimum} to ${maximum}`);
    return value;
  }

  /** @throws ModelFileError also when it is no finite number */
  number(name: string): number {
    const value = this.#view.getFloat32(this.#next(4), true);
    if (!Number.isFinite(value)) throw new ModelFileError(`${name} is no number`);
    return value;
  }

  text(): string {
    const bytes = this.integer('the length of a text', 0, 200);
    return Buffer.from(this.#view.buffer, this.#view.byteOffset + this.#next(bytes), bytes).toString('utf8');
  }

  numbers(name: string, count: number): Float32Array {
    return Float32Array.from({ length: count }, () => this.number(name));
  }

  int8s(count: number): Int8Array {
    return new Int8Array(this.#view.buffer, this.#view.byteOffset + this.#next(count), count).slice();
  }

  int32s(count: number): Int32Array {
    return Int32Array.from({ length: count }, () => this.#view.getInt32(this.#next(4), true));
  }

  /** @throws ModelFileError when something is left over */
  end(): void {
    if (this.#at !== this.#view.byteLength) throw new ModelFileError(`the model file has ${this.#view.byteLength - this.#at} bytes more than its model`);
  }
}

/** Collects a payload in the order in which `PayloadReader` reads it. */
export class PayloadWriter {
  readonly #parts: Buffer[] = [];

  integer(value: number): this {
    const part = Buffer.alloc(4);
    part.writeUInt32LE(value);
    return this.#add(part);
  }

  number(value: number): this {
    return this.numbers([value]);
  }

  text(value: string): this {
    const bytes = Buffer.from(value, 'utf8');
    return this.integer(bytes.length).#add(bytes);
  }

  numbers(values: ArrayLike<number>): this {
    const part = Buffer.alloc(values.length * 4);
    for (let index = 0; index < values.length; index++) part.writeFloatLE(values[index] ?? 0, index * 4);
    return this.#add(part);
  }

  int8s(values: Int8Array): this {
    return this.#add(Buffer.from(values.buffer, values.byteOffset, values.byteLength));
  }

  int32s(values: Int32Array): this {
    const part = Buffer.alloc(values.length * 4);
    for (const [index, value] of values.entries()) part.writeInt32LE(value, index * 4);
    return this.#add(part);
  }

  #add(part: Buffer): this {
    this.#parts.push(part);
    return this;
  }

  /** The whole file. */
  file(kind: ModelKind): Buffer {
    const payload = Buffer.concat(this.#parts);
    const header = Buffer.alloc(headerBytes);
    magic.copy(header);
    header.writeUInt8(formatVersion, 4);
    header.writeUInt8(kinds[kind], 5);
    header.writeUInt32LE(payload.length, 8);
    const body = Buffer.concat([header, payload]);
    return Buffer.concat([body, digestOf(body)]);
  }
}
