import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { afterEach, describe, expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { eventLogConformance, type EventLogUnderTest } from './conformance.ts';
import { eventOf, eventsOf, idsOf, readAll } from './conformance-events.ts';
import { openLmdbEventLog } from './lmdb.ts';
import { openAt as openWithShortLease } from './lmdb-short-lease-under-test.ts';
import { openAt } from './lmdb-under-test.ts';
import type { EventLog } from './port.ts';
import { isGone, thisProcess } from './process-identity.ts';

async function open(): Promise<EventLogUnderTest> {
  const location = await mkdtemp(join(tmpdir(), 'events-'));
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
      await rm(location, { recursive: true });
    },
  };
  return opened;
}

eventLogConformance('on LMDB', { open, module: new URL('./lmdb-under-test.ts', import.meta.url) });

/** Stops the process, but not in the middle of a write: LMDB has one writer at a time, and all others would stand still with it. */
async function stopBetweenWrites(child: ChildProcess, log: EventLog): Promise<void> {
  for (;;) {
    child.kill('SIGSTOP');
    const hasWritten = log.append('probes', [eventOf('probe', 0)]).then(() => true);
    const deadline = Promise.withResolvers<boolean>();
    const timer = setTimeout(() => deadline.resolve(false), 500);
    if (await Promise.race([hasWritten, deadline.promise])) {
      clearTimeout(timer);
      return;
    }
    child.kill('SIGCONT');
    await hasWritten;
  }
}

