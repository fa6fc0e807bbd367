import type { Clock } from '../clock/port.ts';
import type { Logger } from '../observability/port.ts';
import { Delivery, endOf, type DeliverySettings, type HeldPartition, monotonicMs, newlyHeld, type OffsetEvent, type Slice } from './delivery.ts';
import type { Membership, PartitionName } from './lmdb-membership.ts';
import type { LogStorage } from './lmdb-storage.ts';
import type { CloudEvent, SubscribeOptions, Subscription } from './port.ts';

export interface SubscriptionSettings extends DeliverySettings {
  leaseMs: number;
}

interface LmdbHeldPartition extends HeldPartition, PartitionName {
  /** The member that holds it: this one, until it is counted out. */
  memberId: string;
}

interface Surroundings {
  storage: LogStorage;
  membership: Membership;
  settings: SubscriptionSettings;
  clock: Clock;
  logger: Logger | undefined;
  /** Something was appended by the subscription itself: a dead letter. */
  appended(topic: string): void;
}

/** One member of a group. */
export class LmdbSubscription implements Subscription {
  readonly #options: SubscribeOptions;
  readonly #around: Surroundings;
  readonly #held = new Map<string, LmdbHeldPartition>();
  readonly #delivery: Delivery<LmdbHeldPartition>;
  #memberId: string | undefined;
  #generation = -1;
  #aliveUntilMs = 0;
  #balancing: Promise<void> | undefined;
  #balanceAgain = false;
  /** A partition that belongs to another member now is given back as soon as it is not in hand. */
  #owesOne = false;
  #closing = false;
  #closed: Promise<void> | undefined;

  constructor(options: SubscribeOptions, around: Surroundings) {
    this.#options = options;
    this.#around = around;
    this.#delivery = new Delivery(options, {
      held: () => (monotonicMs() < this.#aliveUntilMs ? this.#held.values() : []),
      read: ({ topic, partition }, offset, limit) => around.storage.read(topic, partition, offset, limit),
      acknowledge: (slices) => this.#acknowledge(slices),
      bury: (held, failed, letter) => this.#bury(held, failed, letter),
      lost: (lost) => this.#lose(lost),
      letGo: () => {
        if (this.#owesOne) this.#rebalance();
      },
    }, around);
    // The first write is asked for before anything else is appended: `newest` means from here on.
    this.#rebalance();
    this.#delivery.start();
  }

  reads(topic: string): boolean {
    return this.#options.topics.includes(topic);
  }

  /** There may be something to hand over. */
  wake(): void {
    this.#delivery.wake();
  }

  /** Called at every poll: renews the membership when it is time, and answers changes of the group. */
  poll(): void {
    const { membership, settings } = this.#around;
    const isDue = monotonicMs() > this.#aliveUntilMs - (settings.leaseMs * 2) / 3;
    if (isDue || membership.generation(this.#options.group) !== this.#generation) this.#rebalance();
  }

  close(): Promise<void> {
    this.#closed ??= this.#close();
    return this.#closed;
  }

  async #close(): Promise<void> {
    this.#closing = true;
    await this.#delivery.stop();
    while (this.#balancing) await this.#balancing;
    const { storage, membership } = this.#around;
    const memberId = this.#memberId;
    if (memberId !== undefined) await storage.write(() => membership.leave(this.#options.group, memberId));
  }

  /** One at a time; asked for during one, it runs once more. */
  #rebalance(): void {
    if (this.#closing) return;
    if (this.#balancing) {
      this.#balanceAgain = true;
      return;
    }
    this.#balancing = this.#balance()
      .catch((error: unknown) => this.#around.logger?.error({ error, group: this.#options.group }, 'the event group cannot be balanced; it is tried again'))
      .finally(() => {
        this.#balancing = undefined;
        if (this.#balanceAgain) {
          this.#balanceAgain = false;
          this.#rebalance();
        }
      });
  }

  async #balance(): Promise<void> {
    const { storage, membership, settings } = this.#around;
    const { group, topics, from = 'oldest' } = this.#options;
    const askedAtMs = monotonicMs();
    const outcome = await storage.write(() => {
      const inHand = (topicId: number, partition: number) => (this.#held.get(`${topicId}/${partition}`)?.inHand ?? 0) > 0;
      const known = this.#memberId === undefined ? undefined : membership.balance(group, this.#memberId, inHand);
      // Counted out, after a long standstill: another member may hold the partitions by now.
      if (!known) this.#held.clear();
      const memberId = known && this.#memberId !== undefined ? this.#memberId : membership.join(group, topics, from);
      const share = known ?? membership.balance(group, memberId, () => false);
      if (!share) throw new Error('a member that has joined must have a share');
      // What is given back must not be handed over any more, from this very moment.
      const kept = new Set(share.partitions.map(({ topic, partition }) => `${topic.id}/${partition}`));
      for (const key of this.#held.keys()) if (!kept.has(key)) this.#held.delete(key);
      const fresh = share.partitions
        .filter(({ topic, partition }) => !this.#held.has(`${topic.id}/${partition}`))
        .map((name) => ({ ...name, ...newlyHeld, memberId, offset: storage.groupOffset(group, name.topic, name.partition) ?? 0 }));
      return { memberId, share, fresh };
    });
    this.#memberId = outcome.memberId;
    this.#generation = outcome.share.generation;
    this.#aliveUntilMs = askedAtMs + settings.leaseMs;
    for (const held of outcome.fresh) this.#held.set(`${held.topic.id}/${held.partition}`, held);
    this.#owesOne = outcome.share.owesOne;
    this.wake();
  }

  #acknowledge(slices: readonly Slice<LmdbHeldPartition>[]): Promise<Slice<LmdbHeldPartition>[]> {
    const { storage, membership } = this.#around;
    const { group } = this.#options;
    return storage.write(() => slices.filter(({ held, events }) => {
      if (!membership.holds(group, held.memberId, held.topic.id, held.partition)) return true;
      storage.setGroupOffset(group, held.topic, held.partition, endOf(events));
      storage.count('handled', events.length);
      return false;
    }));
  }

  /** In one transaction. */
  async #bury(held: LmdbHeldPartition, failed: OffsetEvent, letter: CloudEvent): Promise<boolean> {
    const { storage, membership, appended } = this.#around;
    const { group } = this.#options;
    const buried = await storage.write(() => {
      if (!membership.holds(group, held.memberId, held.topic.id, held.partition)) return false;
      storage.append(letter.type, [{ subject: letter.subject, json: JSON.stringify(letter) }]);
      storage.setGroupOffset(group, held.topic, held.partition, failed.offset + 1);
      return true;
    });
    if (buried) appended(letter.type);
    return buried;
  }

  #lose(lost: readonly LmdbHeldPartition[]): void {
    for (const held of lost) {
      const key = `${held.topic.id}/${held.partition}`;
      if (this.#held.get(key) === held) this.#held.delete(key);
    }
    this.#rebalance();
  }
}
