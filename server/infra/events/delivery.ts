/**
 * How a member of a group hands over what it holds, whatever the log stands on: lanes side by side, batches over
 * several partitions, the next ones ahead, pauses after a failure, ever fewer events at once, dead letters. Where events come from, how they
 * are acknowledged and who holds which partition is the adapter's.
 */
import { v7 } from 'uuid';
import type { Clock } from '../clock/port.ts';
import type { Logger } from '../observability/port.ts';
import type { CloudEvent, SubscribeOptions } from './port.ts';

export interface DeliverySettings {
  /** How often an event that fails alone is tried before it goes to the dead-letter topic. */
  maximumAttempts: number;
  /** The pause after the first failure; each further one doubles it. */
  retryPauseMs: number;
  maximumRetryPauseMs: number;
}

export const defaultDeliverySettings: DeliverySettings = { maximumAttempts: 12, retryPauseMs: 100, maximumRetryPauseMs: 60_000 };

/** A partition that this member holds. */
export interface HeldPartition {
  /** The topic's name. */
  name: string;
  partition: number;
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

export const newlyHeld = { inHand: 0, failures: 0, notBeforeMs: 0 };

export interface OffsetEvent {
  offset: number;
  event: CloudEvent;
}

/** Events of one partition, in order. */
export interface Slice<Held extends HeldPartition> {
  held: Held;
  events: OffsetEvent[];
}

/** What an adapter does for the delivery. */
export interface DeliverySource<Held extends HeldPartition> {
  /** What may be handed over now; nothing while it is not sure that the partitions are still held. */
  held(): Iterable<Held>;
  /** Events from an offset on that are there; what is not there yet is no reason to wait. */
  read(held: Held, offset: number, limit: number): OffsetEvent[];
  /** Writes down that all of them are handled, where the partition is still held. @returns those that are not held any more */
  acknowledge(slices: readonly Slice<Held>[]): Promise<readonly Slice<Held>[]>;
  /** Writes the letter, and the group past the event. @returns false when the partition is not held any more */
  bury(held: Held, failed: OffsetEvent, letter: CloudEvent): Promise<boolean>;
  /** These are not held any more. */
  lost(held: readonly Held[]): void;
  /** Batches were let go: what has to be given back may be. */
  letGo(): void;
}

/** A batch that is handed over while those in front of it are not done yet. */
interface UnderWay<Held extends HeldPartition> {
  slices: Slice<Held>[];
  done: boolean;
  failure: { reason: unknown } | undefined;
  /** Never rejects. */
  handled: Promise<void>;
}

export interface DeliverySurroundings {
  settings: DeliverySettings;
  clock: Clock;
  logger: Logger | undefined;
}

const storageRetryMs = 1000;
/** The machine's monotonic clock: the same in all its processes, and no change of the date moves it. */
export const monotonicMs = (): number => Number(process.hrtime.bigint() / 1_000_000n);

/** `concurrency` lanes work side by side; a partition always belongs to the same lane. */
export class Delivery<Held extends HeldPartition> {
  readonly #options: SubscribeOptions;
  readonly #source: DeliverySource<Held>;
  readonly #around: DeliverySurroundings;
  readonly #maximumBatch: number;
  readonly #lanes: number;
  readonly #ahead: number;
  readonly #sleepers = new Set<() => void>();
  #running: Promise<void> = Promise.resolve();
  #closing = false;
  #turn = 0;

  constructor(options: SubscribeOptions, source: DeliverySource<Held>, around: DeliverySurroundings) {
    this.#options = options;
    this.#source = source;
    this.#around = around;
    this.#maximumBatch = options.maximumBatch ?? 500;
    this.#lanes = options.concurrency ?? 1;
    this.#ahead = options.ahead ?? 1;
  }

  start(): void {
    this.#running = Promise.all(Array.from({ length: this.#lanes }, (_, lane) => (this.#ahead > 1 ? this.#workAhead(lane) : this.#work(lane)))).then(() => undefined);
  }

  /** There may be something to hand over. */
  wake(): void {
    for (const resume of [...this.#sleepers]) resume();
  }

  /** Resolves when the batches in hand are done; nothing is handed over after it. */
  stop(): Promise<void> {
    this.#closing = true;
    this.wake();
    return this.#running;
  }

  async #work(lane: number): Promise<void> {
    while (!this.#closing) {
      let slices: Slice<Held>[] = [];
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

  #letGo(slices: readonly Slice<Held>[]): void {
    for (const { held } of slices) held.inHand--;
    if (slices.length > 0) this.#source.letGo();
  }

  /** As `#work`, but the next batches are handed over before the first is done. */
  async #workAhead(lane: number): Promise<void> {
    const underWay: UnderWay<Held>[] = [];
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
        // They are handed over again by whoever holds the partitions next.
        if (this.#closing) await this.#abandon(underWay);
        await this.#sleep(lane, storageRetryMs);
      }
    }
  }

  async #abandon(underWay: UnderWay<Held>[]): Promise<void> {
    await Promise.all(underWay.map(({ handled }) => handled));
    for (const { slices } of underWay.splice(0)) this.#letGo(slices);
  }

