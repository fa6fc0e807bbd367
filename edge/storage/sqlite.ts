/** The memory of a real vehicle: two SQLite files, one that waits for the disk and one for telemetry that does not. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { TelemetryRecord } from '../protocol/telemetry.ts';
import type { AgentMemory, AgentStorage, DocumentName, MessageKind } from './port.ts';

/** Pages of the write-ahead log before it goes into the file: 4 MB. */
const checkpointPages = 1000;

function openFile(path: string, synchronous: 'FULL' | 'NORMAL', schema: string): DatabaseSync {
  const database = new DatabaseSync(path);
  database.exec(`pragma journal_mode = wal; pragma synchronous = ${synchronous}; pragma wal_autocheckpoint = ${checkpointPages}; pragma busy_timeout = 5000; ${schema}`);
  return database;
}

/** Telemetry waits for the disk so often: without it, a power cut takes whatever the system has not written yet, half a minute or more. */
const syncPauseMs = 5_000;

class SqliteStorage implements AgentStorage {
  readonly #sure: DatabaseSync;
  readonly #records: DatabaseSync;
  /** Counted once, so that a day of records is not counted every second. */
  #recordCount: number;
  #syncedAtMs = Number.NEGATIVE_INFINITY;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#sure = openFile(join(folder, 'agent.db'), 'FULL', `
      create table if not exists documents (name text primary key, text text not null) strict;
      create table if not exists messages (kind text not null, sequence integer not null, json text not null, primary key (kind, sequence)) strict, without rowid;`);
    this.#records = openFile(join(folder, 'telemetry.db'), 'NORMAL', `
      create table if not exists records (sequence integer primary key, json text not null) strict;
      create table if not exists acknowledged (id integer primary key check (id = 1), sequence integer not null) strict;`);
    this.#recordCount = Number(this.#records.prepare('select count(*) as count from records').get()?.['count']);
  }

  #transaction(database: DatabaseSync, work: () => void): void {
    database.exec('begin immediate');
    try {
      work();
      database.exec('commit');
    } catch (error) {
      // A full disk has rolled it back already; what went wrong must not be hidden by saying so.
      if (database.isTransaction) database.exec('rollback');
      throw error;
    }
  }

  #text(name: DocumentName | 'memory'): string | undefined {
    return this.#sure.prepare('select text from documents where name = ?').get(name)?.['text'] as string | undefined;
  }

  #saveText(name: DocumentName | 'memory', text: string): void {
    this.#sure.prepare('insert into documents (name, text) values (?, ?) on conflict (name) do update set text = excluded.text').run(name, text);
  }

  memory(): AgentMemory | undefined {
    const text = this.#text('memory');
    return text === undefined ? undefined : (JSON.parse(text) as AgentMemory);
  }

  write: AgentStorage['write'] = (memory, message) => {
    this.#transaction(this.#sure, () => {
      this.#saveText('memory', JSON.stringify(memory));
      if (message) this.#sure.prepare('insert or replace into messages (kind, sequence, json) values (?, ?, ?)').run(message.kind, message.sequence, message.json);
    });
  };

  unsent(kind: MessageKind): number[] {
    return this.#sure.prepare('select sequence from messages where kind = ? order by sequence').all(kind).map((row) => Number(row['sequence']));
  }

  message(kind: MessageKind, sequence: number): string | undefined {
    return this.#sure.prepare('select json from messages where kind = ? and sequence = ?').get(kind, sequence)?.['json'] as string | undefined;
  }

  forget(kind: MessageKind, sequence: number): void {
    this.#sure.prepare('delete from messages where kind = ? and sequence = ?').run(kind, sequence);
  }

  document(name: DocumentName): string | undefined {
    return this.#text(name);
  }

  saveDocument(name: DocumentName, text: string | undefined): void {
    if (text === undefined) this.#sure.prepare('delete from documents where name = ?').run(name);
    else this.#saveText(name, text);
  }

  addRecords(records: readonly TelemetryRecord[], keepAtMost: number): number {
    const nowMs = performance.now();
    const waits = nowMs - this.#syncedAtMs >= syncPauseMs;
    let [count, dropped] = [this.#recordCount, 0];
    if (waits) this.#records.exec('pragma synchronous = full');
    try {
      this.#transaction(this.#records, () => {
        const insert = this.#records.prepare('insert or ignore into records (sequence, json) values (?, ?)');
        for (const record of records) count += Number(insert.run(record.sequence, JSON.stringify(record)).changes);
        dropped = this.#dropOldest(count - keepAtMost);
      });
    } finally {
      if (waits) this.#records.exec('pragma synchronous = normal');
    }
    if (waits) this.#syncedAtMs = nowMs;
    this.#recordCount = Math.min(keepAtMost, count);
    return dropped;
  }

  /** @returns how many of them were never acknowledged */
  #dropOldest(count: number): number {
    if (count <= 0) return 0;
    const newest = Number(this.#records.prepare('select sequence from records order by sequence limit 1 offset ?').get(count - 1)?.['sequence']);
    const unsent = Number(this.#records.prepare('select count(*) as count from records where sequence <= ? and sequence > ?').get(newest, this.acknowledgedRecord())?.['count']);
    this.#records.prepare('delete from records where sequence <= ?').run(newest);
    return unsent;
  }

  recordsAfter(sequence: number, limit: number): TelemetryRecord[] {
    return this.#records.prepare('select json from records where sequence > ? order by sequence limit ?').all(sequence, limit).map((row) => JSON.parse(String(row['json'])) as TelemetryRecord);
  }

  acknowledgedRecord(): number {
    return Number(this.#records.prepare('select sequence from acknowledged').get()?.['sequence'] ?? 0);
  }

  acknowledgeRecords(upTo: number, keep: number): void {
    let gone = 0;
    this.#transaction(this.#records, () => {
      this.#records.prepare('insert into acknowledged (id, sequence) values (1, ?) on conflict (id) do update set sequence = excluded.sequence').run(upTo);
      const newestKept = this.#records.prepare('select sequence from records where sequence <= ? order by sequence desc limit 1 offset ?').get(upTo, keep)?.['sequence'];
      if (newestKept !== undefined) gone = Number(this.#records.prepare('delete from records where sequence <= ?').run(Number(newestKept)).changes);
    });
    this.#recordCount -= gone;
  }

  close(): void {
    this.#records.close();
    this.#sure.close();
  }
}

/** @throws Error when the folder cannot be written */
export const openSqliteStorage = (folder: string): AgentStorage => new SqliteStorage(folder);
