/** Reads ahead of a subscription: asks each broker for what follows in the partitions that it leads, and keeps a bounded amount. */
import { fetchV17, IS_CONTROL, type KafkaRecord, type RecordsBatch } from '@platformatic/kafka';
import { answerOf, errors, type KafkaClient, type KafkaTopic } from './kafka-client.ts';
import { earliest, keyOf, latest, listOffsets } from './kafka-offsets.ts';

export interface OffsetRecord {
  offset: number;
  record: KafkaRecord;
}

type FetchResponse = fetchV17.FetchResponse;

/** What is fetched for. */
export interface FetchedPartition {
  name: string;
  partition: number;
  fetchOffset: number;
  bufferedBytes: number;
}

interface FetcherEvents<Partition extends FetchedPartition> {
  /** Those that may be asked for now. */
  wanted(): Iterable<Partition>;
  fetched(partition: Partition, records: readonly OffsetRecord[]): void;
}

const waitMs = 500;
const partitionBytes = 1024 * 1024;
const requestBytes = 16 * 1024 * 1024;
const bufferedPerPartition = 1024 * 1024;
const bufferedInAll = 32 * 1024 * 1024;
const mostPauseMs = 1000;

export class KafkaFetcher<Partition extends FetchedPartition> {
  readonly #client: KafkaClient;
  readonly #events: FetcherEvents<Partition>;
  readonly #asking = new Set<number>();
  readonly #underWay = new Set<Promise<void>>();
  #failures = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** @param client its own: what waits for events would hold up others */
  constructor(client: KafkaClient, events: FetcherEvents<Partition>) {
    this.#client = client;
    this.#events = events;
  }

  /** Something may be wanted that was not. */
  wake(): void {
    if (this.#closed || this.#timer) return;
    const wanted = [...this.#events.wanted()];
    const inAll = wanted.reduce((sum, { bufferedBytes }) => sum + bufferedBytes, 0);
    const hungry = wanted.filter(({ bufferedBytes }) => bufferedBytes === 0 || (bufferedBytes < bufferedPerPartition && inAll < bufferedInAll));
    for (const [leader, partitions] of Map.groupBy(hungry, ({ name, partition }) => this.#client.topics.get(name)?.leaders[partition] ?? -1)) {
      if (this.#asking.has(leader)) continue;
      this.#asking.add(leader);
      const asked = this.#ask(leader, partitions).finally(() => {
        this.#underWay.delete(asked);
        this.#asking.delete(leader);
        this.wake();
      });
      this.#underWay.add(asked);
    }
  }

  async #ask(leader: number, partitions: readonly Partition[]): Promise<void> {
    const isOfTopic = (topic: KafkaTopic, { name }: Partition) => this.#client.topics.get(name)?.id === topic.id;
    try {
      const topics = [...new Set(partitions.map(({ name }) => this.#client.topics.get(name)))].filter((topic) => topic !== undefined);
      const request = topics.map((topic) => ({
        topicId: topic.id,
        partitions: partitions.filter((partition) => isOfTopic(topic, partition)).map(({ partition, fetchOffset }) => ({ partition, currentLeaderEpoch: -1, fetchOffset: BigInt(fetchOffset), lastFetchedEpoch: -1, partitionMaxBytes: partitionBytes })),
      }));
      const connection = await this.#client.connection(leader);
      this.#take(partitions, await fetchV17.api.async(connection, waitMs, 1, requestBytes, 0, 0, -1, request, [], ''));
      this.#failures = 0;
    } catch (error) {
      if (this.#closed) return;
      const answer = answerOf<FetchResponse>(error);
      if (answer) await this.#afterPartial(partitions, answer);
      this.#failures++;
      if (this.#failures === 5) this.#client.options.logger?.warn({ error }, 'Kafka cannot be read; it is tried again');
      await this.#client.refresh().catch(() => undefined);
      this.#pause();
    }
  }

  #pause(): void {
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.wake();
    }, Math.min(mostPauseMs, 20 * 2 ** Math.min(10, this.#failures)));
  }

  async #afterPartial(partitions: readonly Partition[], answer: FetchResponse): Promise<void> {
    this.#take(partitions, answer);
    for (const { topicId, partitions: answered } of answer.responses) {
      for (const { partitionIndex, errorCode } of answered) {
        const partition = this.#find(partitions, topicId, partitionIndex);
        if (partition && errorCode === errors.offsetGone) await this.#goWhereEventsAre(partition).catch(() => undefined);
      }
    }
  }

  #find(partitions: readonly Partition[], topicId: string, index: number): Partition | undefined {
    return partitions.find(({ name, partition }) => partition === index && this.#client.topics.get(name)?.id === topicId);
  }

  /** What we stood at is trimmed away, or was never written where the cluster has lost its end. */
  async #goWhereEventsAre(partition: Partition): Promise<void> {
    const where = [{ topic: partition.name, partition: partition.partition }];
    const key = keyOf(partition.name, partition.partition);
    const [first, next] = await Promise.all([listOffsets(this.#client, where, earliest), listOffsets(this.#client, where, latest)]);
    const offset = Math.min(Math.max(partition.fetchOffset, first.get(key) ?? 0), next.get(key) ?? 0);
    this.#client.options.logger?.warn({ topic: partition.name, partition: partition.partition, from: partition.fetchOffset, to: offset }, 'the next event of a partition is not there any more; it goes on with the first that is');
    partition.fetchOffset = offset;
  }

  #take(partitions: readonly Partition[], answer: FetchResponse): void {
    const byKey = new Map(partitions.map((partition) => [`${this.#client.topics.get(partition.name)?.id}/${partition.partition}`, partition]));
    for (const { topicId, partitions: answered } of answer.responses) {
      for (const { partitionIndex, records = [] } of answered) {
        const partition = byKey.get(`${topicId}/${partitionIndex}`);
        if (!partition || records.length === 0) continue;
        const found = recordsFrom(records, partition.fetchOffset);
        partition.fetchOffset = Math.max(partition.fetchOffset, endOfBatches(records));
        this.#events.fetched(partition, found);
      }
    }
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#client.close();
    await Promise.all([...this.#underWay]);
  }
}

export const endOfBatches = (batches: readonly RecordsBatch[]): number => Math.max(0, ...batches.map(({ firstOffset, lastOffsetDelta }) => Number(firstOffset) + lastOffsetDelta + 1));

/** A batch begins where it was written, which may be before what was asked for. */
export function recordsFrom(batches: readonly RecordsBatch[], offset: number): OffsetRecord[] {
  return batches
    .filter(({ attributes }) => (attributes & IS_CONTROL) === 0)
    .flatMap(({ firstOffset, records }) => records.map((record) => ({ offset: Number(firstOffset) + record.offsetDelta, record })))
    .filter((found) => found.offset >= offset);
}
