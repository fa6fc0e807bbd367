import { fetchV17 } from '@platformatic/kafka';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system.ts';
import type { Logger } from '../observability/port.ts';
import { defaultDeliverySettings, type DeliverySettings } from './delivery.ts';
import { isRefusal, KafkaClient, type KafkaClientOptions, type KafkaSecurity } from './kafka-client.ts';
import { endOfBatches, recordsFrom } from './kafka-fetcher.ts';
import { committedOffsets, earliest, groupsOf, keyOf, latest, listOffsets, partitionsOf, withRetry } from './kafka-offsets.ts';
import { KafkaProducer } from './kafka-producer.ts';
import { eventOf, recordOf } from './kafka-record.ts';
import { trimTopic } from './kafka-retention.ts';
import { KafkaSubscription } from './kafka-subscription.ts';
import { checkSubscription, checkReading, checkTopic } from './names.ts';
import type { CloudEvent, EventLog, SubscribeOptions, Subscription } from './port.ts';
import { Retention } from './retention.ts';

export interface KafkaEventLogOptions extends Partial<DeliverySettings>, KafkaSecurity {
  /** `host:port` of some of the brokers. */
  brokers: readonly string[];
  /** Before the names of all topics and groups. `mobility.` unless given. */
  prefix?: string;
  /** Of topics that are new. 50 unless given. */
  partitions?: number;
  /** Copies of topics that are new; as many as there are brokers, at most 3, unless given. */
  replicas?: number;
  /**
   * Of topics that are new and have one copy: whether each batch is on the disk before it is acknowledged. True unless given; without it a power cut
   * takes what the broker's machine had not written yet, seconds of it. Several copies need none: they are on several machines.
   */
  flush?: boolean;
  /** How long one answer may take. 10 s unless given. */
  requestTimeoutMs?: number;
  /** How long an append is sent again before it is given up. Two minutes unless given. */
  deliveryTimeoutMs?: number;
  clock?: Clock;
  logger?: Logger;
  /** Topics whose events are removed by themselves: how old they get once every group has handled them. Those of other topics stay. */
  retentionMs?: Readonly<Record<string, number>>;
}

/** What is still on its way when the log is closed has so long. */
const closeWithinMs = 3000;
const closeAnywayMs = 6000;
const readBytes = 4 * 1024 * 1024;

class KafkaEventLog implements EventLog {
  readonly #client: KafkaClient;
  readonly #appendClient: KafkaClient;
  readonly #producer: KafkaProducer;
  readonly #settings: DeliverySettings;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #retention: Retention;
  readonly #subscriptions = new Set<KafkaSubscription>();
  #closed: Promise<void> | undefined;

