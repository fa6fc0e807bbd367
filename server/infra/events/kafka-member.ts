/**
 * A member of a consumer group, by the protocol of KIP-848: the broker shares the partitions out, and gives one to
 * another member only when the one who has it says that it has let it go, or is counted out. There is no moment in which all
 * stand still; what stays where it is is handled without a break.
 */
import { randomUUID } from 'node:crypto';
import { consumerGroupHeartbeatV1, type Connection, describeConfigsV4, offsetCommitV9 } from '@platformatic/kafka';
import { monotonicMs } from './delivery.ts';
import { errorCodeOf, errors, isCountedOut, isRefusal, type KafkaClient } from './kafka-client.ts';
import { type Committed, committedOffsets, keyOf, type TopicPartition } from './kafka-offsets.ts';

export interface MemberEvents {
  /** These are ours now, and no others. */
  assigned(partitions: readonly TopicPartition[]): void;
  /** Counted out: others may hold what we held. */
  lost(): void;
  /** The broker answers after a silence: what was read meanwhile may be handled now. */
  heardAgain(): void;
}

export interface OffsetCommit extends TopicPartition, Committed {}

/** What a broker waits for when we do not know better: Kafka's own default. */
const defaultSessionMs = 45_000;
/** How long a batch may take that holds up a partition which belongs to another member. */
const rebalanceTimeoutMs = 300_000;
const joining = 0;
const leaving = -1;
const failurePauseMs = 250;
const groupResource = 32;

export class KafkaMember {
  readonly #client: KafkaClient;
  readonly #group: string;
  readonly #topics: readonly string[];
  readonly #events: MemberEvents;
  readonly #id = randomUUID();
  #epoch = joining;
  /** Whether the answer to the last heartbeat reached us. The broker says once what is assigned, and may have said it in one that did not. */
  #heardLast = false;
  #owned: readonly TopicPartition[] = [];
  #sessionMs = defaultSessionMs;
  #intervalMs = 1000;
  #aliveUntilMs = 0;
  #wake: (() => void) | undefined;
  #wakeAsked = false;
  #stopped = false;
  #commitUntilMs = Number.POSITIVE_INFINITY;
  #running: Promise<void> = Promise.resolve();
  /** Resolves when the epoch may have changed. */
  #beaten = Promise.withResolvers<void>();

  constructor(client: KafkaClient, group: string, topics: readonly string[], events: MemberEvents) {
    this.#client = client;
    this.#group = group;
    this.#topics = topics;
    this.#events = events;
  }

  get isAlive(): boolean {
    return monotonicMs() < this.#aliveUntilMs;
  }

  start(): void {
    this.#running = this.#beatForEver();
  }

  /** What we hold now, with what we still have to let go. The broker is told at once. */
  own(partitions: readonly TopicPartition[]): void {
    this.#owned = partitions;
    this.beatNow();
  }

  beatNow(): void {
    this.#wakeAsked = true;
    this.#wake?.();
  }

