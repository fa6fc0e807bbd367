/** Vehicles without a network of their own: they obey, report and judge tokens by the code of the real agent. */
import type { JSONWebKeySet } from 'jose';
import { obey } from '../../edge/agent/commands.ts';
import { judgeToken } from '../../edge/agent/unlock-tokens.ts';
import type { CommandMessage, ReportedState } from '../../edge/protocol/messages.ts';
import type { AgentMemory } from '../../edge/storage/port.ts';
import { v7 } from 'uuid';
import type { Clock } from '../../server/infra/clock/port.ts';
import { iotContract } from '../../server/iot/contract.ts';
import type { Module } from '../../server/module.ts';
import { moduleOf } from '../../server/program/testing.ts';
import { vehicleContract } from '../../server/services/vehicle/contract.ts';
import type { VehicleFact } from '../invariants/evidence.ts';
import type { SimulatedLog } from './simulated-log.ts';
import type { Trouble } from './trouble.ts';

export class SimulatedVehicle {
  readonly id: string;
  readonly memory: AgentMemory;
  isOnline = true;
  isMoving = false;
  /** Reports that nobody has heard yet. */
  unsent: ReportedState[] = [];

  constructor(id: string, position: { lat: number; lon: number }) {
    this.id = id;
    this.memory = {
      sequence: 0, alertSequence: 0, recordsReservedTo: 0, bootCount: 0, position, odometerMetres: 1000, batteryPercent: 80, locked: true, pluggedIn: false, disabled: false,
      bookingId: null, usedTokens: [], executed: [], timeIsAtLeastMs: 0, insideZones: [],
    };
  }

  report(now: Date, commandResults: ReportedState['commandResults'] = []): void {
    const { memory } = this;
    memory.sequence += 1;
    memory.odometerMetres += this.isMoving ? 100 : 0;
    const { sequence, position, odometerMetres, batteryPercent, locked, pluggedIn, disabled, bookingId } = memory;
    this.unsent.push({ vehicleId: this.id, sequence, reportedAt: now.toISOString(), position: { ...position }, speedMetresPerSecond: this.isMoving ? 4 : 0, odometerMetres, batteryPercent, locked, pluggedIn, disabled, bookingId, commandResults });
  }

  obey(command: CommandMessage, now: Date): void {
    const stop = (): void => {
      this.isMoving = false;
    };
    const { result } = obey(command, this.memory, { isMoving: this.isMoving, askToStop: stop, signal: () => undefined }, now.getTime());
    this.report(now, [result]);
  }

  async presentToken(token: string, keys: JSONWebKeySet, now: Date): Promise<string> {
    const { memory } = this;
    const verdict = await judgeToken(token, { vehicleId: this.id, keys, now, isUsed: (id) => memory.usedTokens.some(([used]) => used === id) });
    if (!verdict.accepted) return verdict.reason;
    const { jti, exp, bookingId } = verdict.claims;
    if (memory.disabled) return 'disabled';
    if (!memory.locked && memory.bookingId !== bookingId) return 'in-use';
    memory.usedTokens.push([jti, exp]);
    memory.locked = false;
    memory.bookingId = bookingId;
    this.report(now);
    return 'opened';
  }
}

export class SimulatedStreet {
  readonly vehicles: readonly SimulatedVehicle[];
  readonly #log: SimulatedLog;
  readonly #clock: Clock;
  readonly #trouble: Trouble;
  #keys: JSONWebKeySet = { keys: [] };

  constructor(vehicles: readonly SimulatedVehicle[], { log, clock, trouble }: { log: SimulatedLog; clock: Clock; trouble: Trouble }) {
    this.vehicles = vehicles;
    this.#log = log;
    this.#clock = clock;
    this.#trouble = trouble;
  }

  vehicle(id: string): SimulatedVehicle {
    const vehicle = this.vehicles.find((candidate) => candidate.id === id);
    if (!vehicle) throw new Error(`there is no vehicle ${id}`);
    return vehicle;
  }

  get bodies(): VehicleFact[] {
    return this.vehicles.map(({ id, memory: { locked, bookingId } }) => ({ id, locked, bookingId }));
  }

  presentToken(vehicleId: string, token: string): Promise<string> {
    return this.vehicle(vehicleId).presentToken(token, this.#keys, this.#clock.now());
  }

  /** What vehicles with a network have to say reaches the log. */
  async send(vehicle: SimulatedVehicle): Promise<number> {
    if (!vehicle.isOnline) return 0;
    const reports = vehicle.unsent.splice(0);
    const { stateReported } = vehicleContract.events;
    await this.#log.append(stateReported.topic, reports.map((report) => ({
      specversion: '1.0', id: v7(), source: '/iot', type: stateReported.type, subject: vehicle.id, time: this.#clock.now().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data: report,
    })));
    return reports.length;
  }

  /** Stands in for the IoT core: commands go down at once or are lost, reports come back at once or later. */
  module(): Module {
    return moduleOf(iotContract, {
      publishUnlockKeys: async ({ body }) => {
        this.#keys = body as unknown as JSONWebKeySet;
        return undefined;
      },
      deliverCommand: async ({ body: { vehicleId, message } }) => {
        const vehicle = this.vehicle(vehicleId);
        if (!vehicle.isOnline) return { connected: false };
        if (this.#trouble.hits('command-lost')) return { connected: true };
        vehicle.obey(message, this.#clock.now());
        if (this.#trouble.hits('report-late')) return { connected: true };
        await this.send(vehicle);
        await this.#log.deliverAllTo('vehicle-reports').catch(() => undefined);
        return { connected: true };
      },
    });
  }
}
