/** The part of the sql port's contract about connections that are cut at any moment. */
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { systemClock } from '../clock/system.ts';
import { commitOne, committed, expectEventsOnceInOrder, followCrowd, prepareCrowd, randomFrom, settle, upTo } from './conformance-crowd.ts';
import type { Crowd } from './conformance-processes.ts';
import { isUnreachable } from './unreachable.ts';

const cutForMs = 8_000;

export function sqlUnderCuts(current: () => Crowd): void {
  test('connections are cut at random moments, under everything that a module does: nothing throws past its promise, nothing accepted is lost', { timeout: 180_000 }, async () => {
    const { url, open } = current();
    const seed = Math.floor(Math.random() * 2 ** 31);
    process.stdout.write(`seed of the cuts: ${seed}\n`);
    const random = randomFrom(seed);
    const [database, clock] = [await open('cut', { clock: systemClock(0), timerLeaseMs: 1000 }), systemClock(0)];
    await prepareCrowd(database);
    followCrowd(database, { module: 'cut', worker: 1, slowMs: 0, random });
    database.start();
    const admin = postgres(url, { max: 1, onnotice: () => undefined });
    const acknowledged = new Map<string, number>();
    let [isOver, failures, cuts] = [false, 0, 0];
    const failed = (error: unknown) => {
      failures += 1;
      expect(isUnreachable(error), String(error)).toBe(true);
    };
    const commitUntilOver = async (own: () => number) => {
      while (!isOver) await commitOne(database, { nowMs: clock.nowMs(), random: own }).then(({ subject, n }) => acknowledged.set(subject, Math.max(n, acknowledged.get(subject) ?? 0)), failed);
    };
    const readUntilOver = async () => {
      while (!isOver) await database.sql`select pg_sleep(${random() / 50}), ${['a', 'b,c']}::text[] as texts`.then(([row]) => expect(row?.['texts']).toEqual(['a', 'b,c']), failed);
    };
    /** Work that does not take no for an answer, as a handler may be written. */
    const insistUntilOver = async () => {
      while (!isOver) {
        await database.transaction(async ({ sql }) => {
          for (let n = 0; n < 5; n++) await sql`select pg_sleep(${random() / 100})`.catch(() => undefined);
          for await (const rows of sql`select n from generate_series(1, 50) as n`.cursor(10)) expect(rows.length).toBe(10);
        }).catch(failed);
      }
    };
    const working = Promise.all([insistUntilOver(), insistUntilOver(), ...upTo(4).map((n) => commitUntilOver(randomFrom(seed + n))), readUntilOver(), readUntilOver()]);
    const endMs = performance.now() + cutForMs;
    while (performance.now() < endMs) {
      await new Promise((resume) => setTimeout(resume, random() * 60));
      // One connection, some of them, or all.
      const share = random();
      const rows = await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mobility cut' and random() < ${share < 0.2 ? 1 : share}`;
      cuts += rows.length;
    }
    isOver = true;
    await working;
    await settle(database, 120_000);
    expect(cuts).toBeGreaterThan(10);
    expect(failures).toBeGreaterThan(0);
    await expectEventsOnceInOrder(database);
    const there = await committed(database);
    for (const [subject, n] of acknowledged) expect(there.get(subject), `what was acknowledged of ${subject}`).toBeGreaterThanOrEqual(n);
    const rung = new Set((await database.sql<{ key: string }[]>`select key from firings where ended_at is not null`).map(({ key }) => key));
    expect([...there].flatMap(([subject, n]) => upTo(n).map((number) => `${subject}/${number}`)).filter((key) => !rung.has(key))).toEqual([]);
    await admin.end();
    await database.stop();
  });
}