describe('the event log on LMDB, beyond the contract,', () => {
  const folders: string[] = [];
  const newFolder = async () => {
    const folder = await mkdtemp(join(tmpdir(), 'events-'));
    folders.push(folder);
    return folder;
  };
  afterEach(async () => {
    for (const folder of folders.splice(0)) await rm(folder, { recursive: true });
  });

  test('trims what is old and what every group has handled, and no more', async () => {
    const clock = manualClock(Date.parse('2026-01-10T00:00:00Z'));
    const log = await openLmdbEventLog({ folder: await newFolder(), partitions: 1, clock });
    const young = (number: number) => ({ ...eventOf('one', number), time: '2026-01-09T23:00:00.000Z' });
    await log.append('things', [...eventsOf('one', 2500), young(2500)]);
    const readers = log.subscribe({ group: 'readers', topics: ['things'], handle: async () => undefined });
    await expect.poll(() => log.lag('readers', 'things'), { timeout: 15_000 }).toBe(0);
    await readers.close();
    const slow = log.subscribe({ group: 'slow', topics: ['things'], maximumBatch: 2000, handle: async (events) => (events[0]?.id === 'one/0' ? undefined : Promise.reject(new Error('later'))) });
    await expect.poll(() => log.lag('slow', 'things'), { timeout: 15_000 }).toBe(501);
    await slow.close();

    const dayMs = 24 * 3_600_000;
    expect(await log.trim('things', dayMs)).toBe(2000);
    expect(await log.trim('things', dayMs)).toBe(0);
    expect((await log.read('things', 0, 0, 1))[0]).toEqual({ offset: 2000, event: eventOf('one', 2000) });
    expect(await log.lag('slow', 'things')).toBe(501);
    expect(await log.lag('new', 'things')).toBe(501);

    const rest = log.subscribe({ group: 'slow', topics: ['things'], handle: async () => undefined });
    await expect.poll(() => log.lag('slow', 'things'), { timeout: 15_000 }).toBe(0);
    await rest.close();
    expect(await log.trim('things', dayMs)).toBe(500);
    expect(idsOf((await readAll(log, 'things')).flat())).toEqual(['one/2500']);
    await log.append('things', [young(2501)]);
    expect((await log.read('things', 0, 0, 9)).map(({ offset }) => offset)).toEqual([2500, 2501]);
    expect(await log.trim('nothing', 0)).toBe(0);
    await log.close();
  });

  test('removes by itself what is older than its topic keeps, and leaves other topics alone', async () => {
    const clock = manualClock(Date.parse('2026-01-10T00:00:00Z'));
    const log = await openLmdbEventLog({ folder: await newFolder(), partitions: 2, clock, retentionMs: { things: 400 } });
    // Whoever else writes may put the members in another order.
    const { time, data, ...rest } = eventOf('other', 1);
    await log.append('things', [...eventsOf('one', 100), { data: { note: '"time":"2999-01-01T00:00:00Z","data"' }, ...rest, time }]);
    await log.append('others', eventsOf('one', 10));
    await expect.poll(async () => (await readAll(log, 'things')).flat().length, { timeout: 10_000 }).toBe(0);
    expect((await readAll(log, 'others')).flat()).toHaveLength(10);
    expect(data).toBeDefined();
    await log.close();
  });

  test('a topic keeps its number of partitions', async () => {
    const folder = await newFolder();
    const before = await openLmdbEventLog({ folder, partitions: 3 });
    await before.append('things', eventsOf('one', 1));
    await before.close();
    const after = await openLmdbEventLog({ folder, partitions: 5 });
    expect([after.partitions('things'), after.partitions('new')]).toEqual([3, 5]);
    await after.close();
    await expect(openLmdbEventLog({ folder, partitions: 0 })).rejects.toThrow(RangeError);
  });

  test('a member that stood still loses its partitions, and what it acknowledges late changes nothing', async () => {
    const location = await newFolder();
    const log = await openWithShortLease(location);
    await log.append('things', eventsOf('one', 100));
    const child = spawn(process.execPath, [new URL('./conformance-child.ts', import.meta.url).pathname, new URL('./lmdb-short-lease-under-test.ts', import.meta.url).href, location, 'consume'], { stdio: ['ignore', 'pipe', 'inherit'] });
    const batches: { beganAtMs: number; ids: string[] }[] = [];
    createInterface(child.stdout).on('line', (line) => batches.push(JSON.parse(line)));
    try {
      await expect.poll(() => log.lag('readers', 'things'), { timeout: 20_000 }).toBeLessThan(95);
      await stopBetweenWrites(child, log);
      const handled: string[] = [];
      const lags: number[] = [];
      const subscription = log.subscribe({ group: 'readers', topics: ['things'], maximumBatch: 10, handle: async (events) => void handled.push(...idsOf(events)) });
      await expect.poll(() => log.lag('readers', 'things'), { timeout: 20_000 }).toBe(0);
      const wokenAtMs = Number(process.hrtime.bigint()) / 1e6;
      child.kill('SIGCONT');
      // It comes back as a member, and both go on from where the other one was.
      await log.append('things', [eventOf('one', 100)]);
      await expect.poll(async () => lags.push(await log.lag('readers', 'things')) > 20 && lags.at(-1), { timeout: 20_000, interval: 5 }).toBe(0);
      expect(Math.max(...lags)).toBeLessThanOrEqual(1);
      expect(handled.slice(0, handled.indexOf('one/99') + 1)).toEqual(idsOf(eventsOf('one', 100)).slice(-1 - handled.indexOf('one/99')));
      await subscription.close();
      await log.append('things', [eventOf('one', 101)]);
      await expect.poll(() => batches.at(-1)?.ids, { timeout: 20_000 }).toEqual(['one/101']);
      // Of what it held before it finishes at most the batch that was in hand.
      const late = batches.filter(({ beganAtMs, ids }) => beganAtMs > wokenAtMs && !ids.includes('one/100') && !ids.includes('one/101'));
      expect(late.length).toBeLessThanOrEqual(1);
    } finally {
      child.kill('SIGKILL');
      await log.close();
    }
  }, 60_000);

  test('a process is gone when it is gone, and not before', async () => {
    expect(isGone(thisProcess())).toBe(false);
    // Without a name only the expiry of its lease tells.
    expect(isGone(undefined)).toBe(false);
    const script = `import('${new URL('./process-identity.ts', import.meta.url).href}').then(({ thisProcess }) => { process.stdout.write(thisProcess()); setInterval(() => {}, 1000) })`;
    const child = spawn(process.execPath, ['-e', script], { stdio: ['ignore', 'pipe', 'inherit'] });
    const identity = await new Promise<string>((resolve) => child.stdout.once('data', (data: Buffer) => resolve(data.toString())));
    expect(isGone(identity)).toBe(false);
    const exited = new Promise((resolve) => child.once('exit', resolve));
    child.kill('SIGKILL');
    await exited;
    expect(isGone(identity)).toBe(true);
    // The same number with another start is another process.
    expect(isGone(thisProcess()?.replace(/\d+$/, '1'))).toBe(true);
  });
});
