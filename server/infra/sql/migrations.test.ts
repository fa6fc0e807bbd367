import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { expect, test } from 'vitest';
import { startModules } from '../../program/testing.ts';
import { defineModule } from '../../module.ts';

test('migrations are applied in order, once, and a changed one stops the start', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-migrations-'));
  const migrations = pathToFileURL(`${folder}/`);
  await writeFile(join(folder, '002_more.sql'), 'alter table things add column more text;');
  await writeFile(join(folder, '001_things.sql'), 'create table things (n integer);');
  const module = defineModule({ name: 'migrating', needs: [], migrations, start: async () => ({}) });
  const first = await startModules([module]);
  const sql = first.database('migrating')?.sql;
  expect(sql && (await sql`select name from migrations order by name`)).toEqual([{ name: '001_things.sql' }, { name: '002_more.sql' }, { name: 'base.sql' }]);
  await writeFile(join(folder, '001_things.sql'), 'create table things (n bigint);');
  await expect(startModules([module], { environment: { MOBILITY_DATABASE_URL: first.ports.database.url, MOBILITY_HOME: first.home } })).rejects.toThrow('001_things.sql');
  await first.dispose();
  await rm(folder, { recursive: true, force: true });
});
