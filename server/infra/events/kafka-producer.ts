/**
 * Appends to Kafka: idempotent, acknowledged by all copies in sync, in the order in which it was asked for.
 *
 * A partition has one batch on its way at a time. What is asked for meanwhile goes into the next one, which is why a
 * batch that has to be sent again cannot be overtaken. It is sent with the same numbers until the broker has answered for it, and the
 * broker takes each number once. Only when nobody answered for `deliveryTimeoutMs` is it given up; the partition
 * goes on under a new producer's name then, since nobody knows whether the old numbers were used.
 */
import { initProducerIdV5, type MessageRecord, murmur2, NumericMap, ProduceAcks, produceV11 } from '@platformatic/kafka';
import { answerOf, errors, isRefusal, type KafkaClient, type KafkaTopic, mostBatchBytes } from './kafka-client.ts';
import { bytesOf } from './kafka-record.ts';

type ProduceResponse = produceV11.ProduceResponse;

interface Identity {
  producerId: bigint;
  producerEpoch: number;
}

/** What one call appends to one partition: it is in one batch, whole. */
interface Piece {
  records: MessageRecord[];
  bytes: number;
  /** When it is given up, on the process's clock. */
  deadlineMs: number;
  resolve(): void;
  reject(error: unknown): void;
}

interface PartitionQueue {
  topicName: string;
  topic: KafkaTopic;
  partition: number;
  waiting: Piece[];
  /** On its way, or to be sent again as it is. */
  batch: Piece[];
  isUnderWay: boolean;
  notBeforeMs: number;
  failures: number;
  identity: Identity | undefined;
  nextSequence: number;
}

/** Several calls share a batch up to this. */
const mostMergedBytes = 900 * 1024;
const mostRequestBytes = 32 * 1024 * 1024;
const leastPauseMs = 20;
const mostPauseMs = 1000;
const mostSequence = 2 ** 31;

/** As Kafka's own clients do, so that theirs put a key where ours do. */
const partitionOf = (key: Buffer, partitions: number): number => (murmur2(key) & 0x7fffffff) % partitions;

export class KafkaProducer {
  readonly #client: KafkaClient;
  readonly #deliveryTimeoutMs: number;
  readonly #queues = new Map<string, PartitionQueue>();
  #identity: Promise<Identity> | undefined;
  /** Of topics that are not ready yet: the last append that waits for its turn. */
  readonly #lines = new Map<string, Promise<void>>();
  #scheduled = false;
  #timer: NodeJS.Timeout | undefined;
  /** After this nothing is sent again. */
  #latestMs = Number.POSITIVE_INFINITY;
  readonly #pending = new Set<Promise<unknown>>();

  constructor(client: KafkaClient, deliveryTimeoutMs: number) {
    this.#client = client;
    this.#deliveryTimeoutMs = deliveryTimeoutMs;
  }

  /**
   * Resolves when all of it is acknowledged. What goes to one partition is there whole or not at all; after an error some partitions may have their part.
   * @param after nothing is sent before this; what is appended to the topic later waits, too
   * @throws RangeError when it is more for one partition than one batch takes; nothing is appended then
   */
  async append(topicName: string, records: readonly MessageRecord[], after?: Promise<unknown>): Promise<void> {
    const appended = this.#append(topicName, records, after);
    this.#pending.add(appended);
    try {
      await appended;
    } finally {
      this.#pending.delete(appended);
    }
  }

