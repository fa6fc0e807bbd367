import { type Database, open, type RootDatabase } from 'lmdb';
import type { CloudEvent } from './port.ts';

export interface StoredTopic {
  /** Stands for the name in the keys of events, to keep them short. */
  id: number;
  partitions: number;
}

/** One partition's events are those from `first` up to, without, `next`. */
export interface PartitionEnds {
  first: number;
  next: number;
}

/** An event on its way into the log. */
export interface EncodedEvent {
  subject: string;
  json: string;
}

type Counter = 'published' | 'handled' | 'topics';

/** An event says its time before its data, as our own writers do; who does otherwise is read whole. */
const headLength = 600;
const timeMember = /"time":"([^"]+)",(?:"datacontenttype"|"dataschemaversion"|"traceparent"|"data")/;

const nothing: PartitionEnds = { first: 0, next: 0 };
/** FNV-1a, then mixed, so that subjects that differ in little are spread. The same for ever: the order of a key hangs on it. */
function partitionOf(subject: string, partitions: number): number {
  let hash = 0x811c9dc5;
  for (const byte of Buffer.from(subject)) hash = Math.imul(hash ^ byte, 0x01000193);
  hash = Math.imul(hash ^ (hash >>> 16), 0x85ebca6b);
  hash ^= hash >>> 13;
  return (hash >>> 0) % partitions;
}

function eventKey(topicId: number, partition: number, offset: number): Uint8Array {
  const key = Buffer.allocUnsafe(12);
  key.writeUInt32BE(topicId, 0);
  key.writeUInt16BE(partition, 4);
  key.writeUIntBE(offset, 6, 6);
  return key;
}

/**
 * The tables of the log in LMDB. Methods that write must be called inside `write`; the others also
 * read outside, and then see what is committed, by this process or another.
 */
export class LogStorage {
  readonly root: RootDatabase;
  readonly #defaultPartitions: number;
  readonly #topics: Database<StoredTopic, string>;
  readonly #ends: Database<PartitionEnds, [number, number]>;
  readonly #events: Database<string, Uint8Array>;
  readonly #offsets: Database<number, [number, number, string]>;
  readonly #counters: Database<number, Counter>;

  constructor(folder: string, defaultPartitions: number) {
    // Without overlapping syncs a commit resolves when it is on the disk.
    this.root = open({ path: folder, noSubdir: false, overlappingSync: false, maxDbs: 16 });
    this.#defaultPartitions = defaultPartitions;
    this.#topics = this.root.openDB({ name: 'topics' });
    this.#ends = this.root.openDB({ name: 'ends' });
    this.#events = this.root.openDB({ name: 'events', keyEncoding: 'binary', encoding: 'string' });
    this.#offsets = this.root.openDB({ name: 'offsets' });
    this.#counters = this.root.openDB({ name: 'counters' });
  }

  /** Runs `work` in one transaction, all of it or nothing, and resolves when it is on the disk. */
  write<Result>(work: () => Result): Promise<Result> {
    return this.root.childTransaction(work);
  }

  /** Lets the next read see what other processes have committed. */
  refresh(): void {
    this.root.resetReadTxn();
  }

  topic(name: string): StoredTopic | undefined {
    return this.#topics.get(name);
  }

  /** @returns the partitions of a topic, also of one that does not exist yet */
  partitions(name: string): number {
    return this.topic(name)?.partitions ?? this.#defaultPartitions;
  }

  /** Writes: creates the topic when there is none. Its number of partitions never changes. */
  ensureTopic(name: string): StoredTopic {
    const known = this.topic(name);
    if (known) return known;
    const topic = { id: this.count('topics', 1), partitions: this.#defaultPartitions };
    this.#topics.putSync(name, topic);
    return topic;
  }

  /** Writes events in their order. */
  append(topicName: string, events: readonly EncodedEvent[]): void {
    const topic = this.ensureTopic(topicName);
    const ends = new Map<number, PartitionEnds>();
    for (const { subject, json } of events) {
      const partition = partitionOf(subject, topic.partitions);
      let end = ends.get(partition);
      if (!end) ends.set(partition, (end = { ...this.ends(topic, partition) }));
      this.#events.putSync(eventKey(topic.id, partition, end.next), json);
      end.next++;
    }
    for (const [partition, end] of ends) this.#ends.putSync([topic.id, partition], end);
    this.count('published', events.length);
  }

  ends(topic: StoredTopic, partition: number): PartitionEnds {
    return this.#ends.get([topic.id, partition]) ?? nothing;
  }

  /** Events from an offset on. What was trimmed away is passed over. */
  read(topic: StoredTopic, partition: number, offset: number, limit: number): { offset: number; event: CloudEvent }[] {
    const { next } = this.ends(topic, partition);
    if (offset >= next) return [];
    const range = this.#events.getRange({ start: eventKey(topic.id, partition, offset), end: eventKey(topic.id, partition, next), limit });
    return Array.from(range, ({ key, value }) => ({ offset: Buffer.from(key).readUIntBE(6, 6), event: JSON.parse(value) as CloudEvent }));
  }

  /** When events were, without reading what they say: most of them are large. */
  times(topic: StoredTopic, partition: number, offset: number, limit: number): { offset: number; timeMs: number }[] {
    const { next } = this.ends(topic, partition);
    const range = this.#events.getRange({ start: eventKey(topic.id, partition, offset), end: eventKey(topic.id, partition, next), limit });
    return Array.from(range, ({ key, value }) => ({ offset: Buffer.from(key).readUIntBE(6, 6), timeMs: Date.parse(timeMember.exec(value.slice(0, headLength))?.[1] ?? (JSON.parse(value) as CloudEvent).time) }));
  }

  /** Writes: removes the events before an offset. */
  removeBefore(topic: StoredTopic, partition: number, offset: number): void {
    const ends = this.ends(topic, partition);
    for (let index = ends.first; index < offset; index++) this.#events.removeSync(eventKey(topic.id, partition, index));
    if (offset > ends.first) this.#ends.putSync([topic.id, partition], { first: offset, next: ends.next });
  }

  groupOffset(group: string, topic: StoredTopic, partition: number): number | undefined {
    return this.#offsets.get([topic.id, partition, group]);
  }

  /** Writes. */
  setGroupOffset(group: string, topic: StoredTopic, partition: number, offset: number): void {
    this.#offsets.putSync([topic.id, partition, group], offset);
  }

  /** The offsets of all groups that have ever read a partition. */
  groupOffsets(topic: StoredTopic, partition: number): number[] {
    const prefix = [topic.id, partition];
    return Array.from(this.#offsets.getRange({ start: prefix, end: [topic.id, partition + 1] }), ({ value }) => value);
  }

  counter(name: Counter): number {
    return this.#counters.get(name) ?? 0;
  }

  /** Writes. @returns the new value */
  count(name: Counter, by: number): number {
    const value = this.counter(name) + by;
    this.#counters.putSync(name, value);
    return value;
  }
}
