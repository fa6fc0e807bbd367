/** The part of the event log's contract for groups that are handed the next batches before the first is done. */
import { expect, test } from 'vitest';
import { eventOf, eventsOf, idsOf, idsOfKey, tested } from './conformance-events.ts';
import type { CloudEvent, EventLog, SubscribeOptions } from './port.ts';

const keys = Array.from({ length: 12 }, (_, index) => `key-${index}`);
const group = { group: 'readers', topics: ['things'] };
const caughtUp = (log: EventLog) => expect.poll(() => log.lag('readers', 'things'), { timeout: 15_000, interval: 5 }).toBe(0);
const subscribe = (log: EventLog, options: Pick<SubscribeOptions, 'handle'> & Partial<SubscribeOptions>) => log.subscribe({ ...group, ...options });

/** Declares the tests; `current` gives the log under test. */
export function eventLogAhead(current: () => { log: EventLog; reopen(): Promise<EventLog> }): void {
  test('so many batches are handed over as were asked for, in order, and none is acknowledged before the first', async () => {
    const { log } = current();
    await log.append('things', eventsOf('one', 6));
    const handed: string[] = [];
    const releases: (() => void)[] = [];
    const subscription = subscribe(log, {
      maximumBatch: 1, ahead: 3,
      async handle(events) {
        handed.push(...idsOf(events));
        await new Promise<void>((resolve) => releases.push(resolve));
      },
    });
    await expect.poll(() => handed).toEqual(['one/0', 'one/1', 'one/2']);
    releases[2]?.();
    releases[1]?.();
    await log.append('things', [eventOf('one', 6)]);
    expect([handed.length, await log.lag('readers', 'things')]).toEqual([3, 7]);
    releases[0]?.();
    await expect.poll(() => log.lag('readers', 'things')).toBe(4);
    await expect.poll(() => handed).toEqual(idsOf(eventsOf('one', 6)));
    const closing = subscription.close();
    for (const release of releases) release();
    await closing;
    expect([handed.length, await log.lag('readers', 'things')]).toEqual([6, 1]);
  });

  test('after a failure everything from there on is handed over again, in order, and nothing is given up', async () => {
    const { log } = current();
    await Promise.all(keys.map((key) => log.append('things', eventsOf(key, 30))));
    const done: CloudEvent[] = [];
    let failures = 0;
    subscribe(log, {
      maximumBatch: 4, ahead: 4, concurrency: 2,
      async handle(events) {
        await new Promise((resolve) => setTimeout(resolve, Math.random() * 4));
        // Fewer than the attempts that an event has, so that none can be given up.
        if (failures < tested.maximumAttempts - 1 && Math.random() < 0.2) {
          failures++;
          throw new Error('not now');
        }
        done.push(...events);
      },
    });
    await caughtUp(log);
    for (const key of keys) expect([...new Set(idsOfKey(done, key))].sort()).toEqual(idsOf(eventsOf(key, 30)).sort());
    expect(failures).toBeGreaterThan(0);
    expect(await log.lag('nobody', 'things.dead-letter')).toBe(0);
  });

  test('an event that always fails goes to the dead letters alone, and the others are handled', async () => {
    const { log } = current();
    await log.append('things', eventsOf('one', 40));
    const done = new Set<string>();
    subscribe(log, {
      maximumBatch: 8, ahead: 4,
      async handle(events) {
        if (events.some(({ id }) => id === 'one/13')) throw new Error('never');
        for (const { id } of events) done.add(id);
      },
    });
    await caughtUp(log);
    expect(done.size).toBe(39);
    expect(await log.lag('nobody', 'things.dead-letter')).toBe(1);
  });

  test('what was handed over and not acknowledged is handed over again after the log was opened anew', async () => {
    const underTest = current();
    await underTest.log.append('things', eventsOf('one', 5));
    const { promise: everything, resolve } = Promise.withResolvers<void>();
    const release = Promise.withResolvers<void>();
    let handed = 0;
    subscribe(underTest.log, {
      maximumBatch: 1, ahead: 5,
      async handle(events) {
        handed += events.length;
        if (handed === 5) resolve();
        await release.promise;
        if (events[0]?.id === 'one/2') throw new Error('the program stops');
      },
    });
    await everything;
    release.resolve();
    const log = await underTest.reopen();
    const again: string[] = [];
    subscribe(log, { handle: async (events) => void again.push(...idsOf(events)) });
    await caughtUp(log);
    expect(again).toEqual(['one/2', 'one/3', 'one/4']);
  });
}
