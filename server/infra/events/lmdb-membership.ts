import { randomUUID } from 'node:crypto';
import type { Database } from 'lmdb';
import { monotonicMs } from './delivery.ts';
import type { LogStorage, StoredTopic } from './lmdb-storage.ts';
import { isGone, thisProcess } from './process-identity.ts';

interface Member {
  topics: readonly string[];
  process: string | undefined;
  /** On the machine's monotonic clock. */
  aliveUntilMs: number;
  leaseMs: number;
}

export interface PartitionName {
  name: string;
  topic: StoredTopic;
  partition: number;
}

/** What a member holds after it was counted in. */
export interface Share {
  partitions: PartitionName[];
  /** True when a partition that belongs to another member now is still in hand here. */
  owesOne: boolean;
  generation: number;
}

/**
 * Who reads what: the members of the groups and the partitions that each one holds, in LMDB. All of
 * it is written inside the storage's `write`, so members in several processes agree.
 *
 * A member is alive while it renews its record, or until its process is gone. A partition goes to
 * another member only when its holder has given it back or is no longer alive.
 */
export class Membership {
  readonly #storage: LogStorage;
  readonly #leaseMs: number;
  readonly #process = thisProcess();
  readonly #members: Database<Member, [string, string]>;
  readonly #holders: Database<string, [string, number, number]>;
  /** Counts the changes of a group that the other members must answer. */
  readonly #generations: Database<number, string>;

  constructor(storage: LogStorage, leaseMs: number) {
    this.#storage = storage;
    this.#leaseMs = leaseMs;
    this.#members = storage.root.openDB({ name: 'members' });
    this.#holders = storage.root.openDB({ name: 'holders' });
    this.#generations = storage.root.openDB({ name: 'generations' });
  }

  generation(group: string): number {
    return this.#generations.get(group) ?? 0;
  }

  /** Writes: a new member, and the offsets of a group that is new. @returns the member's id */
  join(group: string, topics: readonly string[], from: 'oldest' | 'newest'): string {
    const id = randomUUID();
    this.#renew(group, id, topics);
    for (const name of topics) {
      const topic = this.#storage.ensureTopic(name);
      for (let partition = 0; partition < topic.partitions; partition++) {
        if (this.#storage.groupOffset(group, topic, partition) !== undefined) continue;
        const { first, next } = this.#storage.ends(topic, partition);
        this.#storage.setGroupOffset(group, topic, partition, from === 'newest' ? next : first);
      }
    }
    this.#changed(group);
    return id;
  }

  /**
   * Writes: renews a member, and gives and takes partitions so that the members have even shares.
   * @param inHand whether events of a partition are being handled: it is then kept for now
   * @returns `undefined` when the member was counted out meanwhile
   */
  balance(group: string, id: string, inHand: (topicId: number, partition: number) => boolean): Share | undefined {
    const self = this.#members.get([group, id]);
    if (!self) return undefined;
    this.#renew(group, id, self.topics);
    const alive = this.#aliveMembers(group);
    const share: Share = { partitions: [], owesOne: false, generation: 0 };
    let released = false;
    for (const name of self.topics) {
      const topic = this.#storage.ensureTopic(name);
      const readers = alive.filter(([, member]) => member.topics.includes(name)).map(([readerId]) => readerId);
      for (let partition = 0; partition < topic.partitions; partition++) {
        const key: [string, number, number] = [group, topic.id, partition];
        const holder = this.#holders.get(key);
        // The topic's id moves the start, so that topics with few partitions do not all fall to the first member.
        const isMine = readers[(partition + topic.id) % readers.length] === id;
        const mayTake = holder === undefined || !readers.includes(holder);
        if (isMine && (holder === id || mayTake)) {
          if (holder !== id) this.#holders.putSync(key, id);
          share.partitions.push({ name, topic, partition });
        } else if (holder === id && inHand(topic.id, partition)) {
          share.partitions.push({ name, topic, partition });
          share.owesOne = true;
        } else if (holder === id) {
          this.#holders.removeSync(key);
          released = true;
        }
      }
    }
    if (released) this.#changed(group);
    share.generation = this.generation(group);
    return share;
  }

  holds(group: string, id: string, topicId: number, partition: number): boolean {
    return this.#holders.get([group, topicId, partition]) === id;
  }

  /** Writes: gives everything back. */
  leave(group: string, id: string): void {
    this.#remove(group, id);
    this.#changed(group);
  }

  #renew(group: string, id: string, topics: readonly string[]): void {
    this.#members.putSync([group, id], { topics, process: this.#process, aliveUntilMs: monotonicMs() + this.#leaseMs, leaseMs: this.#leaseMs });
  }

  /** In the order of their ids. Those that are no longer alive are counted out. */
  #aliveMembers(group: string): [string, Member][] {
    const alive: [string, Member][] = [];
    for (const { key, value } of [...this.#members.getRange({ start: [group, ''], end: [group, '\uffff'] })]) {
      const remainingMs = value.aliveUntilMs - monotonicMs();
      // More than a whole lease remains only when the machine, and its clock, began anew.
      if (remainingMs > 0 && remainingMs <= value.leaseMs && !isGone(value.process)) alive.push([key[1], value]);
      else this.leave(group, key[1]);
    }
    return alive;
  }

  #remove(group: string, id: string): void {
    this.#members.removeSync([group, id]);
    const held = [...this.#holders.getRange({ start: [group, 0, 0], end: [group, Number.MAX_SAFE_INTEGER, 0] })].filter(({ value }) => value === id);
    for (const { key } of held) this.#holders.removeSync(key);
  }

  #changed(group: string): void {
    this.#generations.putSync(group, this.generation(group) + 1);
  }
}
