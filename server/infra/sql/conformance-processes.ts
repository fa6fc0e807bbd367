/** The part of the sql port's contract that takes several processes on one schema, some of which are killed. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { committed, expectEventsOnceInOrder, prepareCrowd, randomFrom, settle, slowKey, upTo } from './conformance-crowd.ts';
import type { DatabaseOptions, ModuleDatabase } from './database.ts';

export interface Crowd {
  url: string;
  eventsFolder: string;
  /** Opens the database of a module; several of one name share its schema, as two processes would. */
  open(module: string, more?: Partial<DatabaseOptions>): Promise<ModuleDatabase>;
}

interface Firing {
  key: string;
  worker: number;
  beganAt: Date;
  endedAt: Date | null;
}

const childScript = new URL('./conformance-child.ts', import.meta.url).pathname;
const leaseMs = 2000;
const workers = 3;
const kills = 5;
const limitMs = 240_000;
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

async function startWorker({ url, eventsFolder }: Crowd, module: string, seed: number): Promise<ChildProcess> {
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', childScript, url, eventsFolder, module, String(leaseMs), String(seed)], { stdio: ['pipe', 'pipe', 'inherit'] });
  const ended = once(child, 'exit').then(() => Promise.reject(new Error('a worker has ended by itself')));
  ended.catch(() => undefined);
  await Promise.race([once(child.stdout, 'data'), ended]);
  return child;
}

/** @param killed when each killed worker was */
async function expectTimersOneAtATime(database: ModuleDatabase, killed: ReadonlyMap<number, Date>): Promise<void> {
  const byKey = Map.groupBy(await database.sql<Firing[]>`select key, worker, began_at, ended_at from firings order by began_at, id`, ({ key }) => key);
  const expected = [...(await committed(database))].flatMap(([subject, n]) => upTo(n).map((number) => `${subject}/${number}`));
  for (const key of [...expected, ...upTo(workers).map((n) => `${slowKey}-${n}`)]) {
    const firings = byKey.get(key) ?? [];
    expect(firings.some(({ endedAt }) => endedAt), `${key} has fired to its end`).toBe(true);
    for (const [index, { worker, endedAt }] of firings.entries()) {
      const over = endedAt ?? killed.get(worker);
      expect(over, `${key} was given up by a worker that lives`).toBeDefined();
      const next = firings[index + 1];
      if (!next || !over) continue;
      expect(next.beganAt.getTime(), `${key} fires twice at a time`).toBeGreaterThanOrEqual(over.getTime());
      // Whoever ended and was asked once more was killed before it could say so.
      expect(killed.has(worker), `${key} fired twice without need`).toBe(true);
    }
  }
  expect(byKey.size).toBe(expected.length + workers);
}

export function sqlAcrossProcesses(current: () => Crowd): void {
  test('three processes on one schema, some killed: every timer once at a time and to its end, every event once and in order', { timeout: limitMs + 30_000 }, async () => {
    const crowd = current();
    const seed = Math.floor(Math.random() * 2 ** 31);
    process.stdout.write(`seed of the kills: ${seed}\n`);
    const random = randomFrom(seed);
    const database = await crowd.open('crowd');
    await prepareCrowd(database);
    await database.transaction(async (current) => upTo(workers).forEach((n) => current.schedule({ kind: 'ring', key: `${slowKey}-${n}`, dueAt: new Date(0) })));
    const running = await Promise.all(upTo(workers).map((n) => startWorker(crowd, 'crowd', seed + n)));
    const killed = new Map<number, Date>();
    try {
      for (let n = 0; n < kills; n++) {
        await pause(random() * 2 * leaseMs);
        const [victim] = running.splice(Math.floor(random() * running.length), 1);
        if (!victim?.pid) throw new Error('a worker has no process');
        const [row] = await database.sql<{ now: Date }[]>`select clock_timestamp() as now`;
        victim.kill('SIGKILL');
        await once(victim, 'exit');
        killed.set(victim.pid, row?.now ?? new Date(0));
        running.push(await startWorker(crowd, 'crowd', seed + 100 + n));
      }
      await Promise.all(running.map(async (worker) => {
        const last = once(worker.stdout ?? worker, 'data');
        worker.stdin?.write('enough\n');
        await last;
      }));
      await settle(database, limitMs / 2);
      await expectEventsOnceInOrder(database);
      await expectTimersOneAtATime(database, killed);
    } finally {
      for (const worker of running) worker.kill('SIGKILL');
      await database.stop();
    }
  });
}
