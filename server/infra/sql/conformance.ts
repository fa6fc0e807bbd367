/** The contract suite of the sql port: every promise of `port.ts`, for whatever PostgreSQL stands behind it. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { z } from 'zod';
import { defineEvent } from '../../wire/contract.ts';
import type { CloudEvent, EventLog } from '../events/port.ts';
import { manualClock } from '../clock/system.ts';
import { sqlUnderCuts } from './conformance-cuts.ts';
import { type Crowd, sqlAcrossProcesses } from './conformance-processes.ts';

const happened = defineEvent('things.happened', 'for tests', z.object({ n: z.number() }));

/** With the folder of the LMDB event log and the owner's address: what other processes open. */
export interface SqlUnderTest extends Crowd {
  clock: ReturnType<typeof manualClock>;
  events: EventLog;
  close(): Promise<void>;
}

async function until<T>(question: () => Promise<T | undefined | false>): Promise<T> {
  const deadline = performance.now() + 15_000;
  for (;;) {
    const answer = await question();
    if (answer !== undefined && answer !== false) return answer;
    if (performance.now() > deadline) throw new Error(`not in time: ${question.toString()}`);
    await new Promise((resume) => setTimeout(resume, 20));
  }
}

const eventOf = (id: string, n: number): CloudEvent => ({ specversion: '1.0', id, source: '/test', type: happened.type, subject: 's', time: new Date(0).toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data: { n } });

