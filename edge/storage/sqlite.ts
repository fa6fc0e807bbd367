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

class SqliteStorage implements AgentStorage {
  readonly #sure: DatabaseSync;
  readonly #records: DatabaseSync;

  constructor(folder: string) {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
    this.#sure = openFile(join(folder, 'agent.db'), 'FULL', `
      create table if not exists documents (name text primary key, text text not null) strict;
      create table if not exists messages (kind text not null, sequence integer not null, json text not null, primary key (kind, sequence)) strict, without rowid;`);
    this.#records = openFile(join(folder, 'telemetry.db'), 'NORMAL', `
      create table if not exists records (sequence integer primary key, json text not null) strict;
      create table if not exists acknowledged (id integer primary key check (id = 1), sequence integer not null) strict;`);
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
    let dropped = 0;
    this.#transaction(this.#records, () => {
      const insert = this.#records.prepare('insert or replace into records (sequence, json) values (?, ?)');
      for (const record of records) insert.run(record.sequence, JSON.stringify(record));
      const oldest = this.#records.prepare('select sequence from records order by sequence desc limit 1 offset ?').get(keepAtMost)?.['sequence'];
      if (oldest === undefined) return;
      dropped = Number(this.#records.prepare('select count(*) as count from records where sequence <= ? and sequence > ?').get(Number(oldest), this.acknowledgedRecord())?.['count']);
      this.#records.prepare('delete from records where sequence <= ?').run(Number(oldest));
    });
    return dropped;
  }

  recordsAfter(sequence: number, limit: number): TelemetryRecord[] {
    return this.#records.prepare('select json from records where sequence > ? order by sequence limit ?').all(sequence, limit).map((row) => JSON.parse(String(row['json'])) as TelemetryRecord);
  }

  acknowledgedRecord(): number {
    return Number(this.#records.prepare('select sequence from acknowledged').get()?.['sequence'] ?? 0);
  }

  acknowledgeRecords(upTo: number, keep: number): void {
    this.#transaction(this.#records, () => {
      this.#records.prepare('insert into acknowledged (id, sequence) values (1, ?) on conflict (id) do update set sequence = excluded.sequence').run(upTo);
      const newestKept = this.#records.prepare('select sequence from records where sequence <= ? order by sequence desc limit 1 offset ?').get(upTo, keep)?.['sequence'];
      if (newestKept !== undefined) this.#records.prepare('delete from records where sequence <= ?').run(Number(newestKept));
    });
  }

  close(): void {
    this.#records.close();
    this.#sure.close();
  }
}

/** @throws Error when the folder cannot be written */
export const openSqliteStorage = (folder: string): AgentStorage => new SqliteStorage(folder);
