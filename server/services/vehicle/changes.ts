/** All changes of vehicles, one after the other: first in the database with their events, then in memory. */
import type { Clock } from '../../infra/clock/port.ts';
import type { Database, Transaction } from '../../infra/sql/port.ts';
import { vehicleContract, type VehicleStatus } from './contract.ts';
import { type Fleet, type FleetVehicle, type Standing, standingStatus } from './fleet.ts';

/** What a change does to vehicles; nobody sees it before it is committed. */
export class Draft {
  readonly nowMs: number;
  readonly #standings = new Map<FleetVehicle, Standing>();

  constructor(nowMs: number) {
    this.nowMs = nowMs;
  }

  /** How the vehicle stands within this change. */
  of(vehicle: FleetVehicle): Standing {
    return this.#standings.get(vehicle) ?? vehicle;
  }

  set(vehicle: FleetVehicle, change: Partial<Standing>): void {
    const { definition, live, bookings } = this.of(vehicle);
    this.#standings.set(vehicle, { definition, live, bookings, ...change });
  }

  entries = (): Iterable<[FleetVehicle, Standing]> => this.#standings;
}

export class FleetChanges {
  readonly #fleet: Fleet;
  readonly #database: Database;
  readonly #clock: Clock;
  #last: Promise<unknown> = Promise.resolve();

  constructor(fleet: Fleet, { database, clock }: { database: Database; clock: Clock }) {
    this.#fleet = fleet;
    this.#database = database;
    this.#clock = clock;
  }

  /** Runs alone, after the changes before it, whether they worked or not. */
  alone<T>(work: () => Promise<T>): Promise<T> {
    const result = this.#last.then(work, work);
    this.#last = result.catch(() => undefined);
    return result;
  }

  /** @param work may run again when the database asks for it; it changes nothing but the draft and the transaction */
  change<T>(work: (draft: Draft, transaction: Transaction) => Promise<T>): Promise<T> {
    return this.alone(async () => {
      const { draft, value } = await this.#database.transaction(async (transaction) => {
        const attempt = new Draft(this.#clock.nowMs());
        const result = await work(attempt, transaction);
        for (const [vehicle, standing] of attempt.entries()) publishStatus(transaction, vehicle, standingStatus(standing, vehicle.model, attempt.nowMs));
        return { draft: attempt, value: result };
      });
      for (const [vehicle, standing] of draft.entries()) this.#fleet.set(vehicle.id, vehicle.city, standing, draft.nowMs);
      return value;
    });
  }

  /** What time alone has changed: vehicles that went silent, bookings that are near. */
  async review(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    const stale = [...this.#fleet.all()].filter((vehicle) => standingStatus(vehicle, vehicle.model, nowMs) !== vehicle.status);
    if (stale.length === 0) return;
    await this.change(async (draft) => {
      for (const vehicle of stale) draft.set(vehicle, {});
    });
  }

  /** Waits for the changes that were begun. */
  async settled(): Promise<void> {
    await this.#last;
  }
}

function publishStatus(transaction: Transaction, vehicle: FleetVehicle, to: VehicleStatus): void {
  if (to === vehicle.status) return;
  transaction.publish(vehicleContract.events.statusChanged, vehicle.id, { vehicleId: vehicle.id, from: vehicle.status, to });
}
