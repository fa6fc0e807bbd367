/** Telemetry of one vehicle as bytes: protobuf by `telemetry.proto`, in columns, deflated where that pays. */
import { deflateRawSync, inflateRawSync } from 'node:zlib';
import { ProtobufReader, ProtobufWriter, TelemetryError, wireBytes, wireVarint } from './protobuf.ts';

export { TelemetryError } from './protobuf.ts';

/** One moment of a vehicle. */
export interface TelemetryRecord {
  /** Counts up by one for each record of this vehicle, across power cuts. */
  sequence: number;
  /** Vehicle clock, Unix milliseconds. */
  timeMs: number;
  latitudeDegrees: number;
  longitudeDegrees: number;
  speedMetresPerSecond: number;
  headingDegrees: number;
  accuracyMetres: number;
  batteryPercent: number;
  odometerMetres: number;
  /** The strongest acceleration since the record before, gravity included. */
  peakAccelerationG: number;
  locked: boolean;
  pluggedIn: boolean;
  disabled: boolean;
  /** The vehicle does not know the time for sure. */
  clockUnsure: boolean;
}

export interface TelemetryBatch {
  /** Starts of the agent since it was made. */
  bootCount: number;
  /** With consecutive sequence numbers. */
  records: readonly TelemetryRecord[];
}

export interface EncodeOptions {
  /** `when-smaller` (so it is unless given) tries where it may pay, and keeps the shorter. */
  deflate?: boolean | 'when-smaller';
}

export const telemetryLimits = {
  /** Of an envelope on the wire. */
  maximumBytes: 64 * 1024,
  maximumRecords: 10_000,
  /** Of a batch after inflating: more than the most records take. */
  maximumInflatedBytes: 512 * 1024,
};

export const telemetryFlags = { locked: 1, pluggedIn: 2, disabled: 4, clockUnsure: 8 } as const;

/** Below, the tables of deflate cost more than they save. */
const worthDeflatingBytes = 160;

/** The columns of 32 bits, in the order of their field numbers, with how many units of the wire there are to one of the record. */
const columns = [
  { field: 5, name: 'latitudeE7', of: (record: TelemetryRecord) => record.latitudeDegrees * 1e7 },
  { field: 6, name: 'longitudeE7', of: (record: TelemetryRecord) => record.longitudeDegrees * 1e7 },
  { field: 7, name: 'speedCentimetresPerSecond', of: (record: TelemetryRecord) => record.speedMetresPerSecond * 100 },
  { field: 8, name: 'headingDegrees', of: (record: TelemetryRecord) => record.headingDegrees },
  { field: 9, name: 'accuracyDecimetres', of: (record: TelemetryRecord) => record.accuracyMetres * 10 },
  { field: 10, name: 'batteryPerMille', of: (record: TelemetryRecord) => record.batteryPercent * 10 },
  { field: 12, name: 'peakAccelerationMilliG', of: (record: TelemetryRecord) => record.peakAccelerationG * 1000 },
  { field: 13, name: 'flags', of: flagsOf },
] as const;
const odometerField = 11;
const timeField = 4;
/** A byte in each of nine columns. */
const fewestBytesOfRecord = 9;
type ColumnName = (typeof columns)[number]['name'];

/**
 * Records side by side, in the units of the wire: index `i` of every array is one record. Filled by `decodeTelemetryColumns`,
 * one batch at a time; the arrays grow and are then used again.
 */
export class TelemetryColumns {
  /** How many records the arrays hold. */
  length = 0;
  bootCount = 0;
  /** The record at index `i` has the sequence number `firstSequence + i`. */
  firstSequence = 0;
  /** Vehicle clock, Unix milliseconds. */
  timeMs = new Float64Array(64);
  odometerDecimetres = new Float64Array(64);
  latitudeE7 = new Int32Array(64);
  longitudeE7 = new Int32Array(64);
  speedCentimetresPerSecond = new Int32Array(64);
  headingDegrees = new Int32Array(64);
  accuracyDecimetres = new Int32Array(64);
  batteryPerMille = new Int32Array(64);
  peakAccelerationMilliG = new Int32Array(64);
  /** Of `telemetryFlags`. */
  flags = new Int32Array(64);

  /** Makes room for so many records. What was there is lost. */
  reserve(records: number): void {
    if (records <= this.timeMs.length) return;
    const size = Math.min(telemetryLimits.maximumRecords, 2 ** Math.ceil(Math.log2(records)));
    this.timeMs = new Float64Array(size);
    this.odometerDecimetres = new Float64Array(size);
    for (const { name } of columns) this[name] = new Int32Array(size);
  }
}

