/** Work of a module on its database, and what has to be true of it whatever happened meanwhile: for tests that kill, cut and restart. */
import { expect } from 'vitest';
import { z } from 'zod';
import { defineEvent } from '../../wire/contract.ts';
import type { ModuleDatabase } from './database.ts';

const counted = defineEvent('crowd.counted', 'for tests', z.object({ n: z.number() }));
export const subjects = ['a', 'b', 'c', 'd', 'e'];
/** Timers whose keys begin so take longer than a claim holds. */
export const slowKey = 'slow';

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** Numbers from 0 to 1 that a seed decides (mulberry32). */
export function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d_2b_79_f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

export async function prepareCrowd({ sql }: ModuleDatabase): Promise<void> {
  await sql`create table counters (subject text primary key, n integer not null default 0)`;
  await sql`insert into counters (subject) select unnest(${subjects}::text[])`;
  await sql`create table effects (id bigint generated always as identity, event_id uuid not null, subject text not null, n integer not null)`;
  await sql`create table firings (id bigint generated always as identity, key text not null, worker integer not null, began_at timestamptz not null default clock_timestamp(), ended_at timestamptz)`;
}

/** Handles what `commitOne` commits. @param slowMs how long a slow timer takes */
export function followCrowd(database: ModuleDatabase, { module, worker, slowMs, random }: { module: string; worker: number; slowMs: number; random: () => number }): void {
  database.onTimer('ring', async ({ key }) => {
    const [firing] = await database.sql<{ id: number }[]>`insert into firings (key, worker) values (${key}, ${worker}) returning id`;
    await pause(key.startsWith(slowKey) ? slowMs : random() * 100);
    await database.sql`update firings set ended_at = clock_timestamp() where id = ${firing?.id ?? 0}`;
  });
  database.consume(['crowd'], async (event, transaction) => {
    // Other tests have their crowds in the same log.
    if (event.source !== `/${module}`) return;
    await transaction.sql`insert into effects (event_id, subject, n) values (${event.id}, ${event.subject}, ${(event.data as { n: number }).n})`;
  });
}

/** A row, an event and a timer in one transaction. @returns what was counted up, and to what */
export async function commitOne(database: ModuleDatabase, { nowMs, random }: { nowMs: number; random: () => number }): Promise<{ subject: string; n: number }> {
  const subject = subjects[Math.floor(random() * subjects.length)] ?? '';
  const dueAt = new Date(nowMs + random() * 400);
  return database.transaction(async (transaction) => {
    const [row] = await transaction.sql<{ n: number }[]>`update counters set n = n + 1 where subject = ${subject} returning n`;
    const n = row?.n ?? 0;
    transaction.publish(counted, subject, { n });
    transaction.schedule({ kind: 'ring', key: `${subject}/${n}`, dueAt });
    return { subject, n };
  });
}

/** What was committed, and nothing else. */
export const committed = async ({ sql }: ModuleDatabase): Promise<Map<string, number>> =>
  new Map((await sql<{ subject: string; n: number }[]>`select subject, n from counters`).map(({ subject, n }) => [subject, n]));

export const upTo = (n: number): number[] => Array.from({ length: n }, (_, index) => index + 1);

/** Until all timers have fired and all events are handled, or `timeoutMs` have passed. */
export async function settle(database: ModuleDatabase, timeoutMs: number): Promise<void> {
  const options = { timeout: timeoutMs, interval: 100 };
  await expect.poll(async () => (await database.sql`select 1 from timers where kind = 'ring'`).length, options).toBe(0);
  await expect.poll(async () => (await database.sql`select 1 from outbox`).length, options).toBe(0);
  const total = [...(await committed(database)).values()].reduce((sum, n) => sum + n, 0);
  await expect.poll(async () => (await database.sql`select 1 from effects`).length, options).toBeGreaterThanOrEqual(total);
}

export async function expectEventsOnceInOrder(database: ModuleDatabase): Promise<void> {
  for (const [subject, n] of await committed(database)) {
    const effects = await database.sql<{ n: number }[]>`select n from effects where subject = ${subject} order by id`;
    expect(effects.map((effect) => effect.n), `events of ${subject}`).toEqual(upTo(n));
  }
}
