import { fileURLToPath } from 'node:url';
import { deflateRawSync } from 'node:zlib';
import fc from 'fast-check';
import protobuf from 'protobufjs';
import { describe, expect, test } from 'vitest';
import { decodeTelemetry, decodeTelemetryColumns, encodeTelemetry, type TelemetryBatch, TelemetryColumns, TelemetryError, telemetryLimits, type TelemetryRecord } from './telemetry.ts';

const e7 = (limit: number) => fc.integer({ min: -limit * 1e7, max: limit * 1e7 }).map((value) => value / 1e7);
const units = (maximum: number, perUnit: number) => fc.integer({ min: 0, max: maximum }).map((value) => value / perUnit);

const arbitraryRecord = fc.record({
  latitudeDegrees: e7(90), longitudeDegrees: e7(180), speedMetresPerSecond: units(10_000, 100), headingDegrees: fc.integer({ min: 0, max: 359 }),
  accuracyMetres: units(100_000, 10), batteryPercent: units(1000, 10), odometerMetres: units(2 ** 45, 10), peakAccelerationG: units(50_000, 1000),
  locked: fc.boolean(), pluggedIn: fc.boolean(), disabled: fc.boolean(), clockUnsure: fc.boolean(), stepMs: fc.integer({ min: -100_000, max: 100_000 }),
});

/** Numbers that the format keeps exactly. */
const arbitraryBatch: fc.Arbitrary<TelemetryBatch> = fc.record({
  bootCount: fc.integer({ min: 0, max: 0xffff_ffff }), firstSequence: fc.integer({ min: 0, max: 2 ** 52 }), firstTimeMs: fc.integer({ min: 1e9, max: 2 ** 48 }), parts: fc.array(arbitraryRecord, { minLength: 1, maxLength: 60 }),
}).map(({ bootCount, firstSequence, firstTimeMs, parts }) => {
  let timeMs = firstTimeMs;
  const records = parts.map(({ stepMs, ...part }, index): TelemetryRecord => ({ sequence: firstSequence + index, timeMs: (timeMs += stepMs), ...part }));
  return { bootCount, records };
});

const record: TelemetryRecord = {
  sequence: 7, timeMs: 1_760_000_000_000, latitudeDegrees: 50.1109221, longitudeDegrees: 8.6821267, speedMetresPerSecond: 5.25, headingDegrees: 90, accuracyMetres: 3.5,
  batteryPercent: 80.5, odometerMetres: 123_456.7, peakAccelerationG: 1.042, locked: false, pluggedIn: false, disabled: false, clockUnsure: false,
};
const batchOf = (count: number): TelemetryBatch => ({ bootCount: 3, records: Array.from({ length: count }, (_, index) => ({ ...record, sequence: 7 + index, timeMs: record.timeMs + 1000 * index, latitudeDegrees: 50.1 + index * 1e-5 })) });

function reasonOf(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof TelemetryError) return error.reason;
    throw error;
  }
  return 'none';
}

const schema = protobuf.loadSync(fileURLToPath(new URL('telemetry.proto', import.meta.url)));
const Envelope = schema.lookupType('mobility.edge.TelemetryEnvelope');
const Batch = schema.lookupType('mobility.edge.TelemetryBatch');
type Plain = Record<string, number[]> & { firstSequence: number; firstTimeMs: number; bootCount: number };

/** The batch in the units of the wire, as an independent implementation has to see it. */
function expectedMessage({ bootCount, records }: TelemetryBatch): Plain {
  const differences = (of: (entry: TelemetryRecord) => number, wrap: boolean) => records.map((entry, index) => {
    const before = records[index - 1];
    const difference = Math.round(of(entry)) - (before ? Math.round(of(before)) : 0);
    return wrap ? difference | 0 : difference;
  });
  const flags = (entry: TelemetryRecord) => Number(entry.locked) + 2 * Number(entry.pluggedIn) + 4 * Number(entry.disabled) + 8 * Number(entry.clockUnsure);
  return {
    firstSequence: records[0]?.sequence ?? 0, firstTimeMs: records[0]?.timeMs ?? 0, bootCount,
    timeDifferenceMs: differences((entry) => entry.timeMs, false).slice(1),
    latitudeE7: differences((entry) => entry.latitudeDegrees * 1e7, true), longitudeE7: differences((entry) => entry.longitudeDegrees * 1e7, true),
    speedCentimetresPerSecond: differences((entry) => entry.speedMetresPerSecond * 100, true), headingDegrees: differences((entry) => entry.headingDegrees, true),
    accuracyDecimetres: differences((entry) => entry.accuracyMetres * 10, true), batteryPerMille: differences((entry) => entry.batteryPercent * 10, true),
    odometerDecimetres: differences((entry) => entry.odometerMetres * 10, false), peakAccelerationMilliG: differences((entry) => entry.peakAccelerationG * 1000, true), flags: differences(flags, true),
  } as unknown as Plain;
}

