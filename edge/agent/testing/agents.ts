/** Agents for tests: on a real broker, with a memory of their own and a body that does as it is told. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import type { CloudEvent } from '../../../server/infra/events/port.ts';
import { iotContract } from '../../../server/iot/contract.ts';
import { iotModule } from '../../../server/iot/module.ts';
import { startModules, type TestProcess } from '../../../server/program/testing.ts';
import { decodeTelemetry, type TelemetryRecord } from '../../protocol/telemetry.ts';
import type { Actuators, BodyState, MotionSample, PositionFix, Sensors } from '../../sensors/port.ts';
import type { AgentStorage, Identity } from '../../storage/port.ts';
import { openSqliteStorage } from '../../storage/sqlite.ts';
import { Agent, type AgentOptions } from '../agent.ts';
import { certificateRequest } from '../provisioning.ts';

/** Moves on with the machine's time, and in leaps when a test says so. */
export function leapingClock(aheadMs = 0) {
  let offsetMs = aheadMs;
  const nowMs = () => Date.now() + offsetMs;
  return { nowMs, now: () => new Date(nowMs()), leap: (byMs: number) => void (offsetMs += byMs) };
}

export class Puppet implements Sensors, Actuators {
  fix: (fix: PositionFix) => void = () => undefined;
  motion: (sample: MotionSample) => void = () => undefined;
  state: BodyState = { batteryPercent: 80, batteryPresent: true, enclosureClosed: true, pluggedIn: false, odometerMetres: 0, wheelSpeedMetresPerSecond: 0 };
  done: string[] = [];

  onFix(listener: (fix: PositionFix) => void): () => void {
    this.fix = listener;
    return () => undefined;
  }

  onMotion(listener: (sample: MotionSample) => void): () => void {
    this.motion = listener;
    return () => undefined;
  }

  body = (): BodyState => this.state;
  setLocked = (locked: boolean): void => void this.done.push(locked ? 'locked' : 'unlocked');
  setDisabled = (disabled: boolean): void => void this.done.push(disabled ? 'disabled' : 'enabled');
  signal = (): void => void this.done.push('signal');
  askToStop = (): void => void this.done.push('ask-to-stop');

  /** At this speed from now on. */
  ride(speedMetresPerSecond: number, timeMs: number): void {
    this.state = { ...this.state, wheelSpeedMetresPerSecond: speedMetresPerSecond };
    this.fix({ timeMs, lat: 50.1, lon: 8.6, accuracyMetres: 3, speedMetresPerSecond, headingDegrees: 90 });
  }
}

export interface Garage {
  running: TestProcess;
  folder: string;
  storage(name: string): AgentStorage;
  identity(vehicleId: string): Promise<Identity>;
  agent(change: Partial<AgentOptions> & Pick<AgentOptions, 'identity' | 'storage'>): { agent: Agent; body: Puppet };
  /** Every record of a vehicle that has come into the log, in the order of coming. */
  records(vehicleId: string): Promise<TelemetryRecord[]>;
  eventsOf(topic: string, type: string, vehicleId: string): Promise<CloudEvent[]>;
  dispose(): Promise<void>;
}

function framesOf({ data }: CloudEvent): { vehicleId: string; payload: Uint8Array }[] {
  const bytes = Buffer.from((data as { frames: string }).frames, 'base64');
  const frames = [];
  for (let at = 0; at < bytes.length; ) {
    const idBytes = bytes.readUInt8(at);
    const vehicleId = bytes.toString('utf8', at + 1, at + 1 + idBytes);
    const payloadBytes = bytes.readUInt32BE(at + 1 + idBytes);
    const start = at + 5 + idBytes;
    frames.push({ vehicleId, payload: bytes.subarray(start, start + payloadBytes) });
    at = start + payloadBytes;
  }
  return frames;
}

export async function openGarage(): Promise<Garage> {
  const running = await startModules([iotModule]);
  const folder = await mkdtemp(join(tmpdir(), 'mobility-agents-'));
  const iot = running.client(iotContract);
  const agents: Agent[] = [];
  async function all(topic: string): Promise<CloudEvent[]> {
    const { events } = running.ports;
    const read = await Promise.all(Array.from({ length: events.partitions(topic) }, (_, partition) => events.read(topic, partition, 0, 10_000)));
    return read.flat().map(({ event }) => event);
  }
  return {
    running, folder,
    storage: (name) => openSqliteStorage(join(folder, name)),
    async identity(vehicleId) {
      const { csrPem, privateKeyPem } = await certificateRequest(vehicleId);
      const { certificatePem, authorityPem, brokerUrl } = await iot.issueCertificate({ params: { vehicleId }, body: { csrPem } });
      return { vehicleId, certificatePem, authorityPem, brokerUrl, privateKeyPem };
    },
    agent(change) {
      const body = new Puppet();
      const agent = new Agent({ sensors: body, actuators: body, clock: leapingClock(), random: () => 0.5, newId: v7, startPosition: { lat: 50.1, lon: 8.6 }, ...change });
      agents.push(agent);
      return { agent, body };
    },
    async records(vehicleId) {
      const frames = (await all('telemetry')).flatMap(framesOf).filter((frame) => frame.vehicleId === vehicleId);
      return frames.flatMap(({ payload }) => [...decodeTelemetry(payload).records]);
    },
    eventsOf: async (topic, type, vehicleId) => (await all(topic)).filter((event) => event.type === type && event.subject === vehicleId),
    async dispose() {
      for (const agent of agents) agent.close();
      await running.dispose();
      await rm(folder, { recursive: true, force: true });
    },
  };
}
