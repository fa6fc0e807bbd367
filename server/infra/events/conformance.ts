/** The contract suite of the event log: every adapter must pass it. */
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { eventLogAhead } from './conformance-ahead.ts';
import { eventOf, eventsOf, idsOf, idsOfKey, readAll, tested } from './conformance-events.ts';
import { eventLogAcrossProcesses } from './conformance-processes.ts';
import type { CloudEvent, EventLog, SubscribeOptions } from './port.ts';

/** A log for one test, set as `tested` says. */
export interface EventLogUnderTest {
  log: EventLog;
  /** For `openAt` in another process. */
  location: string;
  /** Closes the log and opens it again on the same data. */
  reopen(): Promise<EventLog>;
  cleanUp(): Promise<void>;
}

export interface EventLogAdapter {
  open(): Promise<EventLogUnderTest>;
  /** A module whose `openAt(location)` opens the log once more; a child process imports it. */
  module: URL;
}

const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);

/** Collects what a member is handed over. */
function collect(log: EventLog, options: Partial<SubscribeOptions> = {}) {
  const batches: CloudEvent[][] = [];
  const subscription = log.subscribe({
    group: 'readers', topics: ['things'], ...options,
    async handle(events) {
      batches.push([...events]);
      await options.handle?.(events);
    },
  });
  return { batches, subscription, events: () => batches.flat() };
}

const caughtUp = (log: EventLog, group = 'readers', topic = 'things') => expect.poll(() => log.lag(group, topic), { timeout: 15_000, interval: 5 }).toBe(0);

type Current = () => EventLogUnderTest;

function appending(current: Current): void {
  test('an event is read as it was appended, from any offset', async () => {
    const { log } = current();
    const events = eventsOf('one', 5);
    await log.append('things', events);
    const partitions = await readAll(log, 'things');
    expect(partitions.flat()).toEqual(events);
    const partition = partitions.findIndex((found) => found.length > 0);
    expect(await log.read('things', partition, 3, 1)).toEqual([{ offset: 3, event: events[3] }]);
    expect(await log.read('things', partition, 5, 10)).toEqual([]);
    expect(await log.read('nothing', 0, 0, 10)).toEqual([]);
  });

  test('events with the same key are in one partition in their order; keys are spread', async () => {
    const { log } = current();
    const asked = Array.from({ length: 30 }, (_, number) => keys.map((key) => log.append('things', [eventOf(key, number)]))).flat();
    await Promise.all(asked);
    const partitions = await readAll(log, 'things');
    expect(partitions).toHaveLength(tested.partitions);
    for (const events of partitions) expect(events.length).toBeGreaterThan(0);
    for (const key of keys) {
      const found = partitions.map((events) => idsOfKey(events, key)).filter((ids) => ids.length > 0);
      expect(found).toEqual([idsOf(eventsOf(key, 30))]);
    }
  });

  test('what is refused leaves nothing behind', async () => {
    const { log } = current();
    await expect(log.append('Not A Topic', eventsOf('one', 1))).rejects.toThrow(RangeError);
    await expect(log.append('../things', eventsOf('one', 1))).rejects.toThrow(RangeError);
    await expect(log.append('things', [eventOf('one', 1), { ...eventOf('one', 2), subject: '' }])).rejects.toThrow(TypeError);
    await expect(log.append('things', [eventOf('one', 1), { ...eventOf('one', 2), data: 1n }])).rejects.toThrow(TypeError);
    await expect(log.read('things', tested.partitions, 0, 1)).rejects.toThrow(RangeError);
    await expect(log.read('things', 0, -1, 1)).rejects.toThrow(RangeError);
    expect(() => log.subscribe({ group: '', topics: ['things'], handle: async () => undefined })).toThrow(RangeError);
    expect(() => log.subscribe({ group: 'readers', topics: ['things'], maximumBatch: 0, handle: async () => undefined })).toThrow(RangeError);
    await log.append('things', []);
    expect((await readAll(log, 'things')).flat()).toEqual([]);
    expect(await log.statistics()).toEqual({ published: 0, handled: 0 });
  });

  test('a closed log refuses; closing twice is fine', async () => {
    const { log } = current();
    await log.close();
    await log.close();
    await expect(log.append('things', eventsOf('one', 1))).rejects.toThrow('closed');
    await current().reopen();
  });

  test('what was appended before the close is there after it', async () => {
    const { log } = current();
    await Promise.all([...keys.map((key) => log.append('things', eventsOf(key, 3))), log.close()]);
    const again = await current().reopen();
    expect((await readAll(again, 'things')).flat()).toHaveLength(60);
  });
}