  constructor(options: KafkaEventLogOptions) {
    const { brokers, prefix = 'mobility.', partitions = 50, replicas, flush = true, requestTimeoutMs = 10_000, deliveryTimeoutMs = 120_000, clock = systemClock(), logger, retentionMs = {}, tls, sasl } = options;
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > 65_535) throw new RangeError(`partitions must be a whole number from 1 to 65535, not ${partitions}`);
    const { maximumAttempts, retryPauseMs, maximumRetryPauseMs } = { ...defaultDeliverySettings, ...options };
    const clientOptions: KafkaClientOptions = { brokers, prefix, partitions, flush, requestTimeoutMs, logger, ...(replicas !== undefined && { replicas }), ...(tls && { tls }), ...(sasl && { sasl }) };
    this.#client = new KafkaClient(clientOptions);
    this.#appendClient = this.#client.another();
    this.#producer = new KafkaProducer(this.#appendClient, deliveryTimeoutMs);
    this.#settings = { maximumAttempts, retryPauseMs, maximumRetryPauseMs };
    this.#clock = clock;
    this.#logger = logger;
    this.#retention = new Retention(retentionMs, (topic, olderThanMs) => this.trim(topic, olderThanMs), (error) => {
      // Where each module has a user of its own, only one of them may remove.
      if (isRefusal(error)) logger?.debug({ error }, 'old events may not be removed by this user');
      else logger?.error({ error }, 'old events cannot be removed; it is tried again');
    });
  }

  /** @throws Error when no broker answers */
  async open(): Promise<this> {
    await Promise.all([this.#client.refresh(), this.#appendClient.refresh()]);
    return this;
  }

  async append(topic: string, events: readonly CloudEvent[]): Promise<void> {
    this.#mustBeOpen();
    checkTopic(topic);
    const records = events.map((event) => recordOf(topic, event));
    // A group that begins with the newest begins before what is appended after it was asked for.
    const beginning = [...this.#subscriptions].filter((subscription) => !subscription.hasBegun && subscription.beginsAtNewest(topic));
    await this.#producer.append(topic, records, beginning.length > 0 ? Promise.all(beginning.map(({ begun }) => begun)) : undefined);
  }

  subscribe(options: SubscribeOptions): Subscription {
    this.#mustBeOpen();
    checkSubscription(options);
    const subscription = new KafkaSubscription(options, {
      client: this.#client, settings: this.#settings, clock: this.#clock, logger: this.#logger,
      append: (topic, event) => this.#producer.append(topic, [recordOf(topic, event)]),
    });
    this.#subscriptions.add(subscription);
    return {
      close: async () => {
        await subscription.close();
        this.#subscriptions.delete(subscription);
      },
    };
  }

  async read(topic: string, partition: number, offset: number, limit: number): Promise<{ offset: number; event: CloudEvent }[]> {
    this.#mustBeOpen();
    checkTopic(topic);
    const known = await withRetry(this.#client, () => this.#client.topic(topic));
    checkReading(topic, this.partitions(topic), { partition, offset, limit });
    if (!known) return [];
    const where = [{ topic, partition }];
    const [first, next] = await Promise.all([listOffsets(this.#client, where, earliest), listOffsets(this.#client, where, latest)]);
    const end = next.get(keyOf(topic, partition)) ?? 0;
    const found: { offset: number; event: CloudEvent }[] = [];
    for (let from = Math.max(offset, first.get(keyOf(topic, partition)) ?? 0); from < end && found.length < limit;) {
      const batches = await this.#fetch(topic, partition, from);
      for (const entry of recordsFrom(batches, from)) if (found.length < limit) found.push({ offset: entry.offset, event: eventOf(entry.record) });
      from = Math.max(from, endOfBatches(batches));
    }
    return found;
  }

  #fetch(topic: string, partition: number, offset: number) {
    return withRetry(this.#client, async () => {
      const known = await this.#client.topic(topic);
      const connection = await this.#client.connection(known?.leaders[partition] ?? -1);
      const request = [{ topicId: known?.id ?? '', partitions: [{ partition, currentLeaderEpoch: -1, fetchOffset: BigInt(offset), lastFetchedEpoch: -1, partitionMaxBytes: readBytes }] }];
      const answer = await fetchV17.api.async(connection, 0, 0, readBytes, 0, 0, -1, request, [], '');
      return answer.responses[0]?.partitions[0]?.records ?? [];
    });
  }

  partitions(topic: string): number {
    return this.#client.topics.get(topic)?.leaders.length ?? this.#appendClient.topics.get(topic)?.leaders.length ?? this.#client.options.partitions;
  }

  async lag(group: string, topic: string): Promise<number> {
    this.#mustBeOpen();
    if (!(await withRetry(this.#client, () => this.#client.topic(topic)))) return 0;
    const partitions = partitionsOf(this.#client, topic);
    // How far the group is first: what is appended meanwhile is behind, and never less than nothing.
    const committed = await committedOffsets(this.#client, group, partitions);
    const [first, next] = await Promise.all([listOffsets(this.#client, partitions, earliest), listOffsets(this.#client, partitions, latest)]);
    return partitions.map((where) => keyOf(where.topic, where.partition))
      .reduce((behind, key) => behind + Math.max(0, (next.get(key) ?? 0) - Math.max(first.get(key) ?? 0, committed.get(key)?.offset ?? 0)), 0);
  }

  async statistics(): Promise<{ published: number; handled: number }> {
    this.#mustBeOpen();
    await withRetry(this.#client, () => this.#client.refresh());
    const partitions = [...this.#client.topics.keys()].flatMap((topic) => partitionsOf(this.#client, topic));
    const groups = await Promise.all((await groupsOf(this.#client)).map((group) => committedOffsets(this.#client, group)));
    const ends = await listOffsets(this.#client, partitions, latest);
    return {
      published: [...ends.values()].reduce((sum, end) => sum + end, 0),
      handled: groups.flatMap((offsets) => [...offsets.values()]).reduce((sum, { handled }) => sum + handled, 0),
    };
  }

  /** As that of LMDB's log, by when events were appended. @returns how many were removed */
  trim(topic: string, olderThanMs: number): Promise<number> {
    this.#mustBeOpen();
    checkTopic(topic);
    return trimTopic(this.#client, topic, Date.now() - olderThanMs);
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    const trimmed = this.#retention.stop();
    // Nobody answers: what still waits for an answer is given up.
    const timer = setTimeout(() => void Promise.all([this.#client.close(), this.#appendClient.close()]), closeAnywayMs);
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#producer.settled(closeWithinMs);
    await trimmed;
    clearTimeout(timer);
    await Promise.all([this.#client.close(), this.#appendClient.close()]);
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new Error('the event log is closed');
  }
}

/**
 * Opens the event log on a Kafka cluster, version 4 or later.
 * @throws Error when no broker answers, RangeError for settings that cannot be
 */
export function openKafkaEventLog(options: KafkaEventLogOptions): Promise<EventLog & { trim(topic: string, olderThanMs: number): Promise<number> }> {
  return new KafkaEventLog(options).open();
}

