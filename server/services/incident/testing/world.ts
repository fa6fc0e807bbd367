/** Incident Management on a real database, with vehicles, rides and telemetry that a test plays. */
import { v7 } from 'uuid';
import type { AlertMessage } from '../../../../edge/protocol/messages.ts';
import { manualClock } from '../../../infra/clock/system.ts';
import { iotContract } from '../../../iot/contract.ts';
import { moduleOf, startModules, type TestProcess } from '../../../program/testing.ts';
import type { Caller, EventDefinition } from '../../../wire/contract.ts';
import { Problem } from '../../../wire/problem.ts';
import { bookingContract } from '../../booking/contract.ts';
import { telemetryContract } from '../../telemetry/contract.ts';
import { userContract } from '../../user/contract.ts';
import { type Command, vehicleContract } from '../../vehicle/contract.ts';
import { incidentContract } from '../contract.ts';
import { incidentModule } from '../module.ts';

export const startMs = Date.parse('2026-11-22T10:00:00Z');
const here = { lat: 50.11, lon: 8.68 };

export const staffCaller: Caller = { subject: 'ada@example.com', roles: ['staff'], scopes: ['incidents:manage'], clientId: 'console' };
export const riderCaller = (subject: string): Caller => ({ subject, roles: ['rider'], scopes: ['incidents:answer'], clientId: 'rider-app' });

/** What the played modules know and answer; a test changes it as it goes. */
interface Stage {
  rides: Map<string, { riderId: string; vehicleId: string; startedAt: string | null; endedAt: string | null }>;
  bookingsAway: boolean;
  commandState: Pick<Command, 'state' | 'reason'>;
  /** In order: `disable <vehicle> <command id>`. */
  commands: string[];
  /** When there is telemetry of a vehicle. */
  recordedAtMs: number[];
}

function playedModules(stage: Stage) {
  return [
    moduleOf(bookingContract, {
      getRide: async ({ params }) => {
        if (stage.bookingsAway) throw new Problem('unavailable');
        const ride = stage.rides.get(params.bookingId);
        if (!ride) throw new Problem('not-found');
        return ride;
      },
    }),
    moduleOf(telemetryContract, {
      getWindow: async ({ query }) => ({
        items: stage.recordedAtMs.filter((atMs) => atMs >= Date.parse(query.from) && atMs <= Date.parse(query.to)).map((atMs, sequence) => ({
          at: new Date(atMs).toISOString(), sequence, position: here, speedMetresPerSecond: 5, headingDegrees: 0, batteryPercent: 80, odometerMetres: 100, peakAccelerationG: 1, locked: false,
        })),
      }),
    }),
    moduleOf(vehicleContract, {
      sendCommand: async ({ body }) => {
        if (body.vehicleId.startsWith('unknown')) throw new Problem('not-found');
        const line = `${body.kind} ${body.vehicleId} ${body.id}`;
        if (!stage.commands.includes(line)) stage.commands.push(line);
        return { id: body.id, vehicleId: body.vehicleId, kind: body.kind, createdAt: new Date(startMs).toISOString(), ...stage.commandState };
      },
      judgeParking: async ({ params }) => {
        if (params.vehicleId.startsWith('unknown')) throw new Problem('not-found');
        return { position: here, bayId: null, inOperatingArea: true, parkingForbidden: false, parking: 'free-floating' };
      },
    }),
  ];
}

export interface World {
  process: TestProcess;
  clock: ReturnType<typeof manualClock>;
  stage: Stage;
  incidents: ReturnType<typeof clientOf>;
  sql: NonNullable<ReturnType<TestProcess['database']>>['sql'];
  /** A vehicle raises an alert: by default a severe crash of a vehicle that nobody rides. @returns what it said */
  alert(change?: Partial<AlertMessage>): Promise<AlertMessage>;
  /** Appends events as they are. */
  append(definition: EventDefinition, subject: string, data: readonly unknown[]): Promise<void>;
  /** Somebody rides a vehicle. */
  ride(vehicleId: string, change?: { startedAt?: string | null; endedAt?: string | null }): { bookingId: string; rider: Caller };
  erase(riderId: string): Promise<void>;
  /** What was published about a vehicle, in order, without the topic. */
  published(vehicleId: string): Promise<string[]>;
}

const clientOf = (process: TestProcess) => process.client(incidentContract);

export const collision = (change: Partial<AlertMessage> = {}): AlertMessage => ({
  alertId: v7(), vehicleId: `v-${v7()}`, kind: 'collision', raisedAt: new Date(startMs).toISOString(), position: here, speedMetresPerSecond: 7, bookingId: null, confidence: 0.95, decidedBy: 'model', peakG: 11,
  motion: [{ offsetMs: 0, accelerationG: [11, 0, 1], rotationDegreesPerSecond: [0, 0, 0] }], ...change,
});

/** @param before a world whose process was stopped: this one goes on from its rows */
export async function openWorld(before?: World): Promise<World> {
  const clock = before?.clock ?? manualClock(startMs);
  const stage: Stage = before?.stage ?? { rides: new Map(), bookingsAway: false, commandState: { state: 'verified' }, commands: [], recordedAtMs: [] };
  const process = await startModules([...playedModules(stage), incidentModule], { clock, environment: { MOBILITY_LOG_LEVEL: 'silent', ...(before && { MOBILITY_HOME: before.process.home, MOBILITY_DATABASE_URL: before.process.ports.database.url }) } });
  const database = process.database('incident');
  if (!database) throw new Error('incident has no database');
  const { events } = process.ports;
  const append: World['append'] = (definition, subject, data) =>
    events.append(definition.topic, data.map((each) => ({ specversion: '1.0', id: v7(), source: '/test', type: definition.type, subject, time: clock.now().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data: each })));
  return {
    process, clock, stage, append, incidents: clientOf(process), sql: database.sql,
    async alert(change = {}) {
      const said = collision({ raisedAt: clock.now().toISOString(), ...change });
      await append(iotContract.events.alertRaised, said.vehicleId, [said]);
      return said;
    },
    ride(vehicleId, change = {}) {
      const bookingId = v7();
      const riderId = v7();
      stage.rides.set(bookingId, { riderId, vehicleId, startedAt: new Date(clock.nowMs() - 300_000).toISOString(), endedAt: null, ...change });
      return { bookingId, rider: riderCaller(riderId) };
    },
    erase: (riderId) => append(userContract.events.erased, riderId, [{ riderId }]),
    async published(vehicleId) {
      const all = await Promise.all(Array.from({ length: events.partitions('incidents') }, (_, partition) => events.read('incidents', partition, 0, 10_000)));
      return all.flat().flatMap(({ event }) => (event.subject === vehicleId ? [event.type.replace('incidents.', '')] : []));
    },
  };
}
