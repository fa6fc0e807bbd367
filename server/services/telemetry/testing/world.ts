/** Telemetry alone on a real PostgreSQL and a real event log, and vehicles that say what a test wants. */
import { v7 } from 'uuid';
import { encodeTelemetry, type TelemetryRecord } from '../../../../edge/protocol/telemetry.ts';
import type { CloudEvent, EventLog } from '../../../infra/events/port.ts';
import { iotContract } from '../../../iot/contract.ts';
import type { Client, Handlers } from '../../../wire/contract.ts';
import { eventually, moduleOf, startModules, type TestOptions, type TestProcess } from '../../../program/testing.ts';
import { vehicleContract } from '../../vehicle/contract.ts';
import type { Zone } from '../../vehicle/contract.ts';
import { telemetryContract } from '../contract.ts';
import { type FactSettings, factSettings } from '../domain/facts.ts';
import { intakeGroup, telemetryModuleWith } from '../module.ts';

const received = iotContract.events.telemetryReceived;
export const intakeTopic = received.topic;

export const frankfurt = { lat: 50.1109, lon: 8.6821 };
export const wholeWorld = '-180,-90,180,90';

/** A record somewhere in Frankfurt. */
export const recordAt = (sequence: number, timeMs: number, change: Partial<TelemetryRecord> = {}): TelemetryRecord => ({
  sequence, timeMs, latitudeDegrees: frankfurt.lat, longitudeDegrees: frankfurt.lon, speedMetresPerSecond: 0, headingDegrees: 0, accuracyMetres: 3, batteryPercent: 80, odometerMetres: 1000, peakAccelerationG: 1,
  locked: true, pluggedIn: false, disabled: false, clockUnsure: false, ...change,
});

/** Consecutive records, a second apart. */
export const recordsFrom = (sequence: number, timeMs: number, count: number, change: (index: number) => Partial<TelemetryRecord> = () => ({})): TelemetryRecord[] =>
  Array.from({ length: count }, (_, index) => recordAt(sequence + index, timeMs + index * 1000, change(index)));

export const payloadOf = (records: readonly TelemetryRecord[], bootCount = 1): Uint8Array => encodeTelemetry({ bootCount, records });

export function frame(vehicleId: string, payload: Uint8Array): Buffer {
  const id = Buffer.from(vehicleId, 'latin1');
  const length = Buffer.alloc(4);
  length.writeUInt32BE(payload.length);
  return Buffer.concat([Buffer.of(id.length), id, length, payload]);
}

/** As the broker makes it of what came within a moment. */
export function receivedEvent(frames: readonly Buffer[], receivedAtMs: number, share = 'share-0'): CloudEvent {
  return {
    specversion: '1.0', id: v7(), source: '/iot', type: received.type, subject: share, time: new Date(receivedAtMs).toISOString(), datacontenttype: 'application/json', dataschemaversion: 1,
    data: { frames: Buffer.concat(frames).toString('base64'), receivedAtMs },
  };
}

/** A square zone around a position. */
export const zoneAround = (id: string, center: { lat: number; lon: number }, halfDegrees: number): Zone => ({
  id, name: id, kind: 'no-ride', vehicleTypes: ['scooter'],
  polygons: [[[[center.lon - halfDegrees, center.lat - halfDegrees], [center.lon + halfDegrees, center.lat - halfDegrees], [center.lon + halfDegrees, center.lat + halfDegrees], [center.lon - halfDegrees, center.lat + halfDegrees], [center.lon - halfDegrees, center.lat - halfDegrees]]]],
});

export interface World {
  process: TestProcess;
  telemetry: Client<typeof telemetryContract.operations>;
  events: EventLog;
  /** Zones that the vehicle service answers with. */
  zones: Zone[];
  /** Hands bytes over as if they had come now, and waits until they are in history. */
  send(frames: readonly Buffer[], receivedAtMs?: number): Promise<void>;
  /** Everything that telemetry has published, by the name of the event. */
  published(): Promise<{ type: string; subject: string; data: Record<string, unknown> }[]>;
  dispose(): Promise<void>;
}

export async function readAll(events: EventLog, topic: string): Promise<CloudEvent[]> {
  const all: CloudEvent[] = [];
  for (let partition = 0; partition < events.partitions(topic); partition++) all.push(...(await events.read(topic, partition, 0, 100_000)).map(({ event }) => event));
  return all;
}

export async function startWorld(options: TestOptions & { settings?: Partial<FactSettings> } = {}): Promise<World> {
  const zones: Zone[] = [];
  const vehicle = moduleOf(vehicleContract, { listZones: async () => ({ items: zones }) } satisfies Partial<Handlers<typeof vehicleContract.operations>>);
  const running = await startModules([vehicle, telemetryModuleWith({ ...factSettings, ...options.settings })], options);
  const { events, clock } = running.ports;
  const settled = () => eventually(async () => (await events.lag(intakeGroup, intakeTopic)) === 0, 20_000);
  return {
    process: running, telemetry: running.client(telemetryContract), events, zones,
    async send(frames, receivedAtMs = clock.nowMs()) {
      await events.append(intakeTopic, [receivedEvent(frames, receivedAtMs)]);
      await settled();
    },
    async published() {
      const database = running.database('telemetry');
      if (!database) throw new Error('telemetry has a database');
      await eventually(async () => (await database.sql`select 1 from outbox limit 1`).length === 0);
      return (await readAll(events, telemetryContract.events.batteryLow.topic)).filter(({ source }) => source === '/telemetry').map(({ type, subject, data }) => ({ type, subject, data: data as Record<string, unknown> }));
    },
    dispose: () => running.dispose(),
  };
}