  async #beatForEver(): Promise<void> {
    let failures = 0;
    this.#sessionMs = await this.#askSession();
    while (!this.#stopped) {
      this.#wakeAsked = false;
      try {
        await this.#beat();
        failures = 0;
      } catch (error) {
        failures++;
        this.#afterFailure(error, failures);
      }
      const { resolve } = this.#beaten;
      this.#beaten = Promise.withResolvers<void>();
      resolve();
      await this.#pause(failures === 0 ? this.#intervalMs : Math.min(5000, failurePauseMs * failures));
    }
  }

  async #beat(): Promise<void> {
    const askedAtMs = monotonicMs();
    const isJoining = this.#epoch === joining;
    const connection = await this.#client.coordinator(this.#group);
    const isWhole = isJoining || !this.#heardLast;
    this.#heardLast = false;
    const answer = await this.#heartbeat(connection, this.#epoch, isJoining ? [] : this.#owned, isWhole);
    this.#heardLast = true;
    this.#epoch = answer.memberEpoch;
    this.#intervalMs = answer.heartbeatIntervalMs;
    const wasAlive = this.isAlive;
    this.#aliveUntilMs = askedAtMs + this.#sessionMs;
    if (!wasAlive) this.#events.heardAgain();
    if (!answer.assignment) return;
    const names = new Map([...this.#client.topics].map(([name, { id }]) => [id, name]));
    if (answer.assignment.topicPartitions.some(({ topicId }) => !names.has(topicId))) {
      await this.#client.refresh();
      for (const [name, { id }] of this.#client.topics) names.set(id, name);
    }
    this.#events.assigned(answer.assignment.topicPartitions.flatMap(({ topicId, partitions }) => partitions.map((partition) => ({ topic: names.get(topicId) ?? topicId, partition }))));
  }

  /** @param isWhole says everything about us, so that the broker says what is assigned, whether that has changed or not */
  #heartbeat(connection: Connection, epoch: number, owned: readonly TopicPartition[], isWhole = false) {
    const { prefix } = this.#client;
    const byTopic = Map.groupBy(owned, ({ topic }) => topic);
    const topicPartitions = [...byTopic].map(([topic, entries]) => ({ topicId: this.#client.topics.get(topic)?.id ?? '', partitions: entries.map(({ partition }) => partition) })).filter(({ topicId }) => topicId !== '');
    return consumerGroupHeartbeatV1.api.async(connection, `${prefix}${this.#group}`, this.#id, epoch, null, null, isWhole ? rebalanceTimeoutMs : -1, isWhole ? this.#topics.map((topic) => `${prefix}${topic}`) : null, null, null, topicPartitions);
  }

  #afterFailure(error: unknown, failures: number): void {
    this.#client.forgetCoordinator(this.#group);
    if (isCountedOut(error)) {
      this.#becomeLost();
      this.beatNow();
      return;
    }
    const { logger } = this.#client.options;
    if (isRefusal(error)) logger?.error({ error, group: this.#group }, 'Kafka does not allow this program to read as this group; it is tried again');
    else if (failures === 5) logger?.warn({ error, group: this.#group }, 'Kafka does not answer a member of this group; it is tried again');
    // Another broker may know the group by now.
    void this.#client.refresh().catch(() => undefined);
  }

  #becomeLost(): void {
    this.#epoch = joining;
    this.#aliveUntilMs = 0;
    this.#owned = [];
    this.#events.lost();
  }

  async #pause(ms: number): Promise<void> {
    if (this.#wakeAsked || this.#stopped) return;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, ms);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    this.#wake = undefined;
  }

  /** After how long without a word the broker counts us out; it decides, for each group. */
  async #askSession(): Promise<number> {
    try {
      const connection = await this.#client.coordinator(this.#group);
      const { results } = await describeConfigsV4.api.async(connection, [{ resourceType: groupResource, resourceName: `${this.#client.prefix}${this.#group}`, configurationKeys: ['consumer.session.timeout.ms'] }], false, false);
      const given = Number(results[0]?.configs[0]?.value);
      return given > 0 ? given : defaultSessionMs;
    } catch (error) {
      this.#client.options.logger?.debug({ error, group: this.#group }, 'the session timeout of a group cannot be asked for; the default is taken');
      return defaultSessionMs;
    }
  }

  /** How far the group is with these; asked under our name, so that what their last holder wrote is in it. */
  offsets(partitions: readonly TopicPartition[]): Promise<Map<string, Committed>> {
    return committedOffsets(this.#client, this.#group, partitions, () => ({ memberId: this.#id, memberEpoch: this.#epoch }));
  }

  /**
   * Writes down how far we are, as the member that we are now.
   * @returns the keys of those that were not taken, because we are not that member any more
   */
  async commit(commits: readonly OffsetCommit[], isStillOurs: (commit: OffsetCommit) => boolean): Promise<Set<string>> {
    for (let failures = 0; ; failures++) {
      const own = commits.filter(isStillOurs);
      const lost = new Set(commits.filter((commit) => !own.includes(commit)).map(({ topic, partition }) => keyOf(topic, partition)));
      if (own.length === 0 || this.#epoch === joining) return new Set(commits.map(({ topic, partition }) => keyOf(topic, partition)));
      try {
        await this.#commitNow(own);
        return lost;
      } catch (error) {
        if (isRefusal(error)) throw error;
        const code = errorCodeOf(error);
        if (isCountedOut(error)) {
          this.#becomeLost();
          this.beatNow();
          return new Set(commits.map(({ topic, partition }) => keyOf(topic, partition)));
        }
        if (code !== errors.staleMemberEpoch) this.#client.forgetCoordinator(this.#group);
        if (this.#client.isClosed || monotonicMs() > this.#commitUntilMs) throw error;
        // The broker has given us a new epoch, and its answer is on its way.
        await this.#nextBeat(code === errors.staleMemberEpoch ? 50 : failurePauseMs);
      }
    }
  }

  async #commitNow(commits: readonly OffsetCommit[]): Promise<void> {
    const byTopic = Map.groupBy(commits, ({ topic }) => topic);
    const request = [...byTopic].map(([topic, entries]) => ({
      name: `${this.#client.prefix}${topic}`,
      partitions: entries.map(({ partition, offset, handled }) => ({ partitionIndex: partition, committedOffset: BigInt(offset), committedLeaderEpoch: -1, committedMetadata: String(handled) })),
    }));
    const connection = await this.#client.coordinator(this.#group);
    await offsetCommitV9.api.async(connection, `${this.#client.prefix}${this.#group}`, this.#epoch, this.#id, null, request);
  }

  async #nextBeat(atMostMs: number): Promise<void> {
    const timeout = Promise.withResolvers<void>();
    const timer = setTimeout(timeout.resolve, atMostMs);
    await Promise.race([this.#beaten.promise, timeout.promise]);
    clearTimeout(timer);
  }

  /** From now on an acknowledgement that nobody takes is given up after this. */
  hurry(withinMs: number): void {
    this.#commitUntilMs = monotonicMs() + withinMs;
  }

  /** Lets the others have at once what we hold. */
  async leave(): Promise<void> {
    this.#stopped = true;
    this.#wake?.();
    await this.#running;
    if (this.#epoch === joining) return;
    try {
      await this.#heartbeat(await this.#client.coordinator(this.#group), leaving, []);
    } catch (error) {
      // Nobody answered: we are counted out when our session ends.
      this.#client.options.logger?.debug({ error, group: this.#group }, 'a group could not be left');
    }
  }
}