describe('the bytes of telemetry', () => {
  test('WIRE-01: what is encoded is decoded again, deflated or not', () => {
    fc.assert(fc.property(arbitraryBatch, fc.constantFrom(true, false, 'when-smaller' as const), (batch, deflate) => {
      expect(decodeTelemetry(encodeTelemetry(batch, { deflate }))).toEqual(batch);
    }), { numRuns: 150 });
  });

  test('WIRE-02: another implementation of protobuf reads what is written, and writes what is read', () => {
    fc.assert(fc.property(arbitraryBatch, (batch) => {
      const envelope = Envelope.toObject(Envelope.decode(encodeTelemetry(batch, { deflate: false })), { longs: Number, arrays: true, defaults: true });
      const read: unknown = envelope['plain'];
      expect(read).toEqual(expectedMessage(batch));
      const written = Envelope.encode(Envelope.fromObject({ plain: expectedMessage(batch) })).finish();
      expect(decodeTelemetry(written)).toEqual(batch);
    }), { numRuns: 100 });
  });

  test('WIRE-03: random and mutated bytes give a batch or a TelemetryError, and nothing else', () => {
    const into = new TelemetryColumns();
    const tolerant = (bytes: Uint8Array) => {
      try {
        expect(decodeTelemetryColumns(bytes, into)).toBeGreaterThan(0);
      } catch (error) {
        expect(error).toBeInstanceOf(TelemetryError);
        expect(into.length).toBe(0);
      }
    };
    fc.assert(fc.property(fc.uint8Array({ maxLength: 300 }), tolerant), { numRuns: 500 });
    const good = [encodeTelemetry(batchOf(20), { deflate: false }), encodeTelemetry(batchOf(20), { deflate: true })];
    fc.assert(fc.property(fc.constantFrom(...good), fc.array(fc.tuple(fc.nat(1000), fc.nat(255)), { minLength: 1, maxLength: 6 }), (bytes, changes) => {
      const changed = Uint8Array.from(bytes);
      for (const [at, value] of changes) changed[at % changed.length] = value;
      tolerant(changed);
    }), { numRuns: 1500 });
  });

  test('WIRE-04: a payload that is cut anywhere is refused', () => {
    for (const deflate of [true, false]) {
      const bytes = encodeTelemetry(batchOf(12), { deflate });
      for (let length = 0; length < bytes.length; length++) expect(reasonOf(() => decodeTelemetry(bytes.subarray(0, length)))).toBe(length === 0 ? 'empty' : 'truncated');
    }
  });

  test('WIRE-05: more bytes, records or inflated bytes than the limits are refused in bounded time', () => {
    expect(reasonOf(() => encodeTelemetry(batchOf(telemetryLimits.maximumRecords + 1)))).toBe('too-large');
    expect(reasonOf(() => decodeTelemetry(new Uint8Array(telemetryLimits.maximumBytes + 1)))).toBe('too-large');
    const bomb = deflateRawSync(Buffer.alloc(40 * 1024 * 1024));
    const envelope = Buffer.concat([Buffer.from([0x12, ...lengthOf(bomb.length)]), bomb]);
    expect(envelope.length).toBeLessThan(telemetryLimits.maximumBytes);
    const begunAtMs = performance.now();
    expect(reasonOf(() => decodeTelemetry(envelope))).toBe('not-deflated');
    expect(performance.now() - begunAtMs).toBeLessThan(1000);
    const many = Envelope.encode(Envelope.fromObject({ deflated: deflateRawSync(Batch.encode(Batch.fromObject(manyRecords(telemetryLimits.maximumRecords + 1))).finish()) })).finish();
    expect(reasonOf(() => decodeTelemetry(many))).toBe('too-large');
    const most = Envelope.encode(Envelope.fromObject({ deflated: deflateRawSync(Batch.encode(Batch.fromObject(manyRecords(telemetryLimits.maximumRecords))).finish()) })).finish();
    expect(decodeTelemetry(most).records).toHaveLength(telemetryLimits.maximumRecords);
  });

  test('WIRE-06: columns of different lengths, two batches and rubbish behind the batch are refused; fields that nobody knows are passed over', () => {
    const message = expectedMessage(batchOf(5));
    for (const column of ['timeDifferenceMs', 'latitudeE7', 'odometerDecimetres', 'flags']) {
      for (const changed of [message[column]?.slice(1), [...(message[column] ?? []), 1]]) {
        expect(reasonOf(() => decodeTelemetry(Envelope.encode(Envelope.fromObject({ plain: { ...message, [column]: changed } })).finish()))).toBe('columns-differ');
      }
    }
    const good = encodeTelemetry(batchOf(5), { deflate: false });
    expect(reasonOf(() => decodeTelemetry(Buffer.concat([good, good])))).toBe('malformed');
    expect(reasonOf(() => decodeTelemetry(Buffer.concat([good, Buffer.from([0x07])])))).toBe('malformed');
    expect(reasonOf(() => decodeTelemetry(Buffer.concat([good, Buffer.from([0xff])])))).toBe('truncated');
    const deflated = deflateRawSync(Batch.encode(Batch.fromObject(message)).finish());
    expect(reasonOf(() => decodeTelemetry(Envelope.encode(Envelope.fromObject({ deflated: Buffer.concat([deflated, Buffer.from('more')]) })).finish()))).toBe('not-deflated');
    const unknown = Buffer.from([0xa0, 0x06, 0x05, 0xaa, 0x06, 0x02, 0x61, 0x62, 0xad, 0x06, 1, 2, 3, 4, 0xa9, 0x06, 1, 2, 3, 4, 5, 6, 7, 8]);
    expect(decodeTelemetry(Buffer.concat([unknown, good, unknown])).records).toHaveLength(5);
  });

  test('WIRE-07: numbers that the format does not hold are refused when they are written and when they are read', () => {
    for (const change of [{ latitudeDegrees: Number.NaN }, { speedMetresPerSecond: Number.POSITIVE_INFINITY }, { odometerMetres: -1 }, { timeMs: -5 }, { longitudeDegrees: 300 }, { sequence: 1.5e16 }]) {
      expect(reasonOf(() => encodeTelemetry({ bootCount: 1, records: [{ ...record, ...change }] }))).toBe('out-of-range');
    }
    expect(reasonOf(() => encodeTelemetry({ bootCount: 1, records: [record, { ...record, sequence: 9 }] }))).toBe('out-of-range');
    expect(reasonOf(() => encodeTelemetry({ bootCount: 1, records: [record, { ...record, sequence: 8, timeMs: record.timeMs + 2 ** 31 }] }))).toBe('out-of-range');
    expect(reasonOf(() => encodeTelemetry({ bootCount: 1, records: [] }))).toBe('empty');
    const huge = Envelope.encode(Envelope.fromObject({ plain: { ...expectedMessage(batchOf(1)), firstSequence: '18446744073709551615' } })).finish();
    expect(reasonOf(() => decodeTelemetry(huge))).toBe('out-of-range');
  });

  test('WIRE-08: a record takes less than fourteen bytes while riding, and less than two at rest', () => {
    const riding = batchOf(60);
    expect(encodeTelemetry(riding, { deflate: false }).length / 60).toBeLessThan(14);
    const resting: TelemetryBatch = { bootCount: 1, records: Array.from({ length: 60 }, (_, index) => ({ ...record, sequence: index, timeMs: record.timeMs + index * 60_000 })) };
    expect(encodeTelemetry(resting).length / 60).toBeLessThan(2);
  });
});

function lengthOf(value: number): number[] {
  const bytes: number[] = [];
  for (let rest = value; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

function manyRecords(count: number): Record<string, unknown> {
  const zeros = Array.from({ length: count }, () => 0);
  const columns = ['latitudeE7', 'longitudeE7', 'speedCentimetresPerSecond', 'headingDegrees', 'accuracyDecimetres', 'batteryPerMille', 'odometerDecimetres', 'peakAccelerationMilliG', 'flags'];
  return { firstSequence: 1, firstTimeMs: 1, timeDifferenceMs: zeros.slice(1), ...Object.fromEntries(columns.map((name) => [name, zeros])) };
}
