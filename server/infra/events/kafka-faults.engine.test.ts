/** What happens to Kafka's brokers and to what is in its topics, and what does not happen to our events. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Producer, stringSerializers } from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { kafka, type KafkaCluster, startKafkaCluster } from '../../../tools/engines/kafka.ts';
import { engineSetting } from '../../../tools/engines/testing.ts';
import { freePort } from '../free-port.ts';
import { eventLogConformance } from './conformance.ts';
import { eventOf, eventsOf, idsOf, readAll } from './conformance-events.ts';
import { openKafkaEventLog } from './kafka.ts';
import { mostBatchBytes } from './kafka-client.ts';
import type { CloudEvent, EventLog } from './port.ts';
import { appendSteadily, copiesInSync, followFirsts, idsByKey, type Load, newPrefix, removeTopics, underTestOn } from './testing/kafka.ts';

const keys = Array.from({ length: 10 }, (_, index) => `key-${index}`);
const idsUpTo = (key: string, count: number): string[] => idsOf(eventsOf(key, count));
const caughtUp = (log: EventLog, topic = 'things', group = 'readers') => expect.poll(() => log.lag(group, topic), { timeout: 60_000, interval: 50 }).toBe(0);

/** @throws AssertionError when something acknowledged is missing, doubled or out of order, in the log or where it was handled */
async function expectAllOnceInOrder(log: EventLog, load: Load, firsts: ReadonlyMap<string, string[]>): Promise<void> {
  const found = await idsByKey(log, 'things');
  expect(load.total()).toBeGreaterThan(0);
  for (const [key, count] of load.acknowledged) {
    expect(found.get(key)).toEqual(idsUpTo(key, count));
    expect(firsts.get(key)).toEqual(idsUpTo(key, count));
  }
}

