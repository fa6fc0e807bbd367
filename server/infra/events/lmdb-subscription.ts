import { v7 } from 'uuid';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../observability/port.ts';
import { type Membership, monotonicMs, type PartitionName } from './lmdb-membership.ts';
import type { LogStorage } from './lmdb-storage.ts';
import type { CloudEvent, SubscribeOptions, Subscription } from './port.ts';

export interface SubscriptionSettings {
  leaseMs: number;
  /** How often an event that fails alone is tried before it goes to the dead-letter topic. */
  maximumAttempts: number;
  /** The pause after the first failure; each further one doubles it. */
  retryPauseMs: number;
  maximumRetryPauseMs: number;
}

/** A partition that this member holds. */
interface HeldPartition extends PartitionName {
  /** The next one to hand over. */
  offset: number;
  /** Batches that are handed over and not acknowledged yet. */
  inHand: number;
  /** Since the last event was done. */
  failures: number;
  notBeforeMs: number;
  /** While a failing event is looked for: how many to try at once, up to which offset. */
  suspects?: { atOnce: number; until: number };
}

interface Slice {
  held: HeldPartition;
  memberId: string;
  events: { offset: number; event: CloudEvent }[];
}

/** A batch that is handed over while those in front of it are not done yet. */
interface UnderWay {
  slices: Slice[];
  done: boolean;
  failure: { reason: unknown } | undefined;
  /** Never rejects. */
  handled: Promise<void>;
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

const storageRetryMs = 1000;

/** One member of a group. `concurrency` lanes work side by side; a partition always belongs to the same lane. */
export class LmdbSubscription implements Subscription {
  readonly #options: SubscribeOptions;
  readonly #around: Surroundings;
  readonly #maximumBatch: number;
  readonly #lanes: number;
  readonly #ahead: number;
  readonly #held = new Map<string, HeldPartition>();
  readonly #sleepers = new Set<() => void>();
  readonly #running: Promise<void>;
  #memberId: string | undefined;
  #generation = -1;
  #aliveUntilMs = 0;
  #balancing: Promise<void> | undefined;
  #balanceAgain = false;
  /** A partition that belongs to another member now is given back as soon as it is not in hand. */
  #owesOne = false;
  #closing = false;
  #closed: Promise<void> | undefined;
  #turn = 0;

  constructor(options: SubscribeOptions, around: Surroundings) {
    this.#options = options;
    this.#around = around;
    this.#maximumBatch = options.maximumBatch ?? 500;
    this.#lanes = options.concurrency ?? 1;
    this.#ahead = options.ahead ?? 1;
    // The first write is asked for before anything else is appended: `newest` means from here on.
    this.#rebalance();
    this.#running = Promise.all(Array.from({ length: this.#lanes }, (_, lane) => (this.#ahead > 1 ? this.#workAhead(lane) : this.#work(lane)))).then(() => undefined);
  }

  reads(topic: string): boolean {
    return this.#options.topics.includes(topic);
  }

  /** There may be something to hand over. */
  wake(): void {
    for (const resume of [...this.#sleepers]) resume();
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
    this.wake();
    await this.#running;
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
        .map((name) => ({ ...name, offset: storage.groupOffset(group, name.topic, name.partition) ?? 0, inHand: 0, failures: 0, notBeforeMs: 0 }));
      return { memberId, share, fresh };
    });
    this.#memberId = outcome.memberId;
    this.#generation = outcome.share.generation;
    this.#aliveUntilMs = askedAtMs + settings.leaseMs;
    for (const held of outcome.fresh) this.#held.set(`${held.topic.id}/${held.partition}`, held);
    this.#owesOne = outcome.share.owesOne;
    this.wake();
  }

  async #work(lane: number): Promise<void> {
    while (!this.#closing) {
      let slices: Slice[] = [];
      try {
        slices = this.#take(lane);
        for (const { held } of slices) held.inHand++;
        if (slices.length > 0) await this.#deliver(slices);
        else await this.#sleep(lane);
      } catch (error) {
        this.#around.logger?.error({ error, group: this.#options.group }, 'events cannot be read or acknowledged; it is tried again');
        for (const { held } of slices) held.notBeforeMs = monotonicMs() + storageRetryMs;
        if (slices.length === 0) await this.#sleep(lane, storageRetryMs);
      } finally {
        this.#letGo(slices);
      }
    }
  }

  #letGo(slices: readonly Slice[]): void {
    for (const { held } of slices) held.inHand--;
    if (slices.length > 0 && this.#owesOne) this.#rebalance();
  }

