import { once } from 'node:events';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { expect, test } from 'vitest';
import postgres, { type Sql } from 'postgres';
import { openPool } from './pool.ts';
import { isUnreachable } from './unreachable.ts';

test('a transaction whose connection is cut anywhere throws that the database is away, sends nothing more, and the pool goes on', async () => {
  const url = process.env['MOBILITY_TEST_DATABASE_URL'] ?? '';
  const name = `cut_${process.pid}`;
  const admin = postgres(url, { max: 1, onnotice: () => undefined });
  await admin`create table ${admin(name)} (attempt integer, part integer)`;
  const pool = await openPool((onclose) => postgres(url, { max: 2, onclose, connect_timeout: 5, connection: { application_name: name } }) as Sql);
  let cut = 0;
  for (let attempt = 0; attempt < 12; attempt++) {
    const work = pool.transaction(async (transaction) => {
      await transaction`insert into ${transaction(name)} values (${attempt}, 1)`;
      await new Promise((resume) => setTimeout(resume, attempt));
      await transaction`select pg_sleep(0.01)`;
      await transaction`insert into ${transaction(name)} values (${attempt}, 2)`;
    }).then(() => undefined, (error: unknown) => error);
    await new Promise((resume) => setTimeout(resume, attempt * 3));
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = ${name}`;
    const error = await work;
    if (error !== undefined) {
      cut += 1;
      expect(isUnreachable(error), String(error)).toBe(true);
    }
  }
  expect(cut).toBeGreaterThan(0);
  // The last cut may be heard of only now.
  await expect.poll(() => pool.sql.begin((transaction) => transaction`select 1 as one`), { timeout: 10_000 }).toEqual([{ one: 1 }]);
  expect(await pool.sql`select ${['a', 'b,c']}::text[] as texts, ${[1, 2]}::integer[] as numbers`).toEqual([{ texts: ['a', 'b,c'], numbers: [1, 2] }]);
  expect(await admin`select attempt from ${admin(name)} group by attempt having count(*) <> 2`).toEqual([]);
  await pool.end(5);
  await admin`drop table ${admin(name)}`;
  await admin.end();
});

/** A way to the database that can be reset, as a network device does: the client is told of an error, not of an end. */
async function resettable(url: string): Promise<{ url: string; reset(): number; close(): Promise<void> }> {
  const target = new URL(url);
  const clients = new Set<Socket>();
  const server = createServer((client) => {
    clients.add(client);
    const upstream = connect(Number(target.port), target.hostname);
    client.pipe(upstream).pipe(client);
    for (const socket of [client, upstream]) socket.on('error', () => undefined);
    client.once('close', () => {
      clients.delete(client);
      upstream.destroy();
    });
    upstream.once('close', () => client.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const through = new URL(url);
  through.port = String((server.address() as AddressInfo).port);
  return {
    url: through.href,
    reset() {
      const open = [...clients];
      for (const client of open) client.resetAndDestroy();
      return open.length;
    },
    async close() {
      for (const client of clients) client.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}

test('what is asked for at once after a reset connection failed is told, too: nobody waits for ever', { timeout: 60_000 }, async () => {
  const way = await resettable(process.env['MOBILITY_TEST_DATABASE_URL'] ?? '');
  const pool = await openPool((onclose) => postgres(way.url, { max: 2, onclose, connect_timeout: 5 }) as Sql, { replacedEndsWithinSeconds: 2 });
  let [isOver, failures, resets] = [false, 0, 0];
  const untilOver = async (ask: () => PromiseLike<unknown>) => {
    while (!isOver) {
      await ask().then(() => undefined, (error: unknown) => {
        failures += 1;
        expect(isUnreachable(error), String(error)).toBe(true);
      });
    }
  };
  const asking = Array.from({ length: 6 }, (_, index) => untilOver(index % 3 === 2
    ? () => pool.transaction((transaction) => transaction`select pg_sleep(0.005)`)
    : () => pool.sql`select pg_sleep(${0.005}::float8)`));
  const endMs = performance.now() + 4_000;
  while (performance.now() < endMs) {
    await new Promise((resume) => setTimeout(resume, 40));
    resets += way.reset();
  }
  isOver = true;
  await Promise.all(asking);
  expect(resets).toBeGreaterThan(10);
  expect(failures).toBeGreaterThan(0);
  await pool.end(5);
  await way.close();
});
