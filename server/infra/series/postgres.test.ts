import { execFile } from 'node:child_process';
import { chmod, chown, mkdir, mkdtemp, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import postgres from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { manualClock } from '../clock/system.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../sql/embedded.ts';
import { accessForTests } from '../sql/testing.ts';
import { isUnreachable } from '../sql/unreachable.ts';
import { seriesConformance } from './conformance.ts';
import { expectRows, freshDefinition, hourMs, row, rowsOf } from './conformance-definition.ts';
import { openPostgresSeries } from './postgres.ts';

const logger = pinoLogger('silent');
const metrics = prometheusMetrics();
const startMs = Date.parse('2026-11-22T10:30:00Z');

seriesConformance('in PostgreSQL', async () => {
  const server = process.env['MOBILITY_TEST_DATABASE_URL'];
  if (!server) throw new Error('there is no PostgreSQL; tests/global-setup.ts starts one');
  const admin = postgres(server, { max: 1, onnotice: () => undefined });
  const name = `series_${process.pid}`;
  await admin`create database ${admin(name)}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  const clock = manualClock(startMs);
  return {
    clock,
    open: async (onPolicyStep) => openPostgresSeries({ access: accessForTests(url.href), clock, logger, metrics, policyBudgetMs: 60_000, onPolicyStep }),
    async close() {
      await admin`drop database ${admin(name)} with (force)`;
      await admin.end();
    },
  };
});

const run = promisify(execFile);

/** A file system of 16 MB in memory, or undefined when we may not make one. */
async function smallDisk(path: string): Promise<string | undefined> {
  await mkdir(path, { recursive: true });
  return run('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path]).then(() => path, () => undefined);
}

const mountable = await (async () => {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-mount-'));
  const path = await smallDisk(folder);
  if (path) await run('umount', [path]);
  await rm(folder, { recursive: true });
  return path !== undefined;
})();

describe('series in PostgreSQL: faults', () => {
  let folder: string;
  let server: EmbeddedPostgres;
  const clock = manualClock(startMs);
  const options = () => ({ folder: join(folder, 'postgres'), password: 'of-a-test', logger });
  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'mobility-series-'));
    await chmod(folder, 0o755);
    server = await startEmbeddedPostgres(options());
  });
  afterAll(async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  });
  const open = () => openPostgresSeries({ access: accessForTests(server.url), clock, logger, metrics });
  const range = [startMs - hourMs, startMs + hourMs] as const;

  test('SERIES-19: an owner reads and writes nothing but its own schema', async () => {
    const store = open();
    const definition = freshDefinition();
    await (await store.open('one', definition)).write(rowsOf([row('v', startMs, 1)]));
    const theirs = await store.open('another', definition);
    expect(await theirs.read('v', ...range)).toEqual([]);
    const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
    const reach = (role: string) => admin.begin((sql) => sql.unsafe(`set local role ${role}; select * from one.${definition.name}_loose`));
    await expect(reach('postgres_another')).rejects.toThrow('permission denied');
    await expect(reach('postgres_one')).resolves.toBeDefined();
    await admin.end();
    await store.close();
  });

  test('SERIES-01, SERIES-17: a write whose connection is cut at any place is there as a whole or not at all, and says that the database is away', async () => {
    const store = open();
    const table = await store.open('cut', freshDefinition());
    const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
    const rows = Array.from({ length: 60_000 }, (_, index) => row(`v${index % 600}`, startMs - Math.floor(index / 600) * 1000, index));
    await table.write(rowsOf([row('first', startMs, 1)]));
    let cut = 0;
    for (let attempt = 0; attempt < 8; attempt++) {
      const writing = table.write(rowsOf(rows)).then(() => undefined, (error: unknown) => error);
      await new Promise((resume) => setTimeout(resume, attempt * 14));
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mobility cut series'`;
      const error = await writing;
      if (error !== undefined) {
        cut += 1;
        expect(isUnreachable(error), String(error)).toBe(true);
      }
      const there = (await table.size().catch(() => table.size())).rows;
      expect([1, 60_001]).toContain(there);
    }
    expect(cut).toBeGreaterThan(0);
    await table.write(rowsOf(rows));
    expect((await table.size()).rows).toBe(60_001);
    await expectRows(table, rows, ['v0', 'v599'], range);
    await admin.end();
    await store.close();
  });

  test('SERIES-20: what was answered is there after the server was killed; without it, writes and reads say that the database is away', async () => {
    const store = open();
    const definition = freshDefinition();
    const table = await store.open('killed', definition);
    const rows = Array.from({ length: 2000 }, (_, index) => row(`v${index % 10}`, startMs - index * 1000, index));
    await table.write(rowsOf(rows));
    process.kill(Number((await readFile(join(folder, 'postgres', 'postmaster.pid'), 'utf8')).split('\n')[0]), 'SIGKILL');
    const away = await table.write(rowsOf([row('v1', startMs + 1, 1)])).then(() => undefined, (error: unknown) => error);
    expect(isUnreachable(away), String(away)).toBe(true);
    expect(isUnreachable(await table.read('v1', ...range).then(() => undefined, (error: unknown) => error))).toBe(true);
    await store.close();
    server = await startEmbeddedPostgres(options());
    const again = open();
    await expectRows(await again.open('killed', definition), rows, ['v0', 'v9'], range);
    await again.close();
  });

  test.skipIf(!mountable)('SERIES-18: a full disk is an error that says so, with nothing half written, and writing goes on when there is room (needs the right to mount a small file system)', { timeout: 60_000 }, async () => {
    const disk = join(folder, 'disk');
    const admin = postgres(server.url, { max: 1, onnotice: () => undefined });
    try {
      await smallDisk(disk);
      const { uid, gid } = await stat(join(folder, 'postgres'));
      await chown(disk, uid, gid);
      await admin.unsafe(`create tablespace cramped_space location '${disk}'`);
      await admin`grant create on tablespace cramped_space to public`;
      await admin`create database cramped tablespace cramped_space`;
      const url = new URL(server.url);
      url.pathname = '/cramped';
      const store = openPostgresSeries({ access: accessForTests(url.href), clock, logger, metrics });
      const table = await store.open('full', freshDefinition());
      const batch = (number: number) => rowsOf(Array.from({ length: 30_000 }, (_, index) => row(`v${index % 300}`, startMs - 3_000_000 + number * 60_000 + Math.floor(index / 300) * 500, number)));
      const answered: number[] = [];
      let refusal: unknown;
      for (let number = 0; number < 30 && refusal === undefined; number++) await table.write(batch(number)).then(() => answered.push(number), (error: unknown) => (refusal = error));
      expect((refusal as { code?: string } | undefined)?.code, String(refusal)).toBe('53100');
      expect(String(refusal)).toContain('No space left');
      expect((await table.size()).rows).toBe(answered.length * 30_000);
      await run('mount', ['-o', 'remount,size=64m', disk]);
      expect(await table.write(batch(answered.length))).toMatchObject({ written: 30_000 });
      expect((await table.read('v7', ...range)).length).toBe((answered.length + 1) * 100);
      await store.close();
    } finally {
      await admin`drop database if exists cramped with (force)`;
      await admin`drop tablespace if exists cramped_space`;
      await admin.end();
      await run('umount', [disk]);
    }
  });
});
