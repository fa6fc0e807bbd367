/** What simulated vehicles remember across a power cut: one LMDB for all vehicles of a process. */
import { mkdirSync } from 'node:fs';
import { type Database, open, type RootDatabase } from 'lmdb';
import type { TelemetryRecord } from '../edge/protocol/telemetry.ts';
import type { AgentMemory, AgentStorage } from '../edge/storage/port.ts';

export interface FleetStorage {
  of(vehicleId: string): AgentStorage;
  close(): Promise<void>;
}

const last = Number.MAX_SAFE_INTEGER;

class FleetDatabases {
  readonly root: RootDatabase;
  readonly memories: Database<AgentMemory, string>;
  readonly messages: Database<string, [string, string, number]>;
  readonly documents: Database<string, [string, string]>;
  readonly records: Database<TelemetryRecord, [string, number]>;
  readonly acknowledged: Database<number, string>;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    // Without waiting for the disk: what is written survives the end of the process in whatever way, and no more is
    // simulated. With it, every wheel that turns would cost a flush.
    this.root = open({ path: folder, noSync: true, compression: false });
    this.memories = this.root.openDB({ name: 'memories' });
    this.messages = this.root.openDB({ name: 'messages' });
    this.documents = this.root.openDB({ name: 'documents' });
    this.records = this.root.openDB({ name: 'records' });
    this.acknowledged = this.root.openDB({ name: 'acknowledged' });
  }
}

/** The part of the storage that belongs to one vehicle. */
class VehicleStorage implements AgentStorage {
  readonly #id: string;
  readonly #databases: FleetDatabases;
  /** Counted when it wakes, so that nothing has to be counted when records come. */
  #recordCount: number;
  #acknowledged: number;

  constructor(id: string, databases: FleetDatabases) {
    this.#id = id;
    this.#databases = databases;
    this.#recordCount = databases.records.getKeysCount({ start: [id, 0], end: [id, last] });
    this.#acknowledged = databases.acknowledged.get(id) ?? 0;
  }

  memory = (): AgentMemory | undefined => this.#databases.memories.get(this.#id);

  write: AgentStorage['write'] = (memory, message) => {
    const { root, memories, messages } = this.#databases;
    root.transactionSync(() => {
      memories.putSync(this.#id, memory);
      if (message) messages.putSync([this.#id, message.kind, message.sequence], message.json);
    });
  };

  unsent: AgentStorage['unsent'] = (kind) => Array.from(this.#databases.messages.getKeys({ start: [this.#id, kind, 0], end: [this.#id, kind, last] }), ([, , sequence]) => sequence);
  message: AgentStorage['message'] = (kind, sequence) => this.#databases.messages.get([this.#id, kind, sequence]);
  forget: AgentStorage['forget'] = (kind, sequence) => void this.#databases.messages.removeSync([this.#id, kind, sequence]);
  document: AgentStorage['document'] = (name) => this.#databases.documents.get([this.#id, name]);

  saveDocument: AgentStorage['saveDocument'] = (name, text) => {
    const { documents } = this.#databases;
    if (text === undefined) documents.removeSync([this.#id, name]);
    else documents.putSync([this.#id, name], text);
  };

  addRecords: AgentStorage['addRecords'] = (added, keepAtMost) => {
    const { root, records } = this.#databases;
    return root.transactionSync(() => {
      for (const record of added) records.putSync([this.#id, record.sequence], record);
      this.#recordCount += added.length;
      return this.#drop(this.#recordCount - keepAtMost, last);
    });
  };

  recordsAfter: AgentStorage['recordsAfter'] = (sequence, limit) =>
    Array.from(this.#databases.records.getRange({ start: [this.#id, sequence + 1], end: [this.#id, last], limit }), ({ value }) => value);

  acknowledgedRecord = (): number => this.#acknowledged;

  acknowledgeRecords: AgentStorage['acknowledgeRecords'] = (upTo, keep) => {
    const { root, acknowledged, records } = this.#databases;
    this.#acknowledged = upTo;
    root.transactionSync(() => {
      acknowledged.putSync(this.#id, upTo);
      if (this.#recordCount <= keep) return;
      const unsent = records.getKeysCount({ start: [this.#id, upTo + 1], end: [this.#id, last] });
      this.#drop(this.#recordCount - unsent - keep, upTo);
    });
  };

  /** @returns how many of those dropped were never acknowledged */
  #drop(count: number, upTo: number): number {
    if (count <= 0) return 0;
    const { records } = this.#databases;
    const oldest = Array.from(records.getKeys({ start: [this.#id, 0], end: [this.#id, upTo === last ? last : upTo + 1], limit: count }));
    for (const key of oldest) records.removeSync(key);
    this.#recordCount -= oldest.length;
    return oldest.filter(([, sequence]) => sequence > this.#acknowledged).length;
  }

  close = (): void => undefined;
}

export function openFleetStorage(folder: string): FleetStorage {
  const databases = new FleetDatabases(folder);
  return { of: (vehicleId) => new VehicleStorage(vehicleId, databases), close: () => databases.root.close() };
}
