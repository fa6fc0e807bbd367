/** Protocol buffers by hand: varints, tags, lengths. Nothing is read beyond `end`, and no number is taken that a double cannot hold. */

/**
 * Why bytes are no telemetry, in a word that can be counted:
 * `too-large` more bytes or records than are allowed, `truncated` ended too early, `malformed` no protobuf of this kind,
 * `columns-differ` columns of different lengths, `out-of-range` a number beyond what the format holds, `not-deflated` the
 * compressed part cannot be opened within the limit, `empty` no records.
 */
type TelemetryErrorReason = 'too-large' | 'truncated' | 'malformed' | 'columns-differ' | 'out-of-range' | 'not-deflated' | 'empty';

export class TelemetryError extends Error {
  override readonly name = 'TelemetryError';
  readonly reason: TelemetryErrorReason;

  constructor(reason: TelemetryErrorReason, message: string) {
    super(message);
    this.reason = reason;
  }
}

export const wireVarint = 0;
export const wireFixed64 = 1;
export const wireBytes = 2;
export const wireFixed32 = 5;

const highestFieldNumber = 536_870_911;

/** Reads on from `position`; there is one for a whole message, so that nothing is allocated for a number. */
export class ProtobufReader {
  bytes: Uint8Array;
  position: number;
  end: number;

  constructor(bytes: Uint8Array, position = 0, end = bytes.length) {
    this.bytes = bytes;
    this.position = position;
    this.end = end;
  }

  /** @throws TelemetryError `out-of-range` for 2^53 and above */
  unsigned(): number {
    let value = 0;
    let factor = 1;
    for (let count = 0; count < 10; count++) {
      if (this.position >= this.end) throw new TelemetryError('truncated', 'the bytes end within a number');
      const byte = this.bytes[this.position++] ?? 0;
      value += (byte & 0x7f) * factor;
      if (byte < 0x80) {
        if (value > Number.MAX_SAFE_INTEGER) throw new TelemetryError('out-of-range', 'a number is larger than 2^53');
        return value;
      }
      factor *= 128;
    }
    throw new TelemetryError('malformed', 'a number has more than ten bytes');
  }

  /** 32 bits, zigzag undone. @throws TelemetryError `out-of-range` for more than 32 bits */
  signed32(): number {
    const { bytes, end } = this;
    let position = this.position;
    if (position >= end) throw new TelemetryError('truncated', 'the bytes end within a number');
    let byte = bytes[position++] ?? 0;
    let value = byte & 0x7f;
    for (let shift = 7; byte >= 0x80; shift += 7) {
      if (position >= end) throw new TelemetryError('truncated', 'the bytes end within a number');
      byte = bytes[position++] ?? 0;
      if (shift === 28 && byte > 0x0f) throw new TelemetryError('out-of-range', 'a number has more than 32 bits');
      value |= (byte & 0x7f) << shift;
    }
    this.position = position;
    return (value >>> 1) ^ -(value & 1);
  }

  /** 53 bits, zigzag undone. */
  signed53(): number {
    const value = this.unsigned();
    return value % 2 === 0 ? value / 2 : -(value + 1) / 2;
  }

  /** A field's number times 8 plus its wire type. */
  tag(): number {
    const tag = this.unsigned();
    const field = Math.floor(tag / 8);
    if (field < 1 || field > highestFieldNumber) throw new TelemetryError('malformed', `${field} is no number of a field`);
    return tag;
  }

  /** @returns where the bytes that a length stands before end */
  lengthEnd(): number {
    // The length first: reading it moves the position.
    const length = this.unsigned();
    const end = this.position + length;
    if (end > this.end) throw new TelemetryError('truncated', 'the bytes end before the length that they name');
    return end;
  }

  /** Passes over a field that nobody knows. */
  skip(wireType: number): void {
    if (wireType === wireVarint) this.unsigned();
    else if (wireType === wireFixed64) this.#pass(8);
    else if (wireType === wireBytes) this.position = this.lengthEnd();
    else if (wireType === wireFixed32) this.#pass(4);
    else throw new TelemetryError('malformed', `wire type ${wireType} is not used`);
  }

  #pass(count: number): void {
    if (this.position + count > this.end) throw new TelemetryError('truncated', 'the bytes end within a field');
    this.position += count;
  }
}

/** Grows as it is written to. */
export class ProtobufWriter {
  #bytes: Uint8Array;
  #length = 0;

  constructor(capacity = 1024) {
    this.#bytes = new Uint8Array(capacity);
  }

  get length(): number {
    return this.#length;
  }

  clear(): void {
    this.#length = 0;
  }

  #reserve(count: number): void {
    if (this.#length + count <= this.#bytes.length) return;
    const grown = new Uint8Array(Math.max(this.#bytes.length * 2, this.#length + count));
    grown.set(this.#bytes.subarray(0, this.#length));
    this.#bytes = grown;
  }

  unsigned(value: number): void {
    this.#reserve(10);
    let rest = value;
    while (rest >= 0x80) {
      this.#bytes[this.#length++] = (rest % 128) | 0x80;
      rest = Math.floor(rest / 128);
    }
    this.#bytes[this.#length++] = rest;
  }

  signed32(value: number): void {
    this.unsigned(((value << 1) ^ (value >> 31)) >>> 0);
  }

  signed53(value: number): void {
    this.unsigned(value >= 0 ? value * 2 : -value * 2 - 1);
  }

  tag(field: number, wireType: number): void {
    this.unsigned(field * 8 + wireType);
  }

  /** A field of bytes, with its tag and length. */
  bytesField(field: number, bytes: Uint8Array): void {
    this.tag(field, wireBytes);
    this.unsigned(bytes.length);
    this.#reserve(bytes.length);
    this.#bytes.set(bytes, this.#length);
    this.#length += bytes.length;
  }

  /** What was written: a view, good until the next writing. */
  view(): Uint8Array {
    return this.#bytes.subarray(0, this.#length);
  }
}
