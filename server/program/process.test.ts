import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import postgres from 'postgres';
import { expect, test } from 'vitest';
import { z } from 'zod';
import type { Contract } from '../wire/contract.ts';
import { defineModule } from '../module.ts';
import { startModules } from './testing.ts';

const contract = {
  module: 'asking', events: {},
  operations: { ask: { method: 'GET', path: '/internal/ask', summary: 'for tests', access: { roles: ['machine'], scope: 'internal' }, public: false, query: z.object({ statement: z.string() }), status: 200, response: z.object({ rows: z.int() }), errors: [] } },
} as const satisfies Contract;

test('while its database is away a module answers that it is unavailable, and serves again by itself; other faults stay what they are', async () => {
  const migrations = await mkdtemp(join(tmpdir(), 'mobility-migrations-'));
  const asking = defineModule<typeof contract.operations>({
    name: 'asking', contract, needs: [], migrations: pathToFileURL(`${migrations}/`),
    start: async ({ database }) => ({ handlers: { ask: async ({ query }) => ({ rows: (await database.sql.unsafe(query.statement)).length }) } }),
  });
  const running = await startModules([asking]);
  const { ask } = running.client(contract);
  expect(await ask({ query: { statement: 'select 1' } })).toEqual({ rows: 1 });
  const name = new URL(running.ports.database.url).pathname.slice(1);
  const admin = postgres(process.env['MOBILITY_TEST_DATABASE_URL'] ?? '', { max: 1, onnotice: () => undefined });
  await admin`alter database ${admin(name)} with allow_connections false`;
  await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
  await expect(ask({ query: { statement: 'select 1' } })).rejects.toMatchObject({ code: 'unavailable', status: 503, retryAfterSeconds: 1 });
  await admin`alter database ${admin(name)} with allow_connections true`;
  await expect.poll(() => ask({ query: { statement: 'select 1' } }).catch(() => undefined), { timeout: 10_000 }).toEqual({ rows: 1 });
  await expect(ask({ query: { statement: 'select wrong' } })).rejects.toMatchObject({ code: '42703' });
  await admin.end();
  await running.dispose();
  await rm(migrations, { recursive: true });
});
