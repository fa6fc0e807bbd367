/** A Vehicle service on a real database, with a broker and bookings that a test plays. */
import { v7 } from 'uuid';
import { manualClock } from '../../../infra/clock/system.ts';
import type { CommandMessage } from '../../../../edge/protocol/messages.ts';
import { iotContract } from '../../../iot/contract.ts';
import { moduleOf, startModules, type TestProcess } from '../../../program/testing.ts';
import type { EventDefinition } from '../../../wire/contract.ts';
import type { BookingState } from '../../booking/contract.ts';
import { bookingContract } from '../../booking/contract.ts';
import { type ReportedState, vehicleContract } from '../contract.ts';
import { vehicleModule } from '../module.ts';

export const startMs = Date.parse('2026-11-22T10:00:00Z');

export interface World {
  process: TestProcess;
  clock: ReturnType<typeof manualClock>;
  vehicles: ReturnType<typeof clientOf>;
  sql: NonNullable<ReturnType<TestProcess['database']>>['sql'];
  /** What was handed to the broker, in order. */
  delivered: { vehicleId: string; message: CommandMessage }[];
  /** Whether vehicles are connected. */
  broker: { connected: boolean };
  /** A vehicle speaks; sequences count up by themselves. @returns what it said */
  report(vehicleId: string, change?: Partial<ReportedState>): Promise<ReportedState>;
  /** The Booking service speaks. */
  booking(vehicleId: string, bookingId: string, state: BookingState, change?: { startsAtMs?: number; revision?: number }): Promise<void>;
  /** What the service has published about a vehicle, in order: the types without their topic, and the data. */
  published(vehicleId: string): Promise<{ type: string; data: unknown }[]>;
}

const clientOf = (process: TestProcess) => process.client(vehicleContract);

export async function openWorld(): Promise<World> {
  const clock = manualClock(startMs);
  const delivered: World['delivered'] = [];
  const broker = { connected: true };
  const iot = moduleOf(iotContract, {
    deliverCommand: async ({ body }) => {
      delivered.push(body);
      return { connected: broker.connected };
    },
  });
  const process = await startModules([iot, vehicleModule], { clock });
  const database = process.database('vehicle');
  if (!database) throw new Error('vehicle has no database');
  const sequences = new Map<string, number>();
  const { events } = process.ports;

  const append = (definition: EventDefinition, subject: string, data: unknown) =>
    events.append(definition.topic, [
      { specversion: '1.0', id: v7(), source: '/test', type: definition.type, subject, time: clock.now().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data },
    ]);

  return {
    process, clock, delivered, broker, vehicles: clientOf(process), sql: database.sql,
    async report(vehicleId, change = {}) {
      const sequence = change.sequence ?? (sequences.get(vehicleId) ?? 0) + 1;
      sequences.set(vehicleId, Math.max(sequence, sequences.get(vehicleId) ?? 0));
      const said: ReportedState = {
        vehicleId, sequence, reportedAt: clock.now().toISOString(), position: { lat: 50.102, lon: 8.602 }, speedMetresPerSecond: 0, odometerMetres: 1000, batteryPercent: 80,
        locked: true, pluggedIn: false, disabled: false, bookingId: null, commandResults: [], ...change,
      };
      await append(vehicleContract.events.stateReported, vehicleId, said);
      return said;
    },
    async booking(vehicleId, bookingId, state, change = {}) {
      const startsAt = new Date(change.startsAtMs ?? clock.nowMs());
      await append(bookingContract.events[state], bookingId, {
        bookingId, riderId: v7(), vehicleId, vehicleType: 'scooter', from: null, at: clock.now().toISOString(), startsAt: startsAt.toISOString(), endsAt: new Date(startsAt.getTime() + 3600_000).toISOString(),
        fixedTime: false, position: null, totalMinor: null, currency: 'EUR', ...(change.revision !== undefined && { revision: change.revision }),
      });
    },
    async published(vehicleId) {
      const all = await Promise.all(Array.from({ length: events.partitions('vehicles') }, (_, partition) => events.read('vehicles', partition, 0, 10_000)));
      return all.flat().flatMap(({ event }) => (event.subject === vehicleId && event.source === '/vehicle' ? [{ type: event.type.replace('vehicles.', ''), data: event.data }] : []));
    },
  };
}
