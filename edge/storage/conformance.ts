/** What every memory of an agent promises. */
import { expect, test } from 'vitest';
import type { TelemetryRecord } from '../protocol/telemetry.ts';
import type { AgentMemory, AgentStorage } from './port.ts';

const memory = (sequence: number): AgentMemory => ({
  sequence, alertSequence: 0, recordsReservedTo: 1, bootCount: 1, position: { lat: 50, lon: 8 }, odometerMetres: 1.5, batteryPercent: 80, locked: true, pluggedIn: false, disabled: false, bookingId: null,
  usedTokens: [['token', 12]], executed: [], timeIsAtLeastMs: 0, insideZones: [], body: { wheels: 2 },
});
const record = (sequence: number): TelemetryRecord => ({
  sequence, timeMs: sequence * 1000, latitudeDegrees: 50, longitudeDegrees: 8, speedMetresPerSecond: 5, headingDegrees: 90, accuracyMetres: 3, batteryPercent: 80, odometerMetres: sequence, peakAccelerationG: 1,
  locked: false, pluggedIn: false, disabled: false, clockUnsure: false,
});
const records = (from: number, to: number) => Array.from({ length: to - from + 1 }, (_, index) => record(from + index));
const numbers = (kept: readonly TelemetryRecord[]) => kept.map(({ sequence }) => sequence);

/** @param reopen opens the same memory again, as after a power cut */
export function conformance(open: () => Promise<{ storage: AgentStorage; reopen(): AgentStorage }>): void {
  test('EDGE-20: memory and message are kept together, and given back after a power cut', async () => {
    const { storage, reopen } = await open();
    expect(storage.memory()).toBeUndefined();
    storage.write(memory(0));
    for (let sequence = 1; sequence <= 12; sequence++) storage.write(memory(sequence), { kind: 'state', sequence, json: `{"sequence":${sequence}}` });
    storage.write(memory(12), { kind: 'alert', sequence: 1, json: '{}' });
    storage.forget('state', 3);
    const again = reopen();
    expect(again.memory()).toEqual(memory(12));
    expect(again.unsent('state')).toEqual([1, 2, 4, 5, 6, 7, 8, 9, 10, 11, 12]);
    expect(again.unsent('alert')).toEqual([1]);
    expect(again.message('state', 11)).toBe('{"sequence":11}');
    expect(again.message('state', 3)).toBeUndefined();
  });

  test('EDGE-20: documents are replaced as a whole', async () => {
    const { storage, reopen } = await open();
    storage.saveDocument('configuration', 'one');
    storage.saveDocument('configuration', 'two');
    storage.saveDocument('zones', 'x'.repeat(1024 * 1024));
    storage.saveDocument('identity', 'gone');
    storage.saveDocument('identity', undefined);
    const again = reopen();
    expect([again.document('configuration'), again.document('zones')?.length, again.document('identity')]).toEqual(['two', 1024 * 1024, undefined]);
  });

  test('EDGE-21: acknowledged records go, but for the last hundred; unsent ones stay in order', async () => {
    const { storage, reopen } = await open();
    expect(storage.addRecords(records(1, 300), 1000)).toBe(0);
    expect(numbers(storage.recordsAfter(0, 5))).toEqual([1, 2, 3, 4, 5]);
    storage.acknowledgeRecords(250, 100);
    const again = reopen();
    expect(again.acknowledgedRecord()).toBe(250);
    expect(numbers(again.recordsAfter(0, 1000))).toEqual(numbers(records(151, 300)));
    expect(numbers(again.recordsAfter(250, 1000))).toEqual(numbers(records(251, 300)));
    expect(again.recordsAfter(250, 1)[0]).toEqual(record(251));
  });

  test('EDGE-22: beyond a day the oldest records go, and are counted when nobody has had them', async () => {
    const { storage } = await open();
    storage.addRecords(records(1, 100), 100);
    storage.acknowledgeRecords(30, 100);
    expect(storage.addRecords(records(101, 150), 100)).toBe(20);
    expect(numbers(storage.recordsAfter(0, 1000))).toEqual(numbers(records(51, 150)));
  });

  test('EDGE-20: vehicles of one memory do not meet', async () => {
    const [one, two] = [await open(), await open()];
    one.storage.write(memory(5), { kind: 'state', sequence: 5, json: '{}' });
    one.storage.addRecords(records(1, 3), 10);
    expect([two.storage.memory(), two.storage.unsent('state'), two.storage.recordsAfter(0, 10)]).toEqual([undefined, [], []]);
  });
}