  /** As `#work`, but the next batches are handed over before the first is done. */
  async #workAhead(lane: number): Promise<void> {
    const underWay: UnderWay[] = [];
    while (!this.#closing || underWay.length > 0) {
      try {
        await this.#settle(underWay);
        const looksForFailure = this.#ofLane(lane).some(({ failures, suspects }) => failures > 0 || suspects);
        const mayTake = !this.#closing && underWay.length < (looksForFailure ? 1 : this.#ahead);
        const slices = mayTake ? this.#take(lane) : [];
        if (slices.length > 0) underWay.push(this.#handOver(slices));
        else if (underWay[0]?.done) continue;
        else if (this.#closing) await underWay[0]?.handled;
        else await this.#sleep(lane);
      } catch (error) {
        this.#around.logger?.error({ error, group: this.#options.group }, 'events cannot be read or acknowledged; it is tried again');
        await this.#sleep(lane, storageRetryMs);
      }
    }
  }

  #handOver(slices: Slice[]): UnderWay {
    for (const { held, events } of slices) {
      held.inHand++;
      held.offset = endOf(events);
    }
    const entry: UnderWay = { slices, done: false, failure: undefined, handled: Promise.resolve() };
    entry.handled = this.#options.handle(slices.flatMap(({ events }) => events.map(({ event }) => event)))
      .catch((error: unknown) => {
        entry.failure = { reason: error ?? new Error('the handler gave no reason') };
      })
      .finally(() => {
        entry.done = true;
        this.wake();
      });
    return entry;
  }