describe('one broker of Kafka', () => {
  let folder: string;
  let broker: RunningEngine;
  let log: EventLog | undefined;
  const open = async (settings: { requestTimeoutMs?: number; deliveryTimeoutMs?: number } = {}) => {
    log = await openKafkaEventLog({ brokers: [`127.0.0.1:${broker.place.port}`], prefix: newPrefix(), partitions: 6, ...settings });
    return log;
  };
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'kafka-'));
    broker = await startEngine(kafka, { folder, port: await freePort() });
  }, 180_000);
  afterEach(() => log?.close());
  afterAll(async () => {
    await broker.kill();
    await rm(folder, { recursive: true });
  });

  test('killed and started again: what was acknowledged is there once and in order, and both sides go on', async () => {
    const current = await open();
    const { firsts, join: follow } = followFirsts();
    const load = appendSteadily(current, 'things', keys);
    follow(current, 'things');
    await expect.poll(() => load.total(), { timeout: 30_000 }).toBeGreaterThan(200);
    await broker.kill();
    const before = load.total();
    broker = await broker.restart();
    await expect.poll(() => load.total(), { timeout: 60_000 }).toBeGreaterThan(before + 200);
    await load.stop();
    await caughtUp(current);
    await expectAllOnceInOrder(current, load, firsts);
  }, 180_000);

  test('away for longer than a member may be silent: what comes right after it is handled by every group, and waits for no further event', async () => {
    const current = await open();
    const groups = Array.from({ length: 6 }, (_, index) => `readers-${index}`);
    const heard = new Map<string, string[]>(groups.map((group) => [group, []]));
    for (const group of groups) current.subscribe({ group, topics: ['things'], handle: async (batch) => void heard.get(group)?.push(...batch.map(({ id }) => id)) });
    const [first, second] = eventsOf('key', 2) as [CloudEvent, CloudEvent];
    await current.append('things', [first]);
    for (const group of groups) await caughtUp(current, 'things', group);
    await broker.kill();
    const goneSince = performance.now();
    await expect.poll(() => performance.now() - goneSince, { timeout: 60_000 }).toBeGreaterThan(30_000);
    broker = await broker.restart();
    await current.append('things', [second]);
    for (const group of groups) await caughtUp(current, 'things', group);
    for (const ids of heard.values()) expect([...new Set(ids)]).toEqual([first.id, second.id]);
  }, 240_000);

  test('stopped for seconds, with everything sent to it again and again: nothing is doubled', async () => {
    // An answer is waited for much shorter than the broker stands still: each batch reaches it several times.
    const current = await open({ requestTimeoutMs: 700 });
    const { firsts, join: follow } = followFirsts();
    const load = appendSteadily(current, 'things', keys);
    follow(current, 'things');
    await expect.poll(() => load.total(), { timeout: 30_000 }).toBeGreaterThan(200);
    broker.pause();
    const stoodStillSince = performance.now();
    await expect.poll(() => performance.now() - stoodStillSince, { timeout: 10_000 }).toBeGreaterThan(5000);
    const before = load.total();
    broker.resume();
    await expect.poll(() => load.total(), { timeout: 60_000 }).toBeGreaterThan(before + 200);
    await load.stop();
    await caughtUp(current);
    await expectAllOnceInOrder(current, load, firsts);
    expect((await current.statistics()).published).toBe(load.total());
  }, 180_000);

  test('away for longer than an append may take: the append is refused, and the next one is fine', async () => {
    const current = await open({ requestTimeoutMs: 500, deliveryTimeoutMs: 2000 });
    await current.append('things', [eventOf('one', 0)]);
    broker.pause();
    await expect(current.append('things', [eventOf('one', 1)])).rejects.toThrow(/in 2000 ms/);
    broker.resume();
    await expect.poll(() => current.append('things', [eventOf('one', 2)]).then(() => 'appended', () => 'refused'), { timeout: 30_000 }).toBe('appended');
    const found = (await idsByKey(current, 'things')).get('one') ?? [];
    // Whether the refused one is there is not known, and its caller was told so.
    expect(found.filter((id) => id === 'one/0')).toHaveLength(1);
    expect(found.at(-1)).toBe('one/2');
  }, 120_000);

  test('closing while no broker answers takes seconds, not for ever', async () => {
    const current = await open();
    current.subscribe({ group: 'readers', topics: ['things'], handle: async () => undefined });
    await current.append('things', [eventOf('one', 0)]);
    await caughtUp(current);
    broker.pause();
    const outcome = current.append('things', [eventOf('one', 1)]).then(() => 'appended', () => 'refused');
    const beganAtMs = performance.now();
    await current.close();
    expect(performance.now() - beganAtMs).toBeLessThan(10_000);
    expect(await outcome).toBe('refused');
    broker.resume();
  }, 60_000);
});

