import { mkdir } from 'node:fs/promises';
import type { Clock } from '../clock/port.ts';
import { systemClock } from '../clock/system.ts';
import type { Logger } from '../observability/port.ts';
import { defaultDeliverySettings } from './delivery.ts';
import { Membership } from './lmdb-membership.ts';
import { type EncodedEvent, LogStorage } from './lmdb-storage.ts';
import { LmdbSubscription, type SubscriptionSettings } from './lmdb-subscription.ts';
import { checkReading, checkSubscription, checkTopic } from './names.ts';
import type { CloudEvent, EventLog, SubscribeOptions, Subscription } from './port.ts';
import { Retention } from './retention.ts';

export interface LmdbEventLogOptions extends Partial<SubscriptionSettings> {
  folder: string;
  /** Of topics that are new; a topic keeps its number. 8 unless given. */
  partitions?: number;
  clock?: Clock;
  logger?: Logger;
  /** Topics whose events are removed by themselves: how old they get once every group has handled them. Those of other topics stay. */
  retentionMs?: Readonly<Record<string, number>>;
  /** How often it looks for what other processes have appended. 100 unless given. */
  pollIntervalMs?: number;
}

interface PendingAppend {
  topic: string;
  events: EncodedEvent[];
  resolve(): void;
  reject(error: unknown): void;
}

const maximumEventsPerTransaction = 10_000;
const trimmedPerTransaction = 1000;

class LmdbEventLog implements EventLog {
  readonly #storage: LogStorage;
  readonly #membership: Membership;
  readonly #settings: SubscriptionSettings;
  readonly #clock: Clock;
  readonly #logger: Logger | undefined;
  readonly #pollIntervalMs: number;
  readonly #subscriptions = new Set<LmdbSubscription>();
  #pending: PendingAppend[] = [];
  #appending: Promise<void> | undefined;
  #polling: NodeJS.Timeout | undefined;
  readonly #retention: Retention;
  #publishedAtPoll = -1;
  #closed: Promise<void> | undefined;

  constructor(options: LmdbEventLogOptions) {
    const { folder, partitions = 8, clock = systemClock(), logger, pollIntervalMs = 100, retentionMs = {} } = options;
    const { leaseMs = 10_000, maximumAttempts, retryPauseMs, maximumRetryPauseMs } = { ...defaultDeliverySettings, ...options };
    if (!Number.isInteger(partitions) || partitions < 1 || partitions > 65_535) throw new RangeError(`partitions must be a whole number from 1 to 65535, not ${partitions}`);
    this.#storage = new LogStorage(folder, partitions);
    this.#membership = new Membership(this.#storage, leaseMs);
    this.#settings = { leaseMs, maximumAttempts, retryPauseMs, maximumRetryPauseMs };
    this.#clock = clock;
    this.#logger = logger;
    this.#pollIntervalMs = pollIntervalMs;
    this.#retention = new Retention(retentionMs, (topic, olderThanMs) => this.trim(topic, olderThanMs), (error) => logger?.error({ error }, 'old events cannot be removed; it is tried again'));
  }

  async append(topic: string, events: readonly CloudEvent[]): Promise<void> {
    this.#mustBeOpen();
    checkTopic(topic);
    const encoded = events.map(encode);
    if (encoded.length === 0) return;
    await new Promise<void>((resolve, reject) => {
      this.#pending.push({ topic, events: encoded, resolve, reject });
      this.#appending ??= this.#appendAll();
    });
  }