function flagsOf(record: TelemetryRecord): number {
  return (record.locked ? telemetryFlags.locked : 0) | (record.pluggedIn ? telemetryFlags.pluggedIn : 0) | (record.disabled ? telemetryFlags.disabled : 0) | (record.clockUnsure ? telemetryFlags.clockUnsure : 0);
}

function whole(value: number, minimum: number, maximum: number, name: string): number {
  const rounded = Math.round(value);
  if (!(rounded >= minimum && rounded <= maximum)) throw new TelemetryError('out-of-range', `${name} cannot be ${value}`);
  return rounded;
}

const int32 = (value: number, name: string): number => whole(value, -0x8000_0000, 0x7fff_ffff, name);

function checkBatch({ bootCount, records }: TelemetryBatch): TelemetryRecord {
  const [first] = records;
  if (!first) throw new TelemetryError('empty', 'a batch has at least one record');
  if (records.length > telemetryLimits.maximumRecords) throw new TelemetryError('too-large', `${records.length} records are more than ${telemetryLimits.maximumRecords}`);
  whole(bootCount, 0, 0xffff_ffff, 'bootCount');
  whole(first.sequence, 0, Number.MAX_SAFE_INTEGER - records.length, 'sequence');
  if (!records.every((record, index) => record.sequence === first.sequence + index)) throw new TelemetryError('out-of-range', 'the sequence numbers of a batch are consecutive');
  return first;
}

function writeOdometer(writer: ProtobufWriter, records: readonly TelemetryRecord[]): void {
  let before = 0;
  for (const record of records) {
    const value = whole(record.odometerMetres * 10, 0, 2 ** 50, 'odometerMetres');
    writer.signed53(value - before);
    before = value;
  }
}

function writeTimes(writer: ProtobufWriter, records: readonly TelemetryRecord[]): void {
  let before: number | undefined;
  for (const { timeMs } of records) {
    const value = whole(timeMs, 0, Number.MAX_SAFE_INTEGER, 'timeMs');
    if (before !== undefined) writer.signed32(int32(value - before, 'the time between two records'));
    before = value;
  }
}

/** Differences are taken modulo 2^32: from 180° west to 180° east is more than 32 bits hold. */
function writeColumn(writer: ProtobufWriter, records: readonly TelemetryRecord[], { name, of }: (typeof columns)[number]): void {
  let before = 0;
  for (const record of records) {
    const value = int32(of(record), name);
    writer.signed32((value - before) | 0);
    before = value;
  }
}

function writeBatch(batch: TelemetryBatch): Uint8Array {
  const first = checkBatch(batch);
  const { bootCount, records } = batch;
  const message = new ProtobufWriter(64 + records.length * 24);
  const column = new ProtobufWriter(records.length * 5 + 10);
  const packed = (field: number, write: () => void) => {
    column.clear();
    write();
    if (column.length > 0) message.bytesField(field, column.view());
  };
  const numbers = [[1, first.sequence], [2, whole(first.timeMs, 0, Number.MAX_SAFE_INTEGER, 'timeMs')], [3, bootCount]] as const;
  for (const [field, value] of numbers) {
    if (value === 0) continue;
    message.tag(field, wireVarint);
    message.unsigned(value);
  }
  packed(timeField, () => writeTimes(column, records));
  for (const definition of columns) {
    if (definition.field === odometerField + 1) packed(odometerField, () => writeOdometer(column, records));
    packed(definition.field, () => writeColumn(column, records, definition));
  }
  return message.view();
}

/**
 * The payload of `vehicles/{id}/telemetry`. Positions are kept to 1e-7 degrees, speeds to centimetres per second, distances to
 * decimetres, headings to degrees, the battery to 0.1 percent, accelerations to thousandths of g, times to milliseconds.
 * @throws TelemetryError for numbers that the format does not hold, `too-large` for more than `telemetryLimits`: split the batch
 */
export function encodeTelemetry(batch: TelemetryBatch, options: EncodeOptions = {}): Uint8Array {
  const { deflate = 'when-smaller' } = options;
  const plain = writeBatch(batch);
  const tries = deflate === true || (deflate === 'when-smaller' && plain.length >= worthDeflatingBytes);
  const deflated = tries ? deflateRawSync(plain) : undefined;
  const envelope = new ProtobufWriter(plain.length + 8);
  if (deflated && (deflate === true || deflated.length < plain.length)) envelope.bytesField(2, deflated);
  else envelope.bytesField(1, plain);
  if (envelope.length > telemetryLimits.maximumBytes) throw new TelemetryError('too-large', `${envelope.length} bytes are more than ${telemetryLimits.maximumBytes}`);
  return envelope.view();
}