export function sqlConformance(name: string, start: () => Promise<SqlUnderTest>): void {
  describe(`sql: ${name}`, () => {
    let under: SqlUnderTest;
    let counter = 0;
    const fresh = () => `module-${++counter}`;
    beforeAll(async () => {
      under = await start();
    });
    afterAll(() => under.close());

    const published = async (topic = 'things'): Promise<CloudEvent[]> => {
      const all = await Promise.all(Array.from({ length: under.events.partitions(topic) }, (_, partition) => under.events.read(topic, partition, 0, 1000)));
      return all.flat().map((entry) => entry.event);
    };

    test('a transaction that throws leaves neither rows, events nor timers', async () => {
      const database = await under.open(fresh());
      database.start();
      await database.sql`create table rows (n integer)`;
      await expect(
        database.transaction(async (transaction) => {
          await transaction.sql`insert into rows values (1)`;
          transaction.publish(happened, 'rolled-back', { n: 1 });
          transaction.schedule({ kind: 'never', key: 'k', dueAt: under.clock.now() });
          throw new Error('stop');
        }),
      ).rejects.toThrow('stop');
      expect(await database.sql`select * from rows`).toHaveLength(0);
      expect(await database.sql`select * from timers where kind = 'never'`).toHaveLength(0);
      expect((await published()).filter((event) => event.subject === 'rolled-back')).toEqual([]);
      await database.stop();
    });

    test('events of committed transactions arrive in the order of their commits', async () => {
      const database = await under.open(fresh());
      database.start();
      for (let n = 0; n < 50; n++) await database.transaction(async (transaction) => transaction.publish(happened, 'ordered', { n }));
      const events = await until(async () => {
        const mine = (await published()).filter((event) => event.subject === 'ordered');
        return mine.length >= 50 && mine;
      });
      expect(events.map((event) => (event.data as { n: number }).n)).toEqual(Array.from({ length: 50 }, (_, n) => n));
      // A row goes after its event is in the log.
      await until(async () => (await database.sql`select 1 from outbox`).length === 0);
      await database.stop();
    });

    test('events that a killed process has left in the outbox are sent by the next one', async () => {
      const module = fresh();
      const killed = await under.open(module);
      await killed.transaction(async (transaction) => transaction.publish(happened, 'left-behind', { n: 1 }));
      const next = await under.open(module);
      next.start();
      await until(async () => (await published()).some((event) => event.subject === 'left-behind'));
      await Promise.all([killed.stop(), next.stop()]);
    });

    test('an event that is delivered twice has its effects once; one that fails is tried again', async () => {
      const topic = `twice${counter}`;
      const database = await under.open(fresh());
      await database.sql`create table effects (n integer)`;
      let failures = 2;
      database.consume([topic], async (event, transaction) => {
        const { n } = event.data as { n: number };
        if (n === 2 && failures-- > 0) throw new Error('not yet');
        await transaction.sql`insert into effects values (${n})`;
      });
      database.start();
      const [first, second] = [eventOf(v7(), 1), eventOf(v7(), 2)].map((event) => ({ ...event, type: `${topic}.happened` }));
      if (!first || !second) throw new Error('unreachable');
      await under.events.append(topic, [first, first, second]);
      await under.events.append(topic, [first, second]);
      await until(async () => (await database.sql`select * from effects`).length >= 2);
      await until(async () => (await under.events.lag(`module-${counter}`, topic)) === 0);
      expect((await database.sql<{ n: number }[]>`select n from effects order by n`).map((row) => row.n)).toEqual([1, 2]);
      await database.stop();
    });

    test('a timer fires at its time, once, also when it was set before a restart; moved and cancelled ones obey', async () => {
      const module = fresh();
      const first = await under.open(module);
      const at = (minutes: number) => new Date(under.clock.nowMs() + minutes * 60_000);
      await first.transaction(async (transaction) => {
        transaction.schedule({ kind: 'ring', key: 'due', dueAt: at(5), payload: { hello: 1 } });
        transaction.schedule({ kind: 'ring', key: 'moved', dueAt: at(5) });
        transaction.schedule({ kind: 'ring', key: 'cancelled', dueAt: at(5) });
      });
      await first.transaction(async (transaction) => {
        transaction.schedule({ kind: 'ring', key: 'moved', dueAt: at(60) });
        transaction.cancelTimer('ring', 'cancelled');
      });
      await first.stop();

      const fired: string[] = [];
      const [one, two] = [await under.open(module), await under.open(module)];
      for (const worker of [one, two]) {
        worker.onTimer('ring', async ({ key, payload }) => void fired.push(`${key} ${JSON.stringify(payload)}`));
        worker.start();
      }
      under.clock.advance(5 * 60_000);
      await until(async () => fired.length > 0);
      under.clock.advance(10 * 60_000);
      await until(async () => (await one.sql`select 1 from timers where key = 'due'`).length === 0);
      expect(fired).toEqual(['due {"hello":1}']);
      await Promise.all([one.stop(), two.stop()]);
    });

    test('a timer whose handler throws is tried again', async () => {
      const database = await under.open(fresh());
      const attempts: number[] = [];
      database.onTimer('stubborn', async ({ attempt }) => {
        attempts.push(attempt);
        if (attempt < 3) throw new Error('again');
      });
      database.start();
      await database.transaction(async (transaction) => transaction.schedule({ kind: 'stubborn', key: 'k', dueAt: under.clock.now() }));
      await until(async () => {
        under.clock.advance(1000);
        return attempts.length === 3;
      });
      expect(attempts).toEqual([1, 2, 3]);
      await database.stop();
    });

    test('a handler that takes longer than a claim holds is not run a second time, and holds up no other timer', async () => {
      const module = fresh();
      const timerLeaseMs = 300;
      const workers = [await under.open(module, { timerLeaseMs }), await under.open(module, { timerLeaseMs })];
      const began: string[] = [];
      let finish: (() => void) | undefined;
      const finished = new Promise<void>((resolve) => (finish = resolve));
      for (const worker of workers) {
        worker.onTimer('ring', async ({ key }) => {
          began.push(key);
          if (key === 'long') await finished;
        });
        worker.start();
      }
      const [one] = workers;
      if (!one) throw new Error('unreachable');
      await one.transaction(async (transaction) => transaction.schedule({ kind: 'ring', key: 'long', dueAt: under.clock.now() }));
      await until(async () => began.length === 1);
      const claimedUntilMs = async () => (await one.sql<{ leasedUntil: Date }[]>`select leased_until from timers where key = 'long'`)[0]?.leasedUntil.getTime() ?? 0;
      const first = await claimedUntilMs();
      // Longer than the claim by far, whatever the clock of the modules does meanwhile.
      under.clock.advance(3_600_000);
      await until(async () => (await claimedUntilMs()) > first + 3 * timerLeaseMs);
      await one.transaction(async (transaction) => transaction.schedule({ kind: 'ring', key: 'short', dueAt: under.clock.now() }));
      await until(async () => began.includes('short'));
      // Moved while it is handled: it waits for the end of the handler, and no longer.
      await one.transaction(async (transaction) => transaction.schedule({ kind: 'ring', key: 'long', dueAt: under.clock.now() }));
      await one.transaction(async (transaction) => transaction.schedule({ kind: 'ring', key: 'later', dueAt: under.clock.now() }));
      await until(async () => began.includes('later'));
      expect(began).toEqual(['long', 'short', 'later']);
      finish?.();
      await until(async () => (await one.sql`select 1 from timers where kind = 'ring'`).length === 0);
      expect(began).toEqual(['long', 'short', 'later', 'long']);
      await Promise.all(workers.map((worker) => worker.stop()));
    });

    test('work waits while the database is away, and is told of every other error', async () => {
      const database = await under.open(fresh());
      let tries = 0;
      await database.whileReachable(async () => {
        tries += 1;
        if (tries < 3) throw Object.assign(new Error('away'), { code: tries === 1 ? 'ECONNREFUSED' : '57P03' });
      });
      expect(tries).toBe(3);
      await expect(database.whileReachable(() => Promise.reject(Object.assign(new Error('wrong'), { code: '23505' })))).rejects.toThrow('wrong');
      await database.stop();
    });

    sqlAcrossProcesses(() => under);
    sqlUnderCuts(() => under);

    test('a module cannot read the tables of another', async () => {
      const [one, other] = [fresh(), fresh()];
      const owner = await under.open(one);
      const stranger = await under.open(other);
      await owner.sql`create table secrets (n integer)`;
      await expect(stranger.sql.unsafe(`select * from ${one.replace('-', '_')}.secrets`)).rejects.toThrow('permission denied');
      await Promise.all([owner.stop(), stranger.stop()]);
    });
  });
}
