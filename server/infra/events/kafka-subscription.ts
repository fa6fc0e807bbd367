import type { KafkaRecord } from '@platformatic/kafka';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../observability/port.ts';
import { deadLetter, deadLetterTopic, Delivery, type DeliverySettings, endOf, type HeldPartition, newlyHeld, type OffsetEvent, type Slice } from './delivery.ts';
import { isRefusal, type KafkaClient } from './kafka-client.ts';
import { type FetchedPartition, KafkaFetcher, type OffsetRecord } from './kafka-fetcher.ts';
import { KafkaMember } from './kafka-member.ts';
import { earliest, keyOf, latest, listOffsets, partitionsOf, type TopicPartition } from './kafka-offsets.ts';
import { eventOf, rawRecord } from './kafka-record.ts';
import type { CloudEvent, SubscribeOptions, Subscription } from './port.ts';

/** From the first that is not acknowledged on; read from the record when it is handed over. */
interface Buffered {
  offset: number;
  bytes: number;
  record: KafkaRecord | undefined;
  event: CloudEvent | undefined;
}

interface KafkaHeldPartition extends HeldPartition, FetchedPartition {
  buffer: Buffered[];
  /** By this group, since it is new. */
  handled: number;
  /** It belongs to another member: nothing is handed over any more, and it goes when nothing is in hand. */
  isLeaving: boolean;
}

interface Surroundings {
  client: KafkaClient;
  settings: DeliverySettings;
  clock: Clock;
  logger: Logger | undefined;
  append(topic: string, event: CloudEvent): Promise<void>;
}

const retryPauseMs = 250;
/** What is handled when it is closed has so long to be acknowledged. */
const closeWithinMs = 3000;