/** Trailing bytes after the compressed stream are refused, too. */
function inflate(deflated: Uint8Array): Uint8Array {
  try {
    const { buffer, engine } = inflateRawSync(deflated, { maxOutputLength: telemetryLimits.maximumInflatedBytes, info: true }) as unknown as { buffer: Buffer; engine: { bytesWritten: number } };
    if (engine.bytesWritten === deflated.length) return buffer;
  } catch (error) {
    throw new TelemetryError('not-deflated', error instanceof Error ? error.message : 'it cannot be inflated');
  }
  throw new TelemetryError('not-deflated', 'something follows the compressed bytes');
}

/** @returns the bytes of the batch within its envelope */
function openEnvelope(bytes: Uint8Array): Uint8Array {
  if (bytes.length > telemetryLimits.maximumBytes) throw new TelemetryError('too-large', `${bytes.length} bytes are more than ${telemetryLimits.maximumBytes}`);
  const reader = new ProtobufReader(bytes);
  let batch: Uint8Array | undefined;
  let isDeflated = false;
  while (reader.position < reader.end) {
    const tag = reader.tag();
    const field = Math.floor(tag / 8);
    if (field > 2) {
      reader.skip(tag % 8);
      continue;
    }
    if (tag % 8 !== wireBytes || batch) throw new TelemetryError('malformed', 'an envelope holds one batch');
    const end = reader.lengthEnd();
    batch = bytes.subarray(reader.position, end);
    isDeflated = field === 2;
    reader.position = end;
  }
  if (!batch) throw new TelemetryError('empty', 'the envelope holds no batch');
  return isDeflated ? inflate(batch) : batch;
}

/** There is room for as many records as the bytes could hold, so a column that needs more has more numbers than another. */
function tooLong(count: number): TelemetryError {
  if (count >= telemetryLimits.maximumRecords) return new TelemetryError('too-large', `there are more than ${telemetryLimits.maximumRecords} records`);
  return new TelemetryError('columns-differ', 'a column is longer than the others can be');
}

/** Sums up differences. @returns how many numbers the column has now */
function readColumn(reader: ProtobufReader, end: number, column: Int32Array, length: number): number {
  let count = length;
  let value = count > 0 ? (column[count - 1] ?? 0) : 0;
  while (reader.position < end) {
    if (count >= column.length) throw tooLong(count);
    value = (value + reader.signed32()) | 0;
    column[count++] = value;
  }
  return count;
}

function readOdometer(reader: ProtobufReader, end: number, column: Float64Array, length: number): number {
  let count = length;
  let value = count > 0 ? (column[count - 1] ?? 0) : 0;
  while (reader.position < end) {
    if (count >= column.length) throw tooLong(count);
    value += reader.signed53();
    if (!Number.isSafeInteger(value)) throw new TelemetryError('out-of-range', 'the odometer is beyond what can be');
    column[count++] = value;
  }
  return count;
}

/** The differences as they came; they count from the first time, which may follow them. */
function readTimes(reader: ProtobufReader, end: number, column: Float64Array, length: number): number {
  let count = length;
  while (reader.position < end) {
    if (count >= column.length) throw tooLong(count);
    column[count++] = reader.signed32();
  }
  return count;
}

const columnOfField: (ColumnName | undefined)[] = [];
for (const { field, name } of columns) columnOfField[field] = name;
/** Numbers of each column that have been read; index is the field. */
const counts = new Uint32Array(16);

function readPacked(reader: ProtobufReader, field: number, end: number, into: TelemetryColumns): void {
  const outer = reader.end;
  reader.end = end;
  const count = counts[field] ?? 0;
  const name = columnOfField[field];
  if (name) counts[field] = readColumn(reader, end, into[name], count);
  else if (field === odometerField) counts[field] = readOdometer(reader, end, into.odometerDecimetres, count);
  // The first place is left to the first time.
  else counts[field] = readTimes(reader, end, into.timeMs, Math.max(1, count));
  reader.end = outer;
}