  async #append(topicName: string, records: readonly MessageRecord[], after: Promise<unknown> | undefined): Promise<void> {
    if (records.length === 0) return;
    const largest = Math.max(...records.map(bytesOf));
    if (largest > mostBatchBytes) throw new RangeError(`an event of ${largest} bytes is larger than ${mostBatchBytes}, which is the most for ${topicName}`);
    const deadlineMs = performance.now() + this.#deliveryTimeoutMs;
    const before = this.#lines.get(topicName);
    const known = this.#client.topics.get(topicName);
    const parts = known && !before && !after ? this.#enqueue(topicName, known, records, deadlineMs) : await this.#inLine(topicName, [before, after], deadlineMs, (topic) => this.#enqueue(topicName, topic, records, deadlineMs));
    const failed = (await Promise.allSettled(parts)).find((outcome) => outcome.status === 'rejected');
    if (failed) throw failed.reason;
  }

  /** One after the other, so that none overtakes what was asked for before it. */
  async #inLine(topicName: string, before: readonly (Promise<unknown> | undefined)[], deadlineMs: number, enqueue: (topic: KafkaTopic) => Promise<void>[]): Promise<Promise<void>[]> {
    const enqueued = (async () => {
      for (const each of before) await each;
      return { parts: enqueue(await this.#ensureTopic(topicName, deadlineMs)) };
    })();
    const line = enqueued.then(() => undefined, () => undefined);
    this.#lines.set(topicName, line);
    try {
      return (await enqueued).parts;
    } finally {
      if (this.#lines.get(topicName) === line) this.#lines.delete(topicName);
    }
  }

  #enqueue(topicName: string, topic: KafkaTopic, records: readonly MessageRecord[], deadlineMs: number): Promise<void>[] {
    const byPartition = Map.groupBy(records, ({ key }) => partitionOf(key ?? Buffer.alloc(0), topic.leaders.length));
    const parts = [...byPartition].map(([partition, own]) => ({ partition, own, bytes: own.reduce((sum, record) => sum + bytesOf(record), 0) }));
    const tooLarge = parts.find(({ bytes }) => bytes > mostBatchBytes);
    if (tooLarge) throw new RangeError(`${tooLarge.bytes} bytes in one call for one partition of ${topicName} are more than ${mostBatchBytes}; append them in several calls`);
    this.#schedule();
    return parts.map(({ partition, own, bytes }) => new Promise<void>((resolve, reject) => {
      for (const record of own) Object.assign(record, { topic: topic.name, partition });
      this.#queue(topicName, topic, partition).waiting.push({ records: own, bytes, deadlineMs, resolve, reject });
    }));
  }

  async #ensureTopic(name: string, deadlineMs: number): Promise<KafkaTopic> {
    for (;;) {
      try {
        return await this.#client.ensureTopic(name);
      } catch (error) {
        if (isRefusal(error)) throw new Error(`Kafka does not allow this program to make the topic ${name}`, { cause: error });
        if (this.#client.isClosed || performance.now() > Math.min(deadlineMs, this.#latestMs)) throw error;
        await new Promise((resolve) => setTimeout(resolve, mostPauseMs / 4));
      }
    }
  }

  /** Resolves when everything that was asked for is acknowledged, or given up because it took longer than that. */
  async settled(withinMs: number): Promise<void> {
    this.#latestMs = performance.now() + withinMs;
    const timer = setTimeout(() => {
      const error = new Error('the event log is closed, and Kafka has not acknowledged an append in time; whether it is there is not known');
      for (const { batch, waiting } of this.#queues.values()) for (const piece of [...batch.splice(0), ...waiting.splice(0)]) piece.reject(error);
    }, withinMs);
    while (this.#pending.size > 0) await Promise.allSettled([...this.#pending]);
    clearTimeout(timer);
    clearTimeout(this.#timer);
  }

  #queue(topicName: string, topic: KafkaTopic, partition: number): PartitionQueue {
    const key = `${topicName}/${partition}`;
    let queue = this.#queues.get(key);
    if (!queue) this.#queues.set(key, (queue = { topicName, topic, partition, waiting: [], batch: [], isUnderWay: false, notBeforeMs: 0, failures: 0, identity: undefined, nextSequence: 0 }));
    queue.topic = topic;
    return queue;
  }

  /** All that is asked for in this turn goes together. */
  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      this.#sendReady();
    });
  }

  #sendReady(): void {
    const nowMs = performance.now();
    const ready = [...this.#queues.values()].filter((queue) => !queue.isUnderWay && queue.notBeforeMs <= nowMs && (queue.batch.length > 0 || queue.waiting.length > 0));
    for (const queue of ready) this.#giveUpLate(queue, nowMs);
    const sendable = ready.filter((queue) => {
      if (queue.batch.length === 0) takeBatch(queue);
      return queue.batch.length > 0;
    });
    // One request for each leader, and for each name that batches are sent under.
    const groups = Map.groupBy(sendable, (queue) => `${this.#client.topics.get(queue.topicName)?.leaders[queue.partition]}/${queue.identity?.producerId ?? 'new'}`);
    for (const queues of groups.values()) for (const share of inRequests(queues)) void this.#send(share);
  }

  /** What waited too long is refused; after a batch of unknown fate the partition goes on under a new name. */
  #giveUpLate(queue: PartitionQueue, nowMs: number): void {
    const late = (piece: Piece) => Math.min(piece.deadlineMs, this.#latestMs) <= nowMs;
    if (queue.batch.some(late)) {
      const error = new Error(`Kafka has not acknowledged an append to ${queue.topicName} in ${this.#deliveryTimeoutMs} ms; whether it is there is not known`);
      for (const piece of queue.batch.splice(0)) piece.reject(error);
      queue.identity = undefined;
      this.#identity = undefined;
    }
    const waiting = queue.waiting.filter((piece) => !late(piece));
    for (const piece of queue.waiting.filter(late)) piece.reject(new Error(`Kafka could not be asked to append to ${queue.topicName} in ${this.#deliveryTimeoutMs} ms`));
    queue.waiting = waiting;
  }

  async #send(queues: readonly PartitionQueue[]): Promise<void> {
    for (const queue of queues) queue.isUnderWay = true;
    const { answer, failure } = await this.#produce(queues).catch((error: unknown) => ({ answer: undefined, failure: error }));
    const codes = new Map(answer?.responses.flatMap(({ name, partitionResponses }) => partitionResponses.map(({ index, errorCode }) => [`${name}/${index}`, errorCode] as const)));
    for (const queue of queues) {
      queue.isUnderWay = false;
      this.#settle(queue, codes.get(`${queue.topic.name}/${queue.partition}`), failure);
    }
    if (failure !== undefined) await this.#client.refresh().catch(() => undefined);
    this.#schedule();
  }

  /** @throws Error when it was not sent */
  async #produce(queues: readonly PartitionQueue[]): Promise<{ answer: ProduceResponse | undefined; failure: unknown }> {
    const [first] = queues;
    if (!first) throw new Error('there is nothing to send');
    const topic = (await this.#client.topic(first.topicName)) ?? first.topic;
    const connection = await this.#client.connection(topic.leaders[first.partition] ?? -1);
    const identity = first.identity ?? (await this.#currentIdentity());
    const sequences = new NumericMap();
    for (const queue of queues) {
      if (!queue.identity) {
        queue.identity = identity;
        queue.nextSequence = 0;
      }
      sequences.set(`${queue.topic.name}:${queue.partition}`, queue.nextSequence);
    }
    const records = queues.flatMap(({ batch }) => batch.flatMap((piece) => piece.records));
    try {
      const answer = await produceV11.api.async(connection, ProduceAcks.ALL, this.#client.options.requestTimeoutMs, records, { ...identity, sequences, compression: 'none' });
      return { answer: typeof answer === 'boolean' ? undefined : answer, failure: undefined };
    } catch (error) {
      return { answer: answerOf<ProduceResponse>(error), failure: error };
    }
  }

  #settle(queue: PartitionQueue, code: number | undefined, failure: unknown): void {
    if (code === 0 || code === errors.duplicateSequence) {
      const records = queue.batch.reduce((sum, piece) => sum + piece.records.length, 0);
      queue.nextSequence = (queue.nextSequence + records) % mostSequence;
      queue.failures = 0;
      for (const piece of queue.batch.splice(0)) piece.resolve();
      return;
    }
    if (code === errors.messageTooLarge && queue.batch.length > 1) {
      // Together they are too large for a topic that others have made.
      queue.waiting.unshift(...queue.batch.splice(Math.ceil(queue.batch.length / 2)));
      return;
    }
    if (code === errors.messageTooLarge || code === errors.recordListTooLarge || code === errors.topicAuthorizationFailed || isRefusal(failure)) {
      const error = code === errors.topicAuthorizationFailed || isRefusal(failure)
        ? new Error(`Kafka does not allow this program to append to ${queue.topicName}`, { cause: failure })
        : new RangeError(`what was appended to ${queue.topicName} is larger than its topic takes`, { cause: failure });
      // Refused as a whole, so its numbers are free.
      for (const piece of queue.batch.splice(0)) piece.reject(error);
      return;
    }
    if (code === errors.outOfOrderSequence || code === errors.invalidProducerEpoch || code === errors.unknownProducer) {
      // The broker has lost what it knew of us. It has refused this batch, so it is sent again under a new name.
      queue.identity = undefined;
      this.#identity = undefined;
    }
    queue.failures++;
    const pauseMs = Math.min(mostPauseMs, leastPauseMs * 2 ** Math.min(10, queue.failures - 1));
    queue.notBeforeMs = performance.now() + pauseMs;
    if (queue.failures === 4) this.#client.options.logger?.warn({ error: failure, code, topic: queue.topicName, partition: queue.partition }, 'Kafka does not take an append; it is sent again');
    this.#timer = setTimeout(() => this.#schedule(), pauseMs + 1);
  }

  async #currentIdentity(): Promise<Identity> {
    this.#identity ??= this.#newIdentity().catch((error: unknown) => {
      this.#identity = undefined;
      throw error;
    });
    return this.#identity;
  }

  async #newIdentity(): Promise<Identity> {
    const [broker] = this.#client.brokerIds;
    const { producerId, producerEpoch } = await initProducerIdV5.api.async(await this.#client.connection(broker ?? -1), null, this.#client.options.requestTimeoutMs, -1n, -1);
    return { producerId, producerEpoch };
  }
}

function takeBatch(queue: PartitionQueue): void {
  let bytes = 0;
  let count = 0;
  for (const piece of queue.waiting) {
    if (count > 0 && bytes + piece.bytes > mostMergedBytes) break;
    bytes += piece.bytes;
    count++;
  }
  queue.batch = queue.waiting.splice(0, count);
}

/** As many in one request as a broker takes. */
function inRequests(queues: readonly PartitionQueue[]): PartitionQueue[][] {
  const requests: PartitionQueue[][] = [];
  let bytes = Number.POSITIVE_INFINITY;
  for (const queue of queues) {
    const own = queue.batch.reduce((sum, piece) => sum + piece.bytes, 0);
    if (bytes + own > mostRequestBytes) {
      requests.push([]);
      bytes = 0;
    }
    requests.at(-1)?.push(queue);
    bytes += own;
  }
  return requests;
}

