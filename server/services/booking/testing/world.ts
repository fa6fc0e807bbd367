/** A Booking service on a real database, with vehicles, riders and money that a test plays. */
import { v7 } from 'uuid';
import { iotContract } from '../../../iot/contract.ts';
import { manualClock } from '../../../infra/clock/system.ts';
import type { Database } from '../../../infra/sql/port.ts';
import { startModules, moduleOf, type TestProcess } from '../../../program/testing.ts';
import type { Caller } from '../../../wire/contract.ts';
import { Problem } from '../../../wire/problem.ts';
import { paymentContract, type Payment } from '../../payment/contract.ts';
import { userContract } from '../../user/contract.ts';
import { type RentableVehicle, type Vehicle, vehicleContract } from '../../vehicle/contract.ts';
import { bookingContract } from '../contract.ts';
import { bookingModule } from '../module.ts';
import { rentableVehicle } from './fixtures.ts';

export const riderCaller = (subject = v7()): Caller => ({ subject, roles: ['rider'], scopes: ['bookings'], clientId: 'rider-app' });

/** What the played modules answer; a test changes it as it goes. */
export interface Stage {
  rentable: RentableVehicle;
  vehicle: Partial<Vehicle>;
  payment: Payment['state'] | Problem;
  commandVerdict: { state: 'verified' | 'refused' | 'sent'; reason?: string };
  parkingForbidden: boolean;
  bayId: string | null;
  odometerMetres: number;
  birthDate: string;
  /** Every call to vehicle and payment, in order. */
  calls: string[];
}

const startMs = Date.parse('2026-11-22T10:00:00Z');

function playedModules(stage: Stage) {
  const payments = new Map<string, Payment>();
  const payment = (bookingId: string, state: Payment['state']): Payment => {
    const current: Payment = { bookingId, state, provider: 'stripe', authorisedMinor: 1, capturedMinor: 0, refundedMinor: 0, currency: 'EUR' };
    payments.set(bookingId, current);
    return current;
  };
  const known = (bookingId: string): Payment => {
    const current = payments.get(bookingId);
    if (!current) throw new Problem('not-found');
    return current;
  };
  const now = (bookingId: string): Payment => {
    if (stage.payment instanceof Problem) throw stage.payment;
    return payment(bookingId, stage.payment);
  };
  return [
    moduleOf(userContract, {
      getEligibility: async ({ params }) => ({ riderId: params.riderId, birthDate: stage.birthDate, identityVerified: true, state: 'active', locale: 'en', licence: { classes: ['B'], country: 'DE', expiresOn: '2035-01-01', verified: true } }),
    }),
    moduleOf(iotContract, { publishUnlockKeys: async () => undefined }),
    moduleOf(vehicleContract, {
      getRentableVehicle: async ({ params }) => ({ ...stage.rentable, vehicle: { ...stage.rentable.vehicle, ...stage.vehicle, id: params.vehicleId } }),
      getVehicle: async ({ params }) => ({ ...stage.rentable.vehicle, ...stage.vehicle, id: params.vehicleId, vehicleModel: stage.rentable.model, tariff: stage.rentable.tariff }),
      getOdometer: async () => ({ odometerMetres: stage.odometerMetres }),
      judgeParking: async () => ({ position: stage.rentable.vehicle.position, bayId: stage.bayId, inOperatingArea: true, parkingForbidden: stage.parkingForbidden, parking: 'bays-only' }),
      sendCommand: async ({ body }) => {
        stage.calls.push(`${body.kind} ${body.id}`);
        return { id: body.id, vehicleId: body.vehicleId, kind: body.kind, createdAt: new Date(startMs).toISOString(), ...stage.commandVerdict };
      },
      getCommand: async () => {
        throw new Problem('not-found');
      },
    }),
    moduleOf(paymentContract, {
      authorise: async ({ params }) => {
        stage.calls.push(`authorise ${params.bookingId}`);
        return now(params.bookingId);
      },
      resolve: async ({ params }) => {
        known(params.bookingId);
        return now(params.bookingId);
      },
      capture: async ({ params, body }) => {
        stage.calls.push(`capture ${body.totalMinor}`);
        if (stage.payment instanceof Problem) throw stage.payment;
        return payment(params.bookingId, 'captured');
      },
      void: async ({ params }) => {
        stage.calls.push(`void ${params.bookingId}`);
        known(params.bookingId);
        return payment(params.bookingId, 'voided');
      },
    }),
  ];
}

export interface World {
  process: TestProcess;
  stage: Stage;
  clock: ReturnType<typeof manualClock>;
  booking: ReturnType<typeof clientOf>;
  /** The service's own schema. */
  sql: Database['sql'];
  /** The vehicle reports that it was opened for a booking. */
  reportUnlocked(bookingId: string, vehicleId?: string): Promise<void>;
}

const clientOf = (process: TestProcess) => process.client(bookingContract);

/** Starts the service; a test calls `process.dispose()` at its end. */
export async function openWorld(): Promise<World> {
  const stage: Stage = {
    rentable: rentableVehicle(), vehicle: {}, payment: 'authorised', commandVerdict: { state: 'verified' }, parkingForbidden: false, bayId: 'bay-1', odometerMetres: 1000, birthDate: '1990-01-01', calls: [],
  };
  const clock = manualClock(startMs);
  const process = await startModules([...playedModules(stage), bookingModule], { clock });
  const database = process.database('booking');
  if (!database) throw new Error('booking has no database');
  return {
    process, stage, clock, booking: clientOf(process), sql: database.sql,
    async reportUnlocked(bookingId, vehicleId = 'FRA-1') {
      await process.ports.events.append('vehicles', [
        {
          specversion: '1.0', id: v7(), source: '/vehicle', type: vehicleContract.events.unlocked.type, subject: vehicleId, time: clock.now().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1,
          data: { vehicleId, bookingId, unlockedAt: clock.now().toISOString(), position: stage.rentable.vehicle.position, batteryPercent: 80, odometerMetres: stage.odometerMetres },
        },
      ]);
    },
  };
}