  /** Acknowledges what is done, in order. After a failure everything from there on goes back to where it was taken. */
  async #settle(underWay: UnderWay[]): Promise<void> {
    for (let front = underWay[0]; front?.done; front = underWay[0]) {
      if (front.failure) {
        await Promise.all(underWay.map(({ handled }) => handled));
        for (const { slices } of underWay.toReversed()) for (const { held, events } of slices) held.offset = events[0]?.offset ?? held.offset;
        for (const { slices } of underWay.splice(0)) this.#letGo(slices);
        await this.#afterFailure(front.slices, front.failure.reason);
        return;
      }
      const waiting = underWay.findIndex(({ done, failure }) => !done || failure);
      const entries = underWay.slice(0, waiting < 0 ? underWay.length : waiting);
      await this.#acknowledge(entries.flatMap(({ slices }) => slices));
      underWay.splice(0, entries.length);
      for (const { slices } of entries) this.#letGo(slices);
    }
  }

  #ofLane(lane: number): HeldPartition[] {
    return [...this.#held.values()].filter(({ partition }) => partition % this.#lanes === lane);
  }

  /** Events to hand over now, from several partitions together. One where something failed goes alone. */
  #take(lane: number): Slice[] {
    const nowMs = monotonicMs();
    if (nowMs >= this.#aliveUntilMs) return [];
    const ready = this.#ofLane(lane).filter(({ notBeforeMs }) => notBeforeMs <= nowMs);
    const failing = ready.find(({ failures, suspects }) => failures > 0 || suspects);
    if (failing) {
      const slice = this.#slice(failing, this.#maximumBatch);
      if (slice) return [slice];
    }
    // Another partition begins each time, so that a full one does not hold up the others.
    const turn = ready.length === 0 ? 0 : this.#turn++ % ready.length;
    const slices: Slice[] = [];
    let room = this.#maximumBatch;
    for (const held of [...ready.slice(turn), ...ready.slice(0, turn)]) {
      const slice = held === failing ? undefined : this.#slice(held, room);
      if (!slice) continue;
      slices.push(slice);
      room -= slice.events.length;
      if (room === 0) break;
    }
    return slices;
  }

  #slice(held: HeldPartition, maximum: number): Slice | undefined {
    const { suspects } = held;
    const limit = suspects ? Math.min(maximum, suspects.atOnce, suspects.until - held.offset) : maximum;
    const events = this.#around.storage.read(held.topic, held.partition, held.offset, limit);
    if (events.length === 0 || this.#memberId === undefined) return undefined;
    return { held, memberId: this.#memberId, events };
  }

  async #deliver(slices: readonly Slice[]): Promise<void> {
    let failure: unknown;
    try {
      await this.#options.handle(slices.flatMap(({ events }) => events.map(({ event }) => event)));
    } catch (error) {
      failure = error ?? new Error('the handler gave no reason');
    }
    if (failure === undefined) await this.#acknowledge(slices);
    else await this.#afterFailure(slices, failure);
  }

  async #afterFailure(slices: readonly Slice[], failure: unknown): Promise<void> {
    const [first] = slices;
    if (slices.length === 1 && first) await this.#retryLater(first, failure);
    // One partition's failure must not hold up the others.
    else for (const slice of slices) if (!this.#closing) await this.#deliver([slice]);
  }

  async #acknowledge(slices: readonly Slice[]): Promise<void> {
    const { storage, membership } = this.#around;
    const { group } = this.#options;
    const lost = await storage.write(() => slices.filter(({ held, memberId, events }) => {
      if (!membership.holds(group, memberId, held.topic.id, held.partition)) return true;
      storage.setGroupOffset(group, held.topic, held.partition, endOf(events));
      storage.count('handled', events.length);
      return false;
    }));
    for (const { held, events } of slices) progress(held, endOf(events));
    if (lost.length > 0) {
      for (const { held } of lost) this.#forget(held);
      this.#rebalance();
    }
  }

  /** After a second failure ever fewer events are tried at once, until the one that fails is alone. */
  async #retryLater({ held, memberId, events }: Slice, error: unknown): Promise<void> {
    const { settings, logger } = this.#around;
    held.failures++;
    const [first] = events;
    if (events.length === 1 && first && held.failures >= settings.maximumAttempts) {
      await this.#bury(held, memberId, first, error);
      return;
    }
    if (events.length > 1 && held.failures >= 2) {
      held.suspects = { atOnce: Math.ceil(events.length / 2), until: Math.max(endOf(events), held.suspects?.until ?? 0) };
      held.failures = 0;
    }
    const pauseMs = Math.min(settings.maximumRetryPauseMs, settings.retryPauseMs * 2 ** Math.max(0, held.failures - 1));
    held.notBeforeMs = monotonicMs() + pauseMs;
    logger?.warn({ error, group: this.#options.group, topic: held.name, partition: held.partition, offset: held.offset, events: events.length, failures: held.failures, pauseMs }, 'events could not be handled; they are handed over again');
  }

  /** The event that fails goes to the dead-letter topic, and the group past it, in one transaction. */
  async #bury(held: HeldPartition, memberId: string, failed: Slice['events'][number], error: unknown): Promise<void> {
    const { storage, membership, clock, logger, appended } = this.#around;
    const { group } = this.#options;
    const letterTopic = `${held.name}.dead-letter`;
    const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
    const letter: CloudEvent = {
      specversion: '1.0', id: v7({ msecs: clock.nowMs() }), source: `/${group}`, type: `${held.name}.dead-letter`, subject: failed.event.subject, time: clock.now().toISOString(),
      datacontenttype: 'application/json', dataschemaversion: 1,
      data: { group, topic: held.name, partition: held.partition, offset: failed.offset, attempts: held.failures, error: { name, message }, event: failed.event },
    };
    const buried = await storage.write(() => {
      if (!membership.holds(group, memberId, held.topic.id, held.partition)) return false;
      storage.append(letterTopic, [{ subject: letter.subject, json: JSON.stringify(letter) }]);
      storage.setGroupOffset(group, held.topic, held.partition, failed.offset + 1);
      return true;
    });
    if (!buried) {
      this.#forget(held);
      return;
    }
    logger?.error({ error, group, topic: held.name, eventId: failed.event.id, attempts: held.failures }, `an event could not be handled; it is in ${letterTopic} now`);
    progress(held, failed.offset + 1);
    appended(letterTopic);
  }

  #forget(held: HeldPartition): void {
    const key = `${held.topic.id}/${held.partition}`;
    if (this.#held.get(key) === held) this.#held.delete(key);
  }

  /** Until it is woken, or until the pause of a partition ends. */
  async #sleep(lane: number, atMostMs = Number.POSITIVE_INFINITY): Promise<void> {
    if (this.#closing) return;
    const nowMs = monotonicMs();
    const pausesMs = this.#ofLane(lane).map(({ notBeforeMs }) => notBeforeMs - nowMs).filter((pauseMs) => pauseMs > 0);
    const pauseMs = Math.min(atMostMs, ...pausesMs);
    await new Promise<void>((resolve) => {
      const resume = () => {
        clearTimeout(timer);
        this.#sleepers.delete(resume);
        resolve();
      };
      const timer = Number.isFinite(pauseMs) ? setTimeout(resume, pauseMs) : undefined;
      this.#sleepers.add(resume);
    });
  }
}

const endOf = (events: Slice['events']): number => (events.at(-1)?.offset ?? -1) + 1;

function progress(held: HeldPartition, offset: number): void {
  // Further on than that when more was handed over ahead.
  held.offset = Math.max(held.offset, offset);
  held.failures = 0;
  held.notBeforeMs = 0;
  if (held.suspects && offset >= held.suspects.until) delete held.suspects;
  else if (held.suspects) held.suspects.atOnce *= 2;
}
