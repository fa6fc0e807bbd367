/** Kinds of columns, and how rows of several subjects lie in bytes as they come. */

export type ColumnKind = 'real' | 'double' | 'integer' | 'smallint';
export type ColumnArray = Float32Array | Float64Array | Int32Array | Int16Array;

/** Names and kinds, in the order of the names: the order of the bytes. */
export type Layout = readonly (readonly [name: string, kind: ColumnKind])[];

export const layoutOf = (columns: Readonly<Record<string, ColumnKind>>): Layout => Object.entries(columns).sort(([one], [other]) => (one < other ? -1 : 1));

const makers = {
  real: (length: number) => new Float32Array(length),
  double: (length: number) => new Float64Array(length),
  integer: (length: number) => new Int32Array(length),
  smallint: (length: number) => new Int16Array(length),
} as const;

/** The lowest integer stands for no value. */
const noInteger = -(2 ** 31);
const noSmallint = -(2 ** 15);
const largestReal = 3.402_823_466_385_288_6e38;

const fits: Record<ColumnKind, (value: number) => boolean> = {
  real: (value) => Math.abs(value) <= largestReal,
  double: (value) => Math.abs(value) <= Number.MAX_VALUE,
  integer: (value) => (value | 0) === value && value !== noInteger,
  smallint: (value) => (value << 16) >> 16 === value && value !== noSmallint,
};

/** @returns the index of the first value that a column cannot hold, or -1; NaN is no value and fits everywhere */
export function firstMisfit(kind: ColumnKind, values: Float64Array): number {
  const isFit = fits[kind];
  for (let row = 0; row < values.length; row++) {
    const value = values[row] as number;
    if (!isFit(value) && !Number.isNaN(value)) return row;
  }
  return -1;
}

/** Picks rows of a column as the kind in which it is stored. */
export function gather(kind: ColumnKind, values: Float64Array, order: Int32Array): ColumnArray {
  const target = makers[kind](order.length);
  const none = kind === 'integer' ? noInteger : kind === 'smallint' ? noSmallint : undefined;
  if (none === undefined) for (let index = 0; index < order.length; index++) target[index] = values[order[index] as number] as number;
  else {
    for (let index = 0; index < order.length; index++) {
      const value = values[order[index] as number] as number;
      target[index] = Number.isNaN(value) ? none : value;
    }
  }
  return target;
}

/** A real with as many digits as tell it from its neighbours: 19.9, not 19.899999618530273. */
export function shortestReal(value: number): number {
  for (const digits of [7, 8]) {
    const short = Number(value.toPrecision(digits));
    if (Object.is(Math.fround(short), value)) return short;
  }
  return value;
}

/** A stored value as it is read; null is no value. */
export function valueAt(kind: ColumnKind, values: ColumnArray, row: number): number | null {
  const value = values[row] as number;
  if (kind === 'integer') return value === noInteger ? null : value;
  if (kind === 'smallint') return value === noSmallint ? null : value;
  return Number.isNaN(value) ? null : value;
}

export const emptyColumn = (kind: ColumnKind, length: number): ColumnArray => makers[kind](length);

export const bytesOf = (array: ArrayBufferView): Uint8Array => new Uint8Array(array.buffer, array.byteOffset, array.byteLength);

/** Rows of several subjects in decoded form. `subject` counts within the bucket. */
export interface Block {
  rows: number;
  subject: Uint8Array;
  /** From the beginning of the partition. */
  timeMs: Uint32Array;
  sequence: Float64Array;
  columns: ColumnArray[];
}

export const keyBytes = 1 + 4 + 8;
export const rowBytes = (layout: Layout): number => layout.reduce((sum, [, kind]) => sum + makers[kind](0).BYTES_PER_ELEMENT, keyBytes);

const partsOf = ({ subject, timeMs, sequence, columns }: Block): ArrayBufferView[] => [subject, timeMs, sequence, ...columns];

/** Writes rows `begin` to `end` of a block, one column after the other, and returns where they end. */
export function writeLoose(block: Block, begin: number, end: number, target: Uint8Array, at: number): number {
  let position = at;
  for (const part of partsOf(block)) {
    const width = part.byteLength / block.rows;
    const bytes = bytesOf(part).subarray(begin * width, end * width);
    target.set(bytes, position);
    position += bytes.length;
  }
  return position;
}

export const emptyBlock = (rows: number, layout: Layout): Block => ({
  rows, subject: new Uint8Array(rows), timeMs: new Uint32Array(rows), sequence: new Float64Array(rows), columns: layout.map(([, kind]) => emptyColumn(kind, rows)),
});

/** Reads a loose segment into a block from the row `first`. */
export function readLooseInto(block: Block, first: number, bytes: Uint8Array, rows: number): void {
  let position = 0;
  for (const part of partsOf(block)) {
    const width = part.byteLength / block.rows;
    const target = bytesOf(part).subarray(first * width, (first + rows) * width);
    target.set(bytes.subarray(position, position + target.length));
    position += target.length;
  }
}

/** @param layout empty when only the keys were read */
export function readLoose(bytes: Uint8Array, rows: number, layout: Layout): Block {
  const block = emptyBlock(rows, layout);
  readLooseInto(block, 0, bytes, rows);
  return block;
}