  #handOver(slices: Slice<Held>[]): UnderWay<Held> {
    for (const { held, events } of slices) {
      held.inHand++;
      held.offset = endOf(events);
    }
    const entry: UnderWay<Held> = { slices, done: false, failure: undefined, handled: Promise.resolve() };
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
  async #settle(underWay: UnderWay<Held>[]): Promise<void> {
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

  #ofLane(lane: number): Held[] {
    return [...this.#source.held()].filter(({ partition }) => partition % this.#lanes === lane);
  }

  /** Events to hand over now, from several partitions together. One where something failed goes alone. */
  #take(lane: number): Slice<Held>[] {
    const nowMs = monotonicMs();
    const ready = this.#ofLane(lane).filter(({ notBeforeMs }) => notBeforeMs <= nowMs);
    const failing = ready.find(({ failures, suspects }) => failures > 0 || suspects);
    if (failing) {
      const slice = this.#slice(failing, this.#maximumBatch);
      if (slice) return [slice];
    }
    // Another partition begins each time, so that a full one does not hold up the others.
    const turn = ready.length === 0 ? 0 : this.#turn++ % ready.length;
    const slices: Slice<Held>[] = [];
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

  #slice(held: Held, maximum: number): Slice<Held> | undefined {
    const { suspects } = held;
    const limit = suspects ? Math.min(maximum, suspects.atOnce, suspects.until - held.offset) : maximum;
    const events = this.#source.read(held, held.offset, limit);
    return events.length === 0 ? undefined : { held, events };
  }

  async #deliver(slices: readonly Slice<Held>[]): Promise<void> {
    let failure: unknown;
    try {
      await this.#options.handle(slices.flatMap(({ events }) => events.map(({ event }) => event)));
    } catch (error) {
      failure = error ?? new Error('the handler gave no reason');
    }
    if (failure === undefined) await this.#acknowledge(slices);
    else await this.#afterFailure(slices, failure);
  }

  async #afterFailure(slices: readonly Slice<Held>[], failure: unknown): Promise<void> {
    const [first] = slices;
    if (slices.length === 1 && first) await this.#retryLater(first, failure);
    // One partition's failure must not hold up the others.
    else for (const slice of slices) if (!this.#closing) await this.#deliver([slice]);
  }

  async #acknowledge(slices: readonly Slice<Held>[]): Promise<void> {
    const lost = await this.#source.acknowledge(slices);
    for (const { held, events } of slices) progress(held, endOf(events));
    if (lost.length > 0) this.#source.lost(lost.map(({ held }) => held));
  }

  /** After a second failure ever fewer events are tried at once, until the one that fails is alone. */
  async #retryLater({ held, events }: Slice<Held>, error: unknown): Promise<void> {
    const { settings, logger } = this.#around;
    held.failures++;
    const [first] = events;
    if (events.length === 1 && first && held.failures >= settings.maximumAttempts) {
      await this.#bury(held, first, error);
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

  /** The event that fails goes to the dead-letter topic, and the group past it. */
  async #bury(held: Held, failed: OffsetEvent, error: unknown): Promise<void> {
    const { clock, logger } = this.#around;
    const { group } = this.#options;
    const letter = deadLetter({ group, topic: held.name, partition: held.partition, offset: failed.offset, attempts: held.failures, error, subject: failed.event.subject, event: failed.event }, clock);
    if (!(await this.#source.bury(held, failed, letter))) {
      this.#source.lost([held]);
      return;
    }
    logger?.error({ error, group, topic: held.name, eventId: failed.event.id, attempts: held.failures }, `an event could not be handled; it is in ${deadLetterTopic(held.name)} now`);
    progress(held, failed.offset + 1);
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

export const deadLetterTopic = (topic: string): string => `${topic}.dead-letter`;

/** Why something was given up, with all that it takes to try it again by hand. */
export function deadLetter(about: { group: string; topic: string; partition: number; offset: number; attempts: number; error: unknown; subject: string; event: unknown }, clock: Clock): CloudEvent {
  const { error, subject, event, ...where } = about;
  const { name, message } = error instanceof Error ? error : { name: 'Error', message: String(error) };
  return {
    specversion: '1.0', id: v7({ msecs: clock.nowMs() }), source: `/${about.group}`, type: deadLetterTopic(about.topic), subject, time: clock.now().toISOString(),
    datacontenttype: 'application/json', dataschemaversion: 1,
    data: { ...where, error: { name, message }, event },
  };
}

export const endOf = (events: readonly OffsetEvent[]): number => (events.at(-1)?.offset ?? -1) + 1;

function progress(held: HeldPartition, offset: number): void {
  // Further on than that when more was handed over ahead.
  held.offset = Math.max(held.offset, offset);
  held.failures = 0;
  held.notBeforeMs = 0;
  if (held.suspects && offset >= held.suspects.until) delete held.suspects;
  else if (held.suspects) held.suspects.atOnce *= 2;
}