function groups(current: Current): void {
  test('every group is given every event, in order for each key', async () => {
    const { log } = current();
    await log.append('things', keys.flatMap((key) => eventsOf(key, 10)));
    const first = collect(log);
    const second = collect(log, { group: 'others', topics: ['things', 'more'] });
    await log.append('things', keys.map((key) => eventOf(key, 10)));
    await log.append('more', eventsOf('one', 1));
    await Promise.all([caughtUp(log), caughtUp(log, 'others'), caughtUp(log, 'others', 'more')]);
    for (const key of keys) {
      expect(idsOfKey(first.events(), key)).toEqual(idsOf(eventsOf(key, 11)));
      expect(idsOfKey(second.events(), key)).toEqual(idsOf(eventsOf(key, 11)));
    }
    expect(first.events()).toHaveLength(220);
    expect(second.events()).toHaveLength(221);
    expect(await log.statistics()).toEqual({ published: 221, handled: 441 });
  });

  test('a group continues where it stopped', async () => {
    const { log } = current();
    await log.append('things', eventsOf('one', 5));
    const before = collect(log);
    await caughtUp(log);
    expect(before.events()).toHaveLength(5);
    const again = await current().reopen();
    await again.append('things', [eventOf('one', 5)]);
    expect(await again.lag('readers', 'things')).toBe(1);
    const after = collect(again);
    await caughtUp(again);
    expect(idsOf(after.events())).toEqual(['one/5']);
    expect(await again.statistics()).toEqual({ published: 6, handled: 6 });
  });

  test('a new group begins at the oldest event, or where it asks to', async () => {
    const { log } = current();
    await log.append('things', eventsOf('one', 3));
    expect(await log.lag('readers', 'things')).toBe(3);
    const oldest = collect(log);
    const newest = collect(log, { group: 'late', from: 'newest' });
    await log.append('things', [eventOf('one', 3)]);
    await Promise.all([caughtUp(log), caughtUp(log, 'late')]);
    expect(oldest.events()).toHaveLength(4);
    expect(idsOf(newest.events())).toEqual(['one/3']);
  });

  test('a batch is never larger than asked for', async () => {
    const { log } = current();
    await log.append('things', keys.flatMap((key) => eventsOf(key, 4)));
    const { batches } = collect(log, { maximumBatch: 7 });
    await caughtUp(log);
    expect(batches.flat()).toHaveLength(80);
    expect(Math.max(...batches.map((batch) => batch.length))).toBe(7);
  });

  test('close waits for the batch in hand, and nothing is handed over after it', async () => {
    const { log } = current();
    await log.append('things', eventsOf('one', 4));
    const begun = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    const { subscription, batches } = collect(log, {
      maximumBatch: 2,
      async handle() {
        begun.resolve();
        await release.promise;
      },
    });
    await begun.promise;
    const closing = subscription.close();
    await expect(Promise.race([closing.then(() => 'closed'), log.lag('readers', 'things')])).resolves.toBe(4);
    release.resolve();
    await closing;
    await log.append('things', [eventOf('one', 4)]);
    expect(await log.lag('readers', 'things')).toBe(3);
    expect(batches).toHaveLength(1);
  });
}

function failures(current: Current): void {
  test('a batch whose handler threw is given again, with growing pauses', async () => {
    const { log } = current();
    const triedAtMs: number[] = [];
    await log.append('things', eventsOf('one', 1));
    const { batches } = collect(log, {
      async handle() {
        triedAtMs.push(performance.now());
        if (triedAtMs.length < tested.maximumAttempts) throw new Error('not yet');
      },
    });
    await caughtUp(log);
    expect(batches.map((batch) => idsOf(batch))).toEqual([['one/0'], ['one/0'], ['one/0']]);
    const pausesMs = triedAtMs.slice(1).map((atMs, index) => atMs - (triedAtMs[index] ?? 0));
    // Timers count in whole milliseconds.
    expect(pausesMs[0]).toBeGreaterThan(tested.retryPauseMs - 2);
    expect(pausesMs[1]).toBeGreaterThan(2 * tested.retryPauseMs - 2);
    expect(await log.statistics()).toEqual({ published: 1, handled: 1 });
  });

  test('the event that fails alone goes to the dead-letter topic with its error, and the group goes on', async () => {
    const { log } = current();
    const done: string[] = [];
    await log.append('things', eventsOf('one', 50));
    collect(log, {
      async handle(events) {
        if (events.some(({ id }) => id === 'one/17' || id === 'one/18')) throw new RangeError('seventeen');
        done.push(...idsOf(events));
      },
    });
    await caughtUp(log);
    expect(done).toEqual(idsOf(eventsOf('one', 50)).filter((id) => id !== 'one/17' && id !== 'one/18'));
    const letters = (await readAll(log, 'things.dead-letter')).flat();
    expect(letters.map(({ data }) => data)).toMatchObject([
      { group: 'readers', topic: 'things', attempts: tested.maximumAttempts, error: { name: 'RangeError', message: 'seventeen' }, event: eventOf('one', 17) },
      { event: eventOf('one', 18) },
    ]);
    expect(letters[0]?.subject).toBe('one');
    expect(await log.statistics()).toEqual({ published: 52, handled: 48 });
  });

  test('a failing key does not hold up the others of other partitions', async () => {
    const { log } = current();
    await log.append('things', keys.map((key) => eventOf(key, 0)));
    const partitions = await readAll(log, 'things');
    const failing = new Set(idsOf(partitions[0] ?? []));
    let isMended = false;
    const done: string[] = [];
    collect(log, {
      async handle(events) {
        if (!isMended && events.some(({ id }) => failing.has(id))) throw new Error('broken');
        done.push(...idsOf(events));
        isMended = done.length === keys.length - failing.size;
      },
    });
    await caughtUp(log);
    expect(done.slice(0, keys.length - failing.size).filter((id) => failing.has(id))).toEqual([]);
    expect(done).toHaveLength(keys.length);
  });
}