describe('on a Kafka that others use, too,', () => {
  const brokers = () => engineSetting('MOBILITY_KAFKA_BROKERS');
  let prefix: string;
  const logs: (EventLog & { trim(topic: string, olderThanMs: number): Promise<number> })[] = [];
  const open = async (settings: { partitions?: number; retentionMs?: Record<string, number> } = {}) => {
    const log = await openKafkaEventLog({ brokers: brokers().split(','), prefix, partitions: 6, maximumAttempts: 3, retryPauseMs: 20, ...settings });
    logs.push(log);
    return log;
  };
  const write = async (topic: string, value: string, headers: Record<string, string> = {}) => {
    const producer = new Producer({ clientId: 'foreign', bootstrapBrokers: brokers().split(','), serializers: stringSerializers });
    await producer.send({ messages: [{ topic: `${prefix}${topic}`, key: 'one', value, headers }] });
    await producer.close();
  };
  beforeAll(() => {
    prefix = newPrefix();
  });
  afterEach(async () => {
    for (const log of logs.splice(0)) await log.close();
    await removeTopics(brokers(), prefix);
    prefix = newPrefix();
  });

  test('what is no event goes to the dead letters, and the events around it are handled in order', async () => {
    const log = await open();
    await log.append('things', eventsOf('one', 2));
    await write('things', 'no JSON at all');
    await write('things', '"text"');
    await write('things', JSON.stringify({ specversion: '0.3', id: 'old' }));
    await write('things', 'null');
    await log.append('things', [eventOf('one', 2)]);
    const handled: CloudEvent[] = [];
    log.subscribe({ group: 'readers', topics: ['things'], handle: async (events) => void handled.push(...events) });
    await caughtUp(log);
    expect(idsOf(handled)).toEqual(idsUpTo('one', 3));
    const letters = (await readAll(log, 'things.dead-letter')).flat().map(({ data }) => data as { error: { message: string }; event: { valueBase64: string } });
    expect(letters.map(({ error }) => error.message)).toEqual([
      'the record is no JSON', expect.stringContaining('it is no object'), expect.stringContaining('"0.3"'), expect.stringContaining('it is no object'),
    ]);
    expect(Buffer.from(letters[0]?.event.valueBase64 ?? '', 'base64').toString()).toBe('no JSON at all');
    expect(await log.statistics()).toEqual({ published: 11, handled: 3 });
  });

  test('an event that another program wrote in binary mode is handed over as one of ours', async () => {
    const log = await open();
    await log.append('things', [eventOf('other', 0)]);
    const { data, ...attributes } = eventOf('one', 7);
    const headers = Object.fromEntries(Object.entries({ ...attributes, traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' }).filter(([name]) => name !== 'datacontenttype').map(([name, value]) => [`ce_${name}`, String(value)]));
    await write('things', JSON.stringify(data), { ...headers, 'content-type': 'application/json' });
    const handled: CloudEvent[] = [];
    log.subscribe({ group: 'readers', topics: ['things'], handle: async (events) => void handled.push(...events) });
    await caughtUp(log);
    expect(handled.find(({ id }) => id === 'one/7')).toEqual({ ...eventOf('one', 7), traceparent: '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01' });
  });

  test('an event that is too large is refused in words, nothing of its call is there, and the log goes on', async () => {
    const log = await open();
    const large = { ...eventOf('one', 1), data: 'x'.repeat(mostBatchBytes) };
    await expect(log.append('things', [eventOf('one', 0), large])).rejects.toThrow(RangeError);
    await expect(log.append('things', Array.from({ length: 9 }, (_, number) => ({ ...eventOf('one', number), data: 'x'.repeat(2_000_000) })))).rejects.toThrow(/append them in several calls/);
    const nearly = { ...eventOf('one', 2), data: 'x'.repeat(mostBatchBytes - 1000) };
    await log.append('things', [nearly]);
    const handled: CloudEvent[] = [];
    log.subscribe({ group: 'readers', topics: ['things'], handle: async (events) => void handled.push(...events) });
    await caughtUp(log);
    expect(handled).toEqual([nearly]);
  });

  test('members that come and go in several processes\' clients: nothing is skipped, nothing out of order, nothing handled by two at a time', async () => {
    const clients = [await open(), await open(), await open()];
    const [first] = clients;
    if (!first) throw new Error('there is a first one');
    const { firsts, count, join: follow } = followFirsts();
    const inHand = new Set<string>();
    const twice: string[] = [];
    const options = {
      maximumBatch: 20,
      async handle(events: readonly CloudEvent[]) {
        const subjects = new Set(events.map(({ subject }) => subject));
        for (const subject of subjects) {
          if (inHand.has(subject)) twice.push(subject);
          inHand.add(subject);
        }
        await new Promise((resolve) => setTimeout(resolve, 2));
        for (const subject of subjects) inHand.delete(subject);
      },
    };
    const load = appendSteadily(first, 'things', keys);
    const members = clients.map((client) => follow(client, 'things', options));
    for (let round = 0; round < 6; round++) {
      const before = count();
      await expect.poll(count, { timeout: 30_000 }).toBeGreaterThan(before + 100);
      await members.shift()?.close();
      const client = clients[round % clients.length];
      if (client) members.push(follow(client, 'things', options));
    }
    await load.stop();
    await caughtUp(first);
    await expectAllOnceInOrder(first, load, firsts);
    expect(twice).toEqual([]);
  }, 120_000);

  test('a group for the newest only is there in a moment, hears everything from then on, and each such group everything', async () => {
    const log = await open({ partitions: 50 });
    await log.append('things', keys.flatMap((key) => eventsOf(key, 20)));
    const heard = [new Set<string>(), new Set<string>(), new Set<string>()];
    const beganAtMs = performance.now();
    heard.forEach((own, index) => log.subscribe({
      group: `instance-${index}`, topics: ['things'], from: 'newest',
      async handle(events) {
        for (const { id } of events) own.add(id);
      },
    }));
    await log.append('things', keys.map((key) => eventOf(key, 20)));
    const expected = keys.map((key) => `${key}/20`).sort();
    for (const own of heard) await expect.poll(() => [...own].sort(), { timeout: 15_000, interval: 10 }).toEqual(expected);
    expect(performance.now() - beganAtMs).toBeLessThan(10_000);
    for (const index of heard.keys()) await caughtUp(log, 'things', `instance-${index}`);
  });

  test('old events go when every group has handled them, and not before', async () => {
    const log = await open({ partitions: 2 });
    await log.append('things', eventsOf('one', 100));
    const readers = log.subscribe({ group: 'readers', topics: ['things'], handle: async () => undefined });
    await caughtUp(log);
    const slow = log.subscribe({ group: 'slow', topics: ['things'], maximumBatch: 40, handle: async (events) => (events[0]?.id === 'one/0' ? undefined : Promise.reject(new Error('later'))) });
    await expect.poll(() => log.lag('slow', 'things'), { timeout: 15_000 }).toBe(60);
    await slow.close();
    expect(await log.trim('things', 3_600_000)).toBe(0);
    expect(await log.trim('things', -1000)).toBe(40);
    expect(idsOf((await readAll(log, 'things')).flat())).toEqual(idsUpTo('one', 100).slice(40));
    expect([await log.lag('slow', 'things'), await log.lag('new', 'things')]).toEqual([60, 60]);
    const handled: string[] = [];
    log.subscribe({ group: 'new', topics: ['things'], handle: async (events) => void handled.push(...idsOf(events)) });
    await caughtUp(log, 'things', 'new');
    expect(handled).toEqual(idsUpTo('one', 100).slice(40));
    await readers.close();
    expect(await log.trim('nothing', 0)).toBe(0);
  });
});

describe('three brokers of Kafka', () => {
  let cluster: KafkaCluster;
  beforeAll(async () => {
    cluster = await startKafkaCluster();
  }, 240_000);
  afterAll(() => cluster.stop());

  test('each is killed in turn, in the middle of appends and of reading: nothing acknowledged is lost, doubled or out of order', async () => {
    const prefix = newPrefix();
    const log = await openKafkaEventLog({ brokers: cluster.brokers.split(','), prefix, partitions: 12 });
    const { firsts, count, join: follow } = followFirsts();
    const load = appendSteadily(log, 'things', keys);
    follow(log, 'things');
    for (let node = 0; node < cluster.nodes.length; node++) {
      const before = load.total();
      await expect.poll(() => Math.min(load.total(), count()), { timeout: 60_000 }).toBeGreaterThan(before + 200);
      await cluster.nodes[node]?.kill();
      const atKill = load.total();
      // With one gone the two others take appends and hand over.
      await expect.poll(() => Math.min(load.total(), count()), { timeout: 60_000 }).toBeGreaterThan(atKill + 200);
      const restarted = await cluster.nodes[node]?.restart();
      if (restarted) cluster.nodes[node] = restarted;
      await expect.poll(() => copiesInSync(cluster.brokers, `${prefix}things`), { timeout: 60_000, interval: 200 }).toBe(3);
    }
    await load.stop();
    await caughtUp(log);
    await expectAllOnceInOrder(log, load, firsts);
    await log.close();
  }, 400_000);

  eventLogConformance('on three brokers', { open: underTestOn(() => cluster.brokers), module: new URL('./kafka-under-test.ts', import.meta.url) });
});
