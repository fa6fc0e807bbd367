/** What simulated vehicles remember across a power cut: one LMDB for all vehicles of a process. */
import { mkdirSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { Position } from '../server/wire/schemas.ts';

export interface DeviceCredentials {
  clientId: string;
  userName: string;
  password: string;
  brokerUrl: string;
  unlockKeys: { keys: Record<string, unknown>[] };
}

export interface ExecutedCommand {
  commandId: string;
  outcome: 'done' | 'refused';
  reason?: string;
}

/** Everything that must not be forgotten; written together with the report that tells of it. */
export interface VehicleMemory {
  /** Of the last report. */
  sequence: number;
  position: Position;
  odometerMetres: number;
  batteryPercent: number;
  locked: boolean;
  pluggedIn: boolean;
  /** The booking it was unlocked for, and the last one after locking. */
  bookingId: string | null;
  destination: Position | null;
  /** Ids of unlock tokens with the second at which they run out. */
  usedTokens: [id: string, expiresAtSeconds: number][];
  executed: ExecutedCommand[];
}

/** The part of the storage that belongs to one vehicle. */
export interface VehicleStorage {
  load(): VehicleMemory | undefined;
  /** Both or none. */
  save(memory: VehicleMemory, report?: { sequence: number; json: string }): void;
  unsent(): number[];
  report(sequence: number): string | undefined;
  forget(sequence: number): void;
  credentials(): DeviceCredentials | undefined;
  saveCredentials(credentials: DeviceCredentials): void;
}

export interface FleetStorage {
  of(vehicleId: string): VehicleStorage;
  close(): Promise<void>;
}

export function openFleetStorage(folder: string): FleetStorage {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  // Without waiting for the disk: what is written survives the end of the process in whatever way, and no more is
  // simulated. With it, every wheel that turns would cost a flush.
  const root: RootDatabase = open({ path: folder, noSync: true, compression: false });
  const memories: Database<VehicleMemory, string> = root.openDB({ name: 'memories' });
  const reports: Database<string, [string, number]> = root.openDB({ name: 'reports' });
  const credentials: Database<DeviceCredentials, string> = root.openDB({ name: 'credentials' });
  return {
    of: (vehicleId) => ({
      load: () => memories.get(vehicleId),
      save: (memory, report) =>
        root.transactionSync(() => {
          memories.putSync(vehicleId, memory);
          if (report) reports.putSync([vehicleId, report.sequence], report.json);
        }),
      unsent: () => [...reports.getKeys({ start: [vehicleId, 0], end: [vehicleId, Number.MAX_SAFE_INTEGER] })].map(([, sequence]) => sequence),
      report: (sequence) => reports.get([vehicleId, sequence]),
      forget: (sequence) => void reports.removeSync([vehicleId, sequence]),
      credentials: () => credentials.get(vehicleId),
      saveCredentials: (given) => credentials.putSync(vehicleId, given),
    }),
    close: () => root.close(),
  };
}
