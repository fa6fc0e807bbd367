import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import postgres from 'postgres';
import { manualClock } from '../clock/system.ts';
import { openLmdbEventLog } from '../events/lmdb.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { sqlConformance } from './conformance.ts';
import { openDatabase } from './database.ts';
import { startEmbeddedPostgres } from './embedded.ts';
import { accessForTests } from './testing.ts';

const logger = pinoLogger('silent');

sqlConformance('embedded PostgreSQL', async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-sql-'));
  const server = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: 'of-a-test', logger });
  const clock = manualClock(Date.parse('2026-11-22T10:00:00Z'));
  const events = await openLmdbEventLog({ folder: join(folder, 'events'), logger });
  const metrics = prometheusMetrics();
  return {
    clock, events, url: server.url, eventsFolder: join(folder, 'events'),
    open: (module, more) => openDatabase({ module, access: accessForTests(server.url), poolSize: 3, migrations: undefined, clock, events, logger, metrics, ...more }),
    async close() {
      await events.close();
      await server.stop();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

test('embedded PostgreSQL: what was committed is there after the server was killed, and a half-made cluster is made anew', { timeout: 120_000 }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-sql-'));
  const options = { folder: join(folder, 'postgres'), password: 'of-a-test', logger };
  let lost = 0;
  const first = await startEmbeddedPostgres({ ...options, onLost: () => (lost += 1) });
  const sql = postgres(first.url, { max: 1 });
  await sql`create table kept (n integer)`;
  await sql`insert into kept values (7)`;
  const processId = Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]);
  process.kill(processId, 'SIGKILL');
  await sql.end({ timeout: 0 });
  await expect.poll(() => lost).toBe(1);

  const second = await startEmbeddedPostgres(options);
  const again = postgres(second.url, { max: 1 });
  expect(await again`select n from kept`).toEqual([{ n: 7 }]);
  await again.end();
  await second.stop();

  await rm(join(folder, 'postgres', 'initialised'));
  const third = await startEmbeddedPostgres(options);
  await third.stop();
  await rm(folder, { recursive: true, force: true });
});
