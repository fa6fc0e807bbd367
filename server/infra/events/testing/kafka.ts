/** Logs on a Kafka that tests share: each has a prefix of its own, and its topics are removed after it. */
import { randomUUID } from 'node:crypto';
import { Admin } from '@platformatic/kafka';
import type { EventLogUnderTest } from '../conformance.ts';
import { eventOf, readAll } from '../conformance-events.ts';
import { openAt } from '../kafka-under-test.ts';
import type { EventLog, SubscribeOptions } from '../port.ts';

export const newPrefix = (): string => `test-${randomUUID().slice(0, 8)}.`;

/** Topics of a prefix, gone. */
export async function removeTopics(brokers: string, prefix: string): Promise<void> {
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: brokers.split(',') });
  const topics = (await admin.listTopics()).filter((name) => name.startsWith(prefix));
  if (topics.length > 0) await admin.deleteTopics({ topics });
  await admin.close();
}

/** The fewest copies in sync that a partition of the topic has. @param topic with its prefix */
export async function copiesInSync(brokers: string, topic: string): Promise<number> {
  const admin = new Admin({ clientId: 'tests', bootstrapBrokers: brokers.split(',') });
  try {
    const { topics } = await admin.metadata({ topics: [topic], forceUpdate: true });
    return Math.min(...(topics.get(topic)?.partitions ?? []).map(({ isr }) => isr.length));
  } finally {
    await admin.close();
  }
}

export const underTestOn = (brokers: () => string) => async (): Promise<EventLogUnderTest> => {
  const prefix = newPrefix();
  const location = `${brokers()}/${prefix}`;
  const opened: EventLogUnderTest = {
    log: await openAt(location),
    location,
    async reopen() {
      await opened.log.close();
      opened.log = await openAt(location);
      return opened.log;
    },
    async cleanUp() {
      await opened.log.close();
      await removeTopics(brokers(), prefix);
    },
  };
  return opened;
};

export interface Load {
  /** How many events of each key are acknowledged. */
  acknowledged: ReadonlyMap<string, number>;
  total(): number;
  /** Ends after the calls that are under way. @throws what an append was refused with */
  stop(): Promise<void>;
}

/** Appends without a pause, for each key one call after the other, two events at a time. */
export function appendSteadily(log: EventLog, topic: string, keys: readonly string[]): Load {
  const acknowledged = new Map(keys.map((key) => [key, 0]));
  let stopped = false;
  const running = Promise.all(keys.map(async (key) => {
    for (let number = 0; !stopped; number += 2) {
      await log.append(topic, [eventOf(key, number), eventOf(key, number + 1)]);
      acknowledged.set(key, number + 2);
    }
  }));
  // Said by `stop`, which may be asked for later.
  running.catch(() => undefined);
  return {
    acknowledged,
    total: () => [...acknowledged.values()].reduce((sum, count) => sum + count, 0),
    async stop() {
      stopped = true;
      await running;
    },
  };
}

/** Takes down in which order the events of each key came first; again is no offence. */
export function followFirsts() {
  const seen = new Set<string>();
  const firsts = new Map<string, string[]>();
  return {
    firsts,
    count: () => seen.size,
    join: (log: EventLog, topic: string, options: Partial<SubscribeOptions> = {}) => log.subscribe({
      group: 'readers', topics: [topic], ...options,
      async handle(events) {
        await options.handle?.(events);
        for (const { id, subject } of events) {
          if (seen.has(id)) continue;
          seen.add(id);
          const own = firsts.get(subject);
          if (own) own.push(id);
          else firsts.set(subject, [id]);
        }
      },
    }),
  };
}

/** The ids of a topic by key, in the order of the log, doubles too. */
export async function idsByKey(log: EventLog, topic: string): Promise<Map<string, string[]>> {
  const events = (await readAll(log, topic)).flat();
  return new Map([...Map.groupBy(events, ({ subject }) => subject)].map(([key, own]) => [key, own.map(({ id }) => id)]));
}
