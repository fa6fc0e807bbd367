/** One connection to a Kafka cluster for one purpose: who leads what, who coordinates whom, and the topics. */
import { readFileSync } from 'node:fs';
import {
  Base, type Connection, createTopicsV7, findCoordinatorV6, type GenericError, type ResponseError, metadataV12,
} from '@platformatic/kafka';
import type { Logger } from '../observability/port.ts';

export interface KafkaSecurity {
  /** TLS to the brokers; files in PEM. */
  tls?: { caFile?: string; certificateFile?: string; keyFile?: string };
  sasl?: { mechanism: 'PLAIN' | 'SCRAM-SHA-256' | 'SCRAM-SHA-512'; username: string; password: string };
}

export interface KafkaClientOptions extends KafkaSecurity {
  /** `host:port` of some of the brokers. */
  brokers: readonly string[];
  /** Before the names of all topics and groups, so that installations can share a cluster and an ACL can name one. */
  prefix: string;
  /** Of topics that are new. */
  partitions: number;
  /** Copies of topics that are new; as many as there are brokers, at most 3, unless given. */
  replicas?: number;
  /** Of topics that are new and have one copy: whether each batch is on the disk before it is acknowledged. */
  flush: boolean;
  /** How long one answer may take. */
  requestTimeoutMs: number;
  logger: Logger | undefined;
}

export interface KafkaTopic {
  /** With the prefix. */
  name: string;
  id: string;
  /** The leaders' ids. */
  leaders: number[];
}

/** Numbers of Kafka's protocol for what went wrong. */
export const errors = {
  offsetGone: 1, unknownTopic: 3, messageTooLarge: 10, recordListTooLarge: 18, unknownMember: 25, topicAlreadyExists: 36, outOfOrderSequence: 45, duplicateSequence: 46, invalidProducerEpoch: 47,
  groupIdNotFound: 69, fencedMemberEpoch: 110, staleMemberEpoch: 113, unknownProducer: 59, topicAuthorizationFailed: 29, groupAuthorizationFailed: 30, clusterAuthorizationFailed: 31,
} as const;

const leaderUnknown = -1;
const mostReplicas = 3;
const metadataForMs = 60_000;

/** The number that a broker gave for what went wrong; undefined when it did not answer. */
export function errorCodeOf(error: unknown): number | undefined {
  const found = (error as Partial<GenericError>).findBy?.('code', 'PLT_KFK_PROTOCOL');
  return typeof found?.['apiCode'] === 'number' ? found['apiCode'] : undefined;
}

/** What was answered beside the error: most answers carry several results, only some of which failed. */
export function answerOf<Answer>(error: unknown): Answer | undefined {
  return (error as Partial<ResponseError>)['response'] as Answer | undefined;
}

/** Something that asking again does not heal: a refusal, not a broker that is away. */
export const isRefusal = (error: unknown): boolean => {
  const code = errorCodeOf(error);
  return code === errors.topicAuthorizationFailed || code === errors.groupAuthorizationFailed || code === errors.clusterAuthorizationFailed;
};

/** The broker does not know the member any more that asked. */
export const isCountedOut = (error: unknown): boolean => {
  const code = errorCodeOf(error);
  return code === errors.unknownMember || code === errors.fencedMemberEpoch;
};

function connectionOptions({ tls, sasl }: KafkaSecurity) {
  const pem = (file: string | undefined) => (file === undefined ? undefined : readFileSync(file));
  return {
    ...(tls && { tls: { ca: pem(tls.caFile), cert: pem(tls.certificateFile), key: pem(tls.keyFile) } }),
    ...(sasl && { sasl }),
  };
}

export class KafkaClient {
  readonly prefix: string;
  readonly options: KafkaClientOptions;
  readonly #base: Base;
  readonly #topics = new Map<string, KafkaTopic>();
  readonly #coordinators = new Map<string, number>();
  readonly #creating = new Map<string, Promise<KafkaTopic>>();
  #brokers = new Map<number, { host: string; port: number }>();
  #readAtMs = Number.NEGATIVE_INFINITY;
  #refreshing: Promise<void> | undefined;
  #closed = false;

