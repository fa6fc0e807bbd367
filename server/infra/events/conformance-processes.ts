/** The part of the event log's contract that takes a second process: to share the log, or to be killed. */
import { type ChildProcessByStdio, spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterEach, expect, test } from 'vitest';
import { eventOf, eventsOf, idsOf, readAll } from './conformance-events.ts';
import type { EventLog } from './port.ts';

interface Handled {
  beganAtMs: number;
  endedAtMs: number;
  ids: string[];
}

interface Child {
  process: ChildProcessByStdio<null, Readable, null>;
  /** What it has printed. */
  lines: unknown[];
  /** SIGKILL: it gets no chance to tidy up. */
  kill(): Promise<void>;
}

const childScript = new URL('./conformance-child.ts', import.meta.url).pathname;
/** So many keys the child appends to. */
const childKeys = 10;
const keys = Array.from({ length: 20 }, (_, index) => `key-${index}`);

function start(module: URL, location: string, command: 'append' | 'consume'): Child {
  const child = spawn(process.execPath, [childScript, module.href, location, command], { stdio: ['ignore', 'pipe', 'inherit'] });
  const lines: unknown[] = [];
  const reader = createInterface(child.stdout).on('line', (line) => lines.push(JSON.parse(line)));
  const gone = Promise.all([new Promise((resolve) => child.once('exit', resolve)), new Promise((resolve) => reader.once('close', resolve))]);
  return {
    process: child,
    lines,
    async kill() {
      child.kill('SIGKILL');
      await gone;
    },
  };
}

const handledBy = (child: Child): Handled[] => child.lines.filter((line): line is Handled => typeof line === 'object' && line !== null && 'ids' in line);

async function partitionsOfKeys(log: EventLog): Promise<Map<string, number>> {
  return new Map((await readAll(log, 'things')).flatMap((events, partition) => events.map(({ subject }) => [subject, partition] as const)));
}

/** @throws AssertionError when two batches with events of one partition overlap in time */
function expectOneAtATime(batches: readonly Handled[], partitionOfKey: ReadonlyMap<string, number>): void {
  const byPartition = Map.groupBy(
    batches.flatMap((batch) => [...new Set(batch.ids.map((id) => partitionOfKey.get(id.split('/')[0] ?? '')))].map((partition) => ({ partition, batch }))),
    ({ partition }) => partition,
  );
  for (const entries of byPartition.values()) {
    const inTime = entries.map(({ batch }) => batch).sort((one, other) => one.beganAtMs - other.beganAtMs);
    inTime.forEach((batch, index) => expect(batch.beganAtMs).toBeGreaterThanOrEqual(inTime[index - 1]?.endedAtMs ?? 0));
  }
}

/** Declares the tests; `current` gives the log under test. */
export function eventLogAcrossProcesses(current: () => { log: EventLog; location: string; reopen(): Promise<EventLog> }, module: URL): void {
  const children: Child[] = [];
  const startChild = (command: 'append' | 'consume') => {
    const child = start(module, current().location, command);
    children.push(child);
    return child;
  };
  afterEach(async () => {
    for (const child of children.splice(0)) await child.kill();
  });

  test('after a kill in the middle of appends every acknowledged event is there, once and in order', async () => {
    const child = startChild('append');
    const acknowledged = () => new Map((child.lines as { key: string; acknowledged: number }[]).map((line) => [line.key, line.acknowledged]));
    await expect.poll(() => child.lines.length > 300 && acknowledged().size === childKeys, { timeout: 15_000, interval: 2 }).toBe(true);
    await child.kill();
    const log = await current().reopen();
    const found = Map.groupBy((await readAll(log, 'things')).flat(), ({ subject }) => subject);
    for (const [key, count] of acknowledged()) {
      const events = found.get(key) ?? [];
      expect(events.length).toBeGreaterThanOrEqual(count);
      expect(events).toEqual(eventsOf(key, events.length));
      // What one call appended is there whole, or not at all.
      expect(events.length % 3).toBe(0);
    }
    expect((await log.statistics()).published).toBe([...found.values()].flat().length);
    // And the log goes on.
    await log.append('things', [eventOf('key-0', -1)]);
    expect(idsOf((await readAll(log, 'things')).flat())).toContain('key-0/-1');
  });

  test('members in several processes share a group; when one is killed the others take over', async () => {
    const { log } = current();
    await log.append('things', keys.flatMap((key) => eventsOf(key, 40)));
    const partitionOfKey = await partitionsOfKeys(log);
    const first = startChild('consume');
    const second = startChild('consume');
    await expect.poll(() => Math.min(handledBy(first).length, handledBy(second).length), { timeout: 15_000, interval: 5 }).toBeGreaterThan(3);
    expect(await log.lag('readers', 'things')).toBeGreaterThan(0);
    await first.kill();
    const own: Handled[] = [];
    const subscription = log.subscribe({
      group: 'readers', topics: ['things'], maximumBatch: 5,
      async handle(events) {
        const beganAtMs = Number(process.hrtime.bigint()) / 1e6;
        await new Promise((resolve) => setTimeout(resolve, 5));
        own.push({ beganAtMs, endedAtMs: Number(process.hrtime.bigint()) / 1e6, ids: idsOf(events) });
      },
    });
    // Those of this process are appended while the other one reads.
    await log.append('things', keys.map((key) => eventOf(key, 40)));
    await expect.poll(() => log.lag('readers', 'things'), { timeout: 15_000, interval: 20 }).toBe(0);
    // The last acknowledgement may be ahead of the line that tells of it.
    const batches = () => [...handledBy(first), ...handledBy(second), ...own];
    await expect.poll(() => new Set(batches().flatMap(({ ids }) => ids)).size, { timeout: 5000, interval: 20 }).toBe(820);
    await subscription.close();
    expect(own.length).toBeGreaterThan(0);
    expectOneAtATime(batches(), partitionOfKey);
  });
}