function sharing(current: Current): void {
  test('members of a group share its partitions, and give and take them as members come and go', async () => {
    const { log } = current();
    const first = collect(log);
    const second = collect(log);
    let number = 0;
    const appendRound = () => log.append('things', keys.map((key) => eventOf(key, number))).then(() => number++);
    // Until both have a share.
    await vi.waitFor(async () => {
      await appendRound();
      await caughtUp(log);
      expect(Math.min(first.batches.length, second.batches.length)).toBeGreaterThan(0);
    }, { timeout: 15_000 });
    await first.subscription.close();
    const seenByFirst = first.events().length;
    await appendRound();
    await caughtUp(log);
    expect(first.events()).toHaveLength(seenByFirst);
    expect([...first.events(), ...second.events()]).toHaveLength(number * keys.length);
    expect(await log.statistics()).toMatchObject({ handled: number * keys.length });
  });

  test('no partition is handled by two at a time, with members that come and go and lanes side by side', async () => {
    const { log } = current();
    await log.append('things', keys.flatMap((key) => eventsOf(key, 40)));
    const partitionOfKey = new Map((await readAll(log, 'things')).flatMap((events, partition) => events.map(({ subject }) => [subject, partition] as const)));
    const inHand = new Set<number>();
    const twice: number[] = [];
    const order = new Map<string, string[]>(keys.map((key) => [key, []]));
    let most = 0;
    const join = () => log.subscribe({
      group: 'readers', topics: ['things'], maximumBatch: 10, concurrency: 2,
      async handle(events) {
        const partitions = new Set(events.map(({ subject }) => partitionOfKey.get(subject) ?? -1));
        for (const partition of partitions) {
          if (inHand.has(partition)) twice.push(partition);
          inHand.add(partition);
        }
        most = Math.max(most, inHand.size);
        await new Promise((resolve) => setTimeout(resolve, 3));
        for (const { subject, id } of events) order.get(subject)?.push(id);
        for (const partition of partitions) inHand.delete(partition);
      },
    });
    const members = [join()];
    await expect.poll(() => log.lag('readers', 'things'), { timeout: 15_000, interval: 2 }).toBeLessThan(700);
    members.push(join(), join());
    await expect.poll(() => log.lag('readers', 'things'), { timeout: 15_000, interval: 2 }).toBeLessThan(400);
    await members[0]?.close();
    await caughtUp(log);
    for (const key of keys) expect(order.get(key)).toEqual(idsOf(eventsOf(key, 40)));
    expect(most).toBeGreaterThan(1);
    expect(twice).toEqual([]);
  });
}

/** Declares the tests of the contract for one adapter. */
export function eventLogConformance(name: string, adapter: EventLogAdapter): void {
  describe(`the event log ${name}`, () => {
    let underTest: EventLogUnderTest;
    beforeEach(async () => {
      underTest = await adapter.open();
    });
    afterEach(() => underTest.cleanUp());
    const current = () => underTest;
    describe('appends', () => appending(current));
    describe('hands over to groups', () => groups(current));
    describe('answers failures', () => failures(current));
    describe('hands over ahead', () => eventLogAhead(current));
    describe('shares a group', () => sharing(current));
    describe('is shared by processes', () => eventLogAcrossProcesses(current, adapter.module));
  });
}