/** One member of a group. */
export class KafkaSubscription implements Subscription {
  /** Resolves when it is decided where the group begins: what is appended after that is for it. */
  readonly begun: Promise<void>;
  hasBegun = false;
  readonly #options: SubscribeOptions;
  readonly #around: Surroundings;
  readonly #held = new Map<string, KafkaHeldPartition>();
  readonly #delivery: Delivery<KafkaHeldPartition>;
  readonly #member: KafkaMember;
  readonly #fetcher: KafkaFetcher<KafkaHeldPartition>;
  /** Where partitions ended when this began, for a new group that wants what comes after. */
  #newest = new Map<string, number>();
  #assigned = new Map<string, TopicPartition>();
  #reconciling: Promise<void> | undefined;
  #reconcileAgain = false;
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(options: SubscribeOptions, around: Surroundings) {
    this.#options = options;
    this.#around = around;
    this.#member = new KafkaMember(around.client, options.group, options.topics, {
      assigned: (partitions) => {
        this.#assigned = new Map(partitions.map((where) => [keyOf(where.topic, where.partition), where]));
        this.#reconcile();
      },
      lost: () => {
        this.#assigned.clear();
        this.#held.clear();
      },
      heardAgain: () => this.#delivery.wake(),
    });
    this.#fetcher = new KafkaFetcher(around.client.another(), {
      wanted: () => [...this.#held.values()].filter(({ isLeaving }) => !isLeaving),
      fetched: (held, records) => this.#keep(held, records),
    });
    this.#delivery = new Delivery(options, {
      held: () => (this.#member.isAlive ? [...this.#held.values()].filter(({ isLeaving }) => !isLeaving) : []),
      read: (held, offset, limit) => this.#read(held, offset, limit),
      acknowledge: (slices) => this.#acknowledge(slices),
      bury: (held, failed, letter) => this.#bury(held, failed.offset, letter),
      lost: (lost) => this.#lose(lost),
      letGo: () => {
        if ([...this.#held.values()].some(({ isLeaving }) => isLeaving)) this.#reconcile();
        this.#fetcher.wake();
      },
    }, around);
    this.begun = this.#begin().finally(() => (this.hasBegun = true));
  }

  beginsAtNewest(topic: string): boolean {
    return this.#options.from === 'newest' && this.#options.topics.includes(topic);
  }

  /** Topics must exist to be shared out; a group that wants the newest notes where they end. */
  async #begin(): Promise<void> {
    const { client, logger } = this.#around;
    const { topics, from, group } = this.#options;
    for (let failures = 0; !this.#closing; failures++) {
      try {
        // Where topics are made by others, we read those that are there.
        await Promise.all(topics.map((topic) => client.ensureTopic(topic).catch((error: unknown) => (isRefusal(error) ? undefined : Promise.reject(error as Error)))));
        if (from === 'newest') this.#newest = await listOffsets(client, topics.flatMap((topic) => partitionsOf(client, topic)), latest);
        break;
      } catch (error) {
        if (failures === 5) logger?.warn({ error, group }, 'Kafka cannot be asked where a group begins; it is tried again');
        await new Promise((resolve) => setTimeout(resolve, retryPauseMs));
      }
    }
    if (this.#closing) return;
    this.#member.start();
    this.#delivery.start();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    this.#member.hurry(closeWithinMs);
    await this.begun;
    await this.#delivery.stop();
    while (this.#reconciling) await this.#reconciling;
    await this.#member.leave();
    await this.#fetcher.close();
  }

  /** One at a time; asked for during one, it runs once more. */
  #reconcile(): void {
    if (this.#reconciling) {
      this.#reconcileAgain = true;
      return;
    }
    this.#reconciling = this.#reconcileNow()
      .catch(async (error: unknown) => {
        this.#around.logger?.error({ error, group: this.#options.group }, 'the partitions of a group cannot be taken over; it is tried again');
        this.#reconcileAgain = true;
        await new Promise((resolve) => setTimeout(resolve, retryPauseMs));
      })
      .finally(() => {
        this.#reconciling = undefined;
        const again = this.#reconcileAgain && !this.#closing;
        this.#reconcileAgain = false;
        if (again) this.#reconcile();
      });
  }

  async #reconcileNow(): Promise<void> {
    for (const [key, held] of this.#held) {
      held.isLeaving = !this.#assigned.has(key);
      if (held.isLeaving && held.inHand === 0) this.#held.delete(key);
    }
    const assigned = this.#assigned;
    const added = [...assigned].filter(([key]) => !this.#held.has(key)).map(([, where]) => where);
    if (added.length > 0) await this.#takeOver(added, (where) => this.#assigned.has(keyOf(where.topic, where.partition)));
    this.#member.own([...this.#held.values()].map(({ name, partition }) => ({ topic: name, partition })));
    this.#fetcher.wake();
    this.#delivery.wake();
  }

  async #takeOver(added: readonly TopicPartition[], isStillOurs: (where: TopicPartition) => boolean): Promise<void> {
    const known = await this.#member.offsets(added);
    const fresh = added.filter(({ topic, partition }) => !known.has(keyOf(topic, partition)));
    if (fresh.length > 0) {
      const first = this.#options.from === 'newest' ? this.#newest : await listOffsets(this.#around.client, fresh, earliest);
      const begins = fresh.map((where) => ({ ...where, offset: first.get(keyOf(where.topic, where.partition)) ?? 0, handled: 0 }));
      // So that all know where the group began: what it has not read yet is not trimmed, and another member begins there too.
      await this.#member.commit(begins, isStillOurs);
      for (const { topic, partition, offset } of begins) known.set(keyOf(topic, partition), { offset, handled: 0 });
    }
    for (const { topic, partition } of added.filter(isStillOurs)) {
      const key = keyOf(topic, partition);
      const { offset, handled } = known.get(key) ?? { offset: 0, handled: 0 };
      this.#held.set(key, { name: topic, partition, ...newlyHeld, offset, fetchOffset: offset, handled, bufferedBytes: 0, buffer: [], isLeaving: false });
    }
  }

  #keep(held: KafkaHeldPartition, records: readonly OffsetRecord[]): void {
    if (!this.#isCurrent(held)) return;
    for (const { offset, record } of records) {
      const bytes = (record.value?.length ?? 0) + (record.key?.length ?? 0);
      held.buffer.push({ offset, bytes, record, event: undefined });
      held.bufferedBytes += bytes;
    }
    this.#delivery.wake();
  }

  #isCurrent(held: KafkaHeldPartition): boolean {
    return this.#held.get(keyOf(held.name, held.partition)) === held;
  }

  /** Up to the first that is no event of ours; that one goes to the dead letters as soon as all before it are done. */
  #read(held: KafkaHeldPartition, offset: number, limit: number): OffsetEvent[] {
    const events: OffsetEvent[] = [];
    for (let index = firstAt(held.buffer, offset); index < held.buffer.length && events.length < limit; index++) {
      const entry = held.buffer[index];
      if (!entry) break;
      try {
        entry.event ??= entry.record && eventOf(entry.record);
      } catch (error) {
        if (events.length === 0 && held.inHand === 0) this.#buryMalformed(held, entry, error);
        break;
      }
      entry.record = undefined;
      if (entry.event) events.push({ offset: entry.offset, event: entry.event });
    }
    return events;
  }

  #buryMalformed(held: KafkaHeldPartition, { offset, record }: Buffered, error: unknown): void {
    const { clock, logger } = this.#around;
    const { group } = this.#options;
    const letter = deadLetter({ group, topic: held.name, partition: held.partition, offset, attempts: 1, error, subject: record?.key?.toString('utf8') || 'unknown', event: record ? rawRecord(record) : null }, clock);
    held.inHand++;
    held.notBeforeMs = Number.POSITIVE_INFINITY;
    this.#bury(held, offset, letter)
      .then((buried) => {
        if (!buried) this.#lose([held]);
        held.offset = offset + 1;
        logger?.error({ error, group, topic: held.name, partition: held.partition, offset }, `a record that is no event is in ${deadLetterTopic(held.name)} now`);
      })
      .catch((failure: unknown) => logger?.error({ error: failure, group, topic: held.name }, 'a record that is no event could not be put aside; it is tried again'))
      .finally(() => {
        held.inHand--;
        held.notBeforeMs = 0;
        if (held.isLeaving) this.#reconcile();
        this.#delivery.wake();
      });
  }

  async #acknowledge(slices: readonly Slice<KafkaHeldPartition>[]): Promise<Slice<KafkaHeldPartition>[]> {
    // One entry for each partition, also when several batches of it are acknowledged together.
    const ends = new Map<KafkaHeldPartition, { offset: number; handled: number }>();
    for (const { held, events } of slices) ends.set(held, { offset: endOf(events), handled: (ends.get(held)?.handled ?? held.handled) + events.length });
    const lost = await this.#commit([...ends].map(([held, end]) => ({ held, ...end })));
    return slices.filter(({ held }) => lost.has(held));
  }

  /** Not in one transaction: a kill between the two writes the letter again. */
  async #bury(held: KafkaHeldPartition, offset: number, letter: CloudEvent): Promise<boolean> {
    if (!this.#isCurrent(held)) return false;
    await this.#around.append(letter.type, letter);
    const lost = await this.#commit([{ held, offset: offset + 1, handled: held.handled }]);
    return lost.size === 0;
  }

  /** @returns those that are not ours any more */
  async #commit(ends: readonly { held: KafkaHeldPartition; offset: number; handled: number }[]): Promise<Set<KafkaHeldPartition>> {
    const commits = ends.map(({ held, offset, handled }) => ({ topic: held.name, partition: held.partition, offset, handled, held }));
    const lostKeys = await this.#member.commit(commits, (commit) => commits.some(({ topic, partition, held }) => topic === commit.topic && partition === commit.partition && this.#isCurrent(held)));
    const lost = new Set<KafkaHeldPartition>();
    for (const { held, offset, handled } of ends) {
      if (lostKeys.has(keyOf(held.name, held.partition))) lost.add(held);
      else forget(held, offset, handled);
    }
    return lost;
  }

  #lose(lost: readonly KafkaHeldPartition[]): void {
    for (const held of lost) if (this.#isCurrent(held)) this.#held.delete(keyOf(held.name, held.partition));
    this.#reconcile();
  }
}

/** What is acknowledged need not be kept. */
function forget(held: KafkaHeldPartition, offset: number, handled: number): void {
  held.handled = handled;
  for (const { bytes } of held.buffer.splice(0, firstAt(held.buffer, offset))) held.bufferedBytes -= bytes;
}

/** The place of the first that is not before an offset. */
function firstAt(buffer: readonly Buffered[], offset: number): number {
  let low = 0;
  let high = buffer.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((buffer[middle]?.offset ?? offset) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