  /** What is asked for while one transaction is on its way to the disk goes together into the next. */
  async #appendAll(): Promise<void> {
    try {
      while (this.#pending.length > 0) {
        // All that is asked for in this turn goes together, also by callers that were answered just now.
        await new Promise((resolve) => setImmediate(resolve));
        await this.#appendBatch(this.#takePending());
      }
    } finally {
      // In the very step that saw nothing pending: the next append begins anew.
      this.#appending = undefined;
    }
  }

  async #appendBatch(batch: readonly PendingAppend[]): Promise<void> {
    try {
      await this.#storage.write(() => {
        for (const [topic, events] of groupByTopic(batch)) this.#storage.append(topic, events);
      });
    } catch (error) {
      for (const { reject } of batch) reject(error);
      return;
    }
    for (const { resolve } of batch) resolve();
    for (const topic of new Set(batch.map((append) => append.topic))) this.#wake(topic);
  }

  #takePending(): PendingAppend[] {
    let events = 0;
    let count = 0;
    for (const append of this.#pending) {
      if (count > 0 && events + append.events.length > maximumEventsPerTransaction) break;
      events += append.events.length;
      count++;
    }
    const batch = this.#pending.slice(0, count);
    this.#pending = this.#pending.slice(count);
    return batch;
  }

  subscribe(options: SubscribeOptions): Subscription {
    this.#mustBeOpen();
    checkSubscription(options);
    const subscription = new LmdbSubscription(options, {
      storage: this.#storage, membership: this.#membership, settings: this.#settings, clock: this.#clock, logger: this.#logger,
      appended: (topic) => this.#wake(topic),
    });
    this.#subscriptions.add(subscription);
    this.#polling ??= setInterval(() => this.#poll(), this.#pollIntervalMs);
    return {
      close: async () => {
        await subscription.close();
        this.#subscriptions.delete(subscription);
        if (this.#subscriptions.size > 0) return;
        clearInterval(this.#polling);
        this.#polling = undefined;
      },
    };
  }

  #wake(topic: string): void {
    for (const subscription of this.#subscriptions) if (subscription.reads(topic)) subscription.wake();
  }

  #poll(): void {
    try {
      this.#storage.refresh();
      const published = this.#storage.counter('published');
      for (const subscription of this.#subscriptions) {
        subscription.poll();
        if (published !== this.#publishedAtPoll) subscription.wake();
      }
      this.#publishedAtPoll = published;
    } catch (error) {
      this.#logger?.error({ error }, 'the event log cannot be polled; it is tried again');
    }
  }

  async read(topic: string, partition: number, offset: number, limit: number): Promise<{ offset: number; event: CloudEvent }[]> {
    this.#mustBeOpen();
    checkTopic(topic);
    checkReading(topic, this.partitions(topic), { partition, offset, limit });
    const stored = this.#storage.topic(topic);
    return stored ? this.#storage.read(stored, partition, offset, limit) : [];
  }

  partitions(topic: string): number {
    return this.#storage.partitions(topic);
  }

  async lag(group: string, topic: string): Promise<number> {
    this.#mustBeOpen();
    const stored = this.#storage.topic(topic);
    let behind = 0;
    for (let partition = 0; stored && partition < stored.partitions; partition++) {
      const { first, next } = this.#storage.ends(stored, partition);
      behind += next - Math.max(first, this.#storage.groupOffset(group, stored, partition) ?? first);
    }
    return behind;
  }

  async statistics(): Promise<{ published: number; handled: number }> {
    this.#mustBeOpen();
    return { published: this.#storage.counter('published'), handled: this.#storage.counter('handled') };
  }

  /**
   * Removes events that are older by their `time`, from the oldest on, up to the first that is
   * younger or that a group which has ever read the topic has not handled yet.
   * @returns how many were removed
   */
  async trim(topic: string, olderThanMs: number): Promise<number> {
    checkTopic(topic);
    const beforeMs = this.#clock.nowMs() - olderThanMs;
    const stored = this.#storage.topic(topic);
    let removed = 0;
    for (let partition = 0; stored && partition < stored.partitions; partition++) {
      for (let cut = 1; cut > 0 && !this.#closed; removed += cut) {
        cut = await this.#storage.write(() => {
          const { first, next } = this.#storage.ends(stored, partition);
          const handledBefore = Math.min(next, ...this.#storage.groupOffsets(stored, partition));
          const oldest = this.#storage.times(stored, partition, first, trimmedPerTransaction);
          const kept = oldest.find(({ offset, timeMs }) => offset >= handledBefore || !(timeMs < beforeMs));
          const keepFrom = kept?.offset ?? first + oldest.length;
          this.#storage.removeBefore(stored, partition, keepFrom);
          return keepFrom - first;
        });
      }
    }
    return removed;
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    clearInterval(this.#polling);
    await this.#retention.stop();
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()));
    await this.#appending;
    await this.#storage.root.close();
  }

  #mustBeOpen(): void {
    if (this.#closed) throw new Error('the event log is closed');
  }
}

function encode(event: CloudEvent): EncodedEvent {
  if (typeof event.subject !== 'string' || event.subject === '') throw new TypeError('an event needs a subject: it keeps the order');
  return { subject: event.subject, json: JSON.stringify(event) };
}

function groupByTopic(batch: readonly PendingAppend[]): Map<string, EncodedEvent[]> {
  const byTopic = new Map<string, EncodedEvent[]>();
  for (const { topic, events } of batch) {
    const together = byTopic.get(topic);
    if (together) for (const event of events) together.push(event);
    else byTopic.set(topic, [...events]);
  }
  return byTopic;
}

/**
 * Opens the event log in a folder, which several processes of one machine may share.
 * @throws RangeError for settings that cannot be
 */
export async function openLmdbEventLog(options: LmdbEventLogOptions): Promise<EventLog & { trim(topic: string, olderThanMs: number): Promise<number> }> {
  await mkdir(options.folder, { recursive: true });
  return new LmdbEventLog(options);
}
