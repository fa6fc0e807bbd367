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
  expect(await pool.sql.begin((transaction) => transaction`select 1 as one`)).toEqual([{ one: 1 }]);
  expect(await pool.sql`select ${['a', 'b,c']}::text[] as texts, ${[1, 2]}::integer[] as numbers`).toEqual([{ texts: ['a', 'b,c'], numbers: [1, 2] }]);
  expect(await admin`select attempt from ${admin(name)} group by attempt having count(*) <> 2`).toEqual([]);
  await pool.end(5);
  await admin`drop table ${admin(name)}`;
  await admin.end();
});