  constructor(options: KafkaClientOptions) {
    this.options = options;
    this.prefix = options.prefix;
    this.#base = new Base({
      clientId: 'mobility', bootstrapBrokers: [...options.brokers], retries: 0, connectTimeout: Math.min(5000, options.requestTimeoutMs), timeout: options.requestTimeoutMs,
      // The library passes it on to its connections, whose option has this name.
      ...{ requestTimeout: options.requestTimeoutMs }, maxInflights: 16, ...connectionOptions(options),
    });
  }

  /** A client of its own connections: a request that waits for events would hold up the others of its connection. */
  another(): KafkaClient {
    return new KafkaClient(this.options);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get brokerIds(): number[] {
    return [...this.#brokers.keys()];
  }

  /** Topics of this prefix, by their names without it, as of the last look. */
  get topics(): ReadonlyMap<string, KafkaTopic> {
    return this.#topics;
  }

  async connection(brokerId: number): Promise<Connection> {
    const broker = this.#brokers.get(brokerId);
    if (!broker) throw new Error(`Kafka has no broker ${brokerId}`);
    return this.#base.connections.get(broker);
  }

  async #anyConnection(): Promise<Connection> {
    const known = [...this.#brokers.values()];
    const given = this.options.brokers.map((address) => ({ host: address.slice(0, address.lastIndexOf(':')), port: Number(address.slice(address.lastIndexOf(':') + 1)) }));
    let failure: unknown;
    for (const broker of [...known, ...given]) {
      try {
        return await this.#base.connections.get(broker);
      } catch (error) {
        failure = error;
      }
    }
    throw new Error(`no Kafka broker answers at ${this.options.brokers.join(', ')}`, { cause: failure });
  }

  /** Reads anew who leads what; those who ask meanwhile share the answer. */
  refresh(): Promise<void> {
    this.#refreshing ??= this.#refresh().finally(() => (this.#refreshing = undefined));
    return this.#refreshing;
  }

  async #refresh(): Promise<void> {
    const connection = await this.#anyConnection();
    const answer = await metadataV12.api.async(connection, null, false, false).catch((error: unknown) => {
      // Topics that are being made or are without a leader come with an error beside the others.
      const partial = answerOf<Awaited<ReturnType<typeof metadataV12.api.async>>>(error);
      if (!partial) throw error;
      return partial;
    });
    this.#brokers = new Map(answer.brokers.map(({ nodeId, host, port }) => [nodeId, { host, port }]));
    this.#topics.clear();
    for (const { name, topicId, partitions, isInternal } of answer.topics) {
      if (!name?.startsWith(this.prefix) || isInternal || partitions.length === 0) continue;
      const leaders = partitions.map(() => leaderUnknown);
      for (const { partitionIndex, leaderId } of partitions) leaders[partitionIndex] = leaderId;
      this.#topics.set(name.slice(this.prefix.length), { name, id: topicId, leaders });
    }
    this.#readAtMs = performance.now();
  }

  /** What is known of a topic, asked for when it is unknown or long ago; undefined when there is none. */
  async topic(name: string): Promise<KafkaTopic | undefined> {
    if (!this.#topics.has(name) || performance.now() - this.#readAtMs > metadataForMs) await this.refresh();
    return this.#topics.get(name);
  }

  /** @returns the topic, made when there is none */
  async ensureTopic(name: string): Promise<KafkaTopic> {
    const known = this.#topics.get(name);
    if (known) return known;
    let creating = this.#creating.get(name);
    if (!creating) {
      creating = this.#create(name).finally(() => this.#creating.delete(name));
      this.#creating.set(name, creating);
    }
    return creating;
  }

  async #create(name: string): Promise<KafkaTopic> {
    const known = await this.topic(name);
    if (known) return known;
    const replicas = this.options.replicas ?? Math.min(mostReplicas, this.#brokers.size);
    const configs = Object.entries({
      // What is old goes when every group has handled it, and not before: see kafka-retention.ts.
      'retention.ms': '-1', 'retention.bytes': '-1', 'cleanup.policy': 'delete', 'segment.bytes': String(64 * 1024 * 1024),
      'max.message.bytes': String(mostBatchBytes + batchOverheadBytes),
      'min.insync.replicas': String(Math.max(1, replicas - 1)),
      // Without a second copy only the disk keeps what was acknowledged.
      ...(replicas === 1 && this.options.flush && { 'flush.messages': '1' }),
    }).map(([key, value]) => ({ name: key, value }));
    const request = [{ name: `${this.prefix}${name}`, numPartitions: this.options.partitions, replicationFactor: replicas, assignments: [], configs }];
    try {
      await createTopicsV7.api.async(await this.#anyConnection(), request, this.options.requestTimeoutMs, false);
    } catch (error) {
      if (errorCodeOf(error) !== errors.topicAlreadyExists) throw error;
    }
    const deadline = performance.now() + this.options.requestTimeoutMs;
    for (;;) {
      await this.refresh();
      const topic = this.#topics.get(name);
      if (topic && !topic.leaders.includes(leaderUnknown)) return topic;
      if (this.#closed || performance.now() > deadline) throw new Error(`the topic ${name} was made and does not appear`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  /** The connection to the broker that keeps a group's members and offsets. @param group without the prefix */
  async coordinator(group: string): Promise<Connection> {
    let node = this.#coordinators.get(group);
    if (node === undefined) {
      if (this.#brokers.size === 0) await this.refresh();
      const answer = await findCoordinatorV6.api.async(await this.#anyConnection(), 0, [`${this.prefix}${group}`]);
      node = answer.coordinators[0]?.nodeId ?? leaderUnknown;
      if (!this.#brokers.has(node)) await this.refresh();
      this.#coordinators.set(group, node);
    }
    try {
      return await this.connection(node);
    } catch (error) {
      this.forgetCoordinator(group);
      throw error;
    }
  }

  /** After an error that another broker might not have given. */
  forgetCoordinator(group: string): void {
    this.#coordinators.delete(group);
  }

  /** What is under way fails. Again is fine. */
  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#base.close();
  }
}

/** What one call may append to one partition, counted in bytes of JSON. */
export const mostBatchBytes = 16 * 1024 * 1024;
const batchOverheadBytes = 1024 * 1024;
