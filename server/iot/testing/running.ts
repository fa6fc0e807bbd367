/** What the tests of the IoT core share: events that were kept, and sentences of vehicles. */
import { v7 } from 'uuid';
import type { AlertMessage, ReportedState } from '../../../edge/protocol/messages.ts';
import { systemClock } from '../../infra/clock/system.ts';
import type { CloudEvent } from '../../infra/events/port.ts';
import type { TestProcess } from '../../program/testing.ts';

export const report = (vehicleId: string, sequence = 1): ReportedState => ({
  vehicleId, sequence, reportedAt: systemClock().now().toISOString(), position: { lat: 50.1, lon: 8.6 }, speedMetresPerSecond: 0, odometerMetres: 0, batteryPercent: 80,
  locked: true, pluggedIn: false, disabled: false, bookingId: null, commandResults: [],
});

export const alert = (vehicleId: string): AlertMessage => ({
  alertId: v7(), vehicleId, kind: 'collision', raisedAt: systemClock().now().toISOString(), position: { lat: 50.1, lon: 8.6 }, speedMetresPerSecond: 5, bookingId: null, confidence: 0.9, decidedBy: 'model', peakG: 6,
});

const inAMinute = (): string => systemClock(60_000).now().toISOString();
export const command = () => ({ commandId: v7(), kind: 'locate' as const, bookingId: null, riderId: null, issuedAt: systemClock().now().toISOString(), expiresAt: inAMinute() });

/** All events of a topic, those of one partition in their order. */
export async function eventsOf<Data>({ ports: { events } }: TestProcess, topic: string): Promise<CloudEvent<Data>[]> {
  const all = await Promise.all(Array.from({ length: events.partitions(topic) }, (_, partition) => events.read(topic, partition, 0, 10_000)));
  return all.flat().map(({ event }) => event as CloudEvent<Data>);
}

/** The entries of telemetry events, in their order. */
export async function telemetryOf(running: TestProcess): Promise<{ share: string; vehicleId: string; payload: string }[]> {
  const events = await eventsOf<{ frames: string }>(running, 'telemetry');
  return events.flatMap(({ subject, data }) => {
    const frames = Buffer.from(data.frames, 'base64');
    const entries: { share: string; vehicleId: string; payload: string }[] = [];
    for (let offset = 0; offset < frames.length; ) {
      const idEnd = offset + 1 + frames.readUInt8(offset);
      const payloadEnd = idEnd + 4 + frames.readUInt32BE(idEnd);
      entries.push({ share: subject, vehicleId: frames.toString('latin1', offset + 1, idEnd), payload: frames.toString('utf8', idEnd + 4, payloadEnd) });
      offset = payloadEnd;
    }
    return entries;
  });
}