function readNumber(reader: ProtobufReader, field: number, into: TelemetryColumns): void {
  const value = reader.unsigned();
  if (field === 1) into.firstSequence = value;
  else if (field === 2) into.timeMs[0] = value;
  else if (value > 0xffff_ffff) throw new TelemetryError('out-of-range', 'the count of boots has more than 32 bits');
  else into.bootCount = value;
}

function finish(into: TelemetryColumns): number {
  const records = counts[5] ?? 0;
  if (records === 0) throw new TelemetryError('empty', 'the batch has no records');
  for (const { field } of columns) if (counts[field] !== records) throw new TelemetryError('columns-differ', `field ${field} has ${counts[field]} numbers, not ${records}`);
  if (counts[odometerField] !== records) throw new TelemetryError('columns-differ', `the odometer has ${counts[odometerField]} numbers, not ${records}`);
  if (Math.max(1, counts[timeField] ?? 0) !== records) throw new TelemetryError('columns-differ', `${counts[timeField]} times do not fit ${records} records`);
  if (into.firstSequence + records > Number.MAX_SAFE_INTEGER) throw new TelemetryError('out-of-range', 'the sequence number is larger than 2^53');
  let timeMs = into.timeMs[0] ?? 0;
  for (let index = 1; index < records; index++) {
    timeMs += into.timeMs[index] ?? 0;
    if (!(timeMs >= 0 && timeMs <= Number.MAX_SAFE_INTEGER)) throw new TelemetryError('out-of-range', 'a time is beyond what can be');
    into.timeMs[index] = timeMs;
  }
  return records;
}

/**
 * Reads a payload into columns, from index 0 on; nothing is allocated for a record. After an error `into` holds no records.
 * @returns how many records there are: `into.length`
 * @throws TelemetryError
 */
export function decodeTelemetryColumns(bytes: Uint8Array, into: TelemetryColumns): number {
  into.length = 0;
  const batch = openEnvelope(bytes);
  into.reserve(Math.min(telemetryLimits.maximumRecords, Math.ceil(batch.length / fewestBytesOfRecord)));
  into.firstSequence = 0;
  into.bootCount = 0;
  into.timeMs[0] = 0;
  counts.fill(0);
  const reader = new ProtobufReader(batch);
  while (reader.position < reader.end) {
    const tag = reader.tag();
    const field = Math.floor(tag / 8);
    const wireType = tag % 8;
    if (field > 13) {
      reader.skip(wireType);
    } else if (field <= 3) {
      if (wireType !== wireVarint) throw new TelemetryError('malformed', `field ${field} is one number`);
      readNumber(reader, field, into);
    } else if (wireType === wireBytes) {
      readPacked(reader, field, reader.lengthEnd(), into);
    } else if (wireType === wireVarint) {
      // Not packed, one by one: readers of protobuf take both.
      const start = reader.position;
      reader.unsigned();
      const end = reader.position;
      reader.position = start;
      readPacked(reader, field, end, into);
    } else {
      throw new TelemetryError('malformed', `field ${field} is a list of numbers`);
    }
  }
  into.length = finish(into);
  return into.length;
}

/**
 * Reads a payload as an object for each record; for tools and tests. The server uses columns.
 * @throws TelemetryError
 */
export function decodeTelemetry(bytes: Uint8Array): TelemetryBatch {
  const into = new TelemetryColumns();
  decodeTelemetryColumns(bytes, into);
  const at = (column: Int32Array | Float64Array, index: number) => column[index] ?? 0;
  const records = Array.from({ length: into.length }, (_, index): TelemetryRecord => {
    const flags = at(into.flags, index);
    return {
      sequence: into.firstSequence + index,
      timeMs: at(into.timeMs, index),
      latitudeDegrees: at(into.latitudeE7, index) / 1e7,
      longitudeDegrees: at(into.longitudeE7, index) / 1e7,
      speedMetresPerSecond: at(into.speedCentimetresPerSecond, index) / 100,
      headingDegrees: at(into.headingDegrees, index),
      accuracyMetres: at(into.accuracyDecimetres, index) / 10,
      batteryPercent: at(into.batteryPerMille, index) / 10,
      odometerMetres: at(into.odometerDecimetres, index) / 10,
      peakAccelerationG: at(into.peakAccelerationMilliG, index) / 1000,
      locked: (flags & telemetryFlags.locked) !== 0,
      pluggedIn: (flags & telemetryFlags.pluggedIn) !== 0,
      disabled: (flags & telemetryFlags.disabled) !== 0,
      clockUnsure: (flags & telemetryFlags.clockUnsure) !== 0,
    };
  });
  return { bootCount: into.bootCount, records };
}
