/** Vehicles in memory, with the real updater: they take jobs, restart, and are heard of as their firmware behaves. */
import type { Disk } from '../../../../edge/update/disk.ts';
import type { OpenArchive } from '../../../../edge/update/download.ts';
import { memoryDisk } from '../../../../edge/update/memory-slots.ts';
import { bootSimulated, type FirmwareBehaviour } from '../../../../edge/update/simulated.ts';
import type { TrustedKeys } from '../../../../edge/update/trust.ts';
import { type BundleUpdater, openUpdater } from '../../../../edge/update/updater.ts';
import type { Execution, Jobs } from './jobs.ts';

export const factoryVersion = '1.0.0';

export class SimulatedVehicle {
  readonly id: string;
  online = true;
  behaviour: FirmwareBehaviour = 'healthy';
  version = factoryVersion;
  /** Moments of starts, by the clock of the fleet. */
  readonly boots: number[] = [];
  readonly disk: Disk = memoryDisk();
  updater: BundleUpdater | undefined;

  constructor(id: string) {
    this.id = id;
  }
}

export interface FleetOptions {
  jobs: Jobs;
  trustedKeys: TrustedKeys;
  openArchive: OpenArchive;
  nowMs: () => number;
}

export class Fleet {
  readonly vehicles: SimulatedVehicle[];
  readonly #options: FleetOptions;

  constructor(vehicleIds: readonly string[], options: FleetOptions) {
    this.vehicles = vehicleIds.map((id) => new SimulatedVehicle(id));
    this.#options = options;
  }

  async #boot(vehicle: SimulatedVehicle): Promise<BundleUpdater> {
    const { openArchive, trustedKeys, nowMs } = this.#options;
    const { slot, behaviour, version, starts } = await bootSimulated(vehicle.disk, factoryVersion);
    vehicle.boots.push(...Array.from({ length: starts }, nowMs));
    Object.assign(vehicle, { behaviour, version });
    vehicle.updater = await openUpdater({ disk: vehicle.disk, slot, version, trustedKeys, openArchive, maximumDownloadTries: 2 });
    await vehicle.updater.markHealthy();
    return vehicle.updater;
  }

  async #take(vehicle: SimulatedVehicle, execution: Execution): Promise<void> {
    const { jobs } = this.#options;
    const document = jobs.documents.get(execution.jobId);
    if (!document) throw new Error(`job ${execution.jobId} has no document`);
    if (execution.status === 'QUEUED') jobs.update(execution, 'IN_PROGRESS');
    const outcome = await (vehicle.updater ?? (await this.#boot(vehicle))).run(document, async () => undefined);
    const last = outcome === 'restart-needed' ? (await this.#boot(vehicle)).pendingOutcome() : outcome;
    if (last) jobs.update(execution, last.status, last.details);
  }

  /** Every vehicle that is online does what it is told, one job after the other, and restarts if that is what its firmware does. */
  async live(): Promise<void> {
    for (const vehicle of this.vehicles) {
      if (!vehicle.online) continue;
      const execution = this.#options.jobs.next(vehicle.id);
      if (execution) await this.#take(vehicle, execution);
      if (vehicle.behaviour === 'crashes-later') await this.#boot(vehicle);
    }
    await this.#options.jobs.tell();
  }

  /** What telemetry would know. */
  health(vehicleIds: readonly string[], sinceMs: number) {
    const wanted = new Set(vehicleIds);
    return this.vehicles.filter(({ id }) => wanted.has(id)).map(({ id, online, behaviour, boots }) => ({
      vehicleId: id, records: online && behaviour !== 'goes-silent' ? 10 : 0, lastAt: null, bootsSince: boots.filter((atMs) => atMs >= sinceMs).length, refused: 0,
    }));
  }
}
