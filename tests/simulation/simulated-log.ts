/** An event log in memory that hands over one batch when it is told to: some of it twice, late, or out of turn with other keys. */
import { v7 } from 'uuid';
import type { CloudEvent, EventLog, SubscribeOptions, Subscription } from '../../server/infra/events/port.ts';
import type { Random } from '../../simulator/randomness.ts';
import type { Trouble } from './trouble.ts';

interface Waiting {
  topic: string;
  event: CloudEvent;
  attempts: number;
}

interface Group {
  topics: readonly string[];
  handle: SubscribeOptions['handle'] | undefined;
  waiting: Waiting[];
  /** Handled lately: may come once more. */
  lately: Waiting[];
}

const maximumAttempts = 12;
const largestBatch = 4;
const rememberedEvents = 20;

export class SimulatedLog implements EventLog {
  readonly #topics = new Map<string, CloudEvent[]>();
  readonly #groups = new Map<string, Group>();
  readonly #random: Random;
  readonly #trouble: Trouble;
  #handled = 0;

  constructor(random: Random, trouble: Trouble) {
    this.#random = random;
    this.#trouble = trouble;
  }

  async append(topic: string, events: readonly CloudEvent[]): Promise<void> {
    const kept = events.map((event) => JSON.parse(JSON.stringify(event)) as CloudEvent);
    this.#topics.set(topic, [...(this.#topics.get(topic) ?? []), ...kept]);
    for (const group of this.#groups.values()) if (group.topics.includes(topic)) group.waiting.push(...kept.map((event) => ({ topic, event, attempts: 0 })));
  }

  /** A group goes on where it stopped; a new one begins with the oldest event. */
  subscribe({ group: name, topics, handle }: SubscribeOptions): Subscription {
    const known = this.#groups.get(name);
    const group: Group = known ?? { topics, handle, waiting: topics.flatMap((topic) => (this.#topics.get(topic) ?? []).map((event) => ({ topic, event, attempts: 0 }))), lately: [] };
    group.handle = handle;
    this.#groups.set(name, group);
    return {
      close: async () => {
        group.handle = undefined;
      },
    };
  }

  get waiting(): number {
    return [...this.#groups.values()].reduce((sum, { waiting }) => sum + waiting.length, 0);
  }

  /** Hands one batch to one group. @returns what was handed over and how that ended; undefined when nothing waits */
  async deliver(): Promise<string | undefined> {
    const ready = [...this.#groups].filter(([, { handle, waiting }]) => handle && waiting.length > 0).toSorted(([a], [b]) => (a < b ? -1 : 1));
    const [name, group] = ready[Math.floor(this.#random() * ready.length)] ?? [];
    return name !== undefined && group ? this.#deliverTo(name, group) : undefined;
  }

  /** Everything that waits for one group, in order and without trouble: the vehicle has just spoken, and is heard. */
  async deliverAllTo(name: string): Promise<void> {
    const group = this.#groups.get(name);
    while (group?.handle && group.waiting.length > 0) {
      const batch = group.waiting.slice(0, largestBatch);
      await group.handle(batch.map(({ event }) => event));
      this.#done(group, batch);
    }
  }

  async #deliverTo(name: string, group: Group): Promise<string> {
    const again = this.#trouble.hits('delivered-again') ? group.lately[Math.floor(this.#random() * group.lately.length)] : undefined;
    const batch = again ? [again] : this.#batchOf(group);
    const shown = `${name} ← ${batch.map(({ event }) => `${event.type} ${event.subject}`).join(', ')}${again ? ' (again)' : ''}`;
    try {
      await group.handle?.(batch.map(({ event }) => event));
    } catch (error) {
      if (!again) await this.#failed(name, group, batch, error);
      return `${shown}: ${(error as Error).name}`;
    }
    // Handled, and the process was gone before it could say so.
    if (again || this.#trouble.hits('delivered-again')) return `${shown}: not acknowledged`;
    this.#done(group, batch);
    return shown;
  }

  /** Some of the first events of a few keys: of one key in order, keys in any order. */
  #batchOf(group: Group): Waiting[] {
    const byKey = [...Map.groupBy(group.waiting, ({ topic, event }) => `${topic} ${event.subject}`).values()];
    const batch: Waiting[] = [];
    const size = 1 + Math.floor(this.#random() * largestBatch);
    while (batch.length < size && byKey.length > 0) {
      const [ofKey = []] = byKey.splice(Math.floor(this.#random() * byKey.length), 1);
      batch.push(...ofKey.slice(0, 1 + Math.floor(this.#random() * (size - batch.length))));
    }
    return batch;
  }

  #done(group: Group, batch: readonly Waiting[]): void {
    const gone = new Set(batch);
    group.waiting = group.waiting.filter((one) => !gone.has(one));
    group.lately = [...group.lately, ...batch].slice(-rememberedEvents);
    this.#handled += batch.length;
  }

  async #failed(name: string, group: Group, batch: readonly Waiting[], error: unknown): Promise<void> {
    for (const one of batch) {
      one.attempts += 1;
      if (one.attempts < maximumAttempts) continue;
      this.#done(group, [one]);
      const topic = `${one.topic}.dead-letter`;
      await this.append(topic, [{ ...one.event, id: v7(), type: topic, data: { group: name, error: String(error), event: one.event } }]);
    }
  }

  read = async (topic: string, _partition: number, offset: number, limit: number): Promise<{ offset: number; event: CloudEvent }[]> =>
    (this.#topics.get(topic) ?? []).slice(offset, offset + limit).map((event, index) => ({ offset: offset + index, event }));
  partitions = (): number => 1;
  lag = async (group: string, topic: string): Promise<number> => this.#groups.get(group)?.waiting.filter((one) => one.topic === topic).length ?? 0;
  statistics = async (): Promise<{ published: number; handled: number }> => ({ published: [...this.#topics.values()].reduce((sum, events) => sum + events.length, 0), handled: this.#handled });
  close = async (): Promise<void> => undefined;
}
