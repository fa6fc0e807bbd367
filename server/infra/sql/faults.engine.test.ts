/** A PostgreSQL that restarts, is killed, stands still, or has no connection left: under load, on the real server. */
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { isAlive, run, type Engine, type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { postgres as debianPostgres } from '../../../tools/engines/postgres.ts';
import { systemClock } from '../clock/system.ts';
import { openLmdbEventLog } from '../events/lmdb.ts';
import { freePort } from '../free-port.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { commitOne, committed, expectEventsOnceInOrder, followCrowd, prepareCrowd, randomFrom, settle, upTo } from './conformance-crowd.ts';
import { type DatabaseOptions, type ModuleDatabase, openDatabase } from './database.ts';
import { accessForTests } from './testing.ts';
import { isUnreachable } from './unreachable.ts';

const logger = pinoLogger('silent');
const clock = systemClock(0);
const connections = 40;
/** Three of them the server keeps for superusers. */
const forModules = connections - 3;

const small: Engine = {
  ...debianPostgres,
  async launch(place) {
    const launch = await debianPostgres.launch(place);
    return { ...launch, arguments: [...launch.arguments, '-c', `max_connections=${connections}`] };
  },
};

let folder: string;
let server: RunningEngine;
let events: Awaited<ReturnType<typeof openLmdbEventLog>>;
const url = () => String(server.settings['MOBILITY_DATABASE_URL']);
const open = (module: string, more: Partial<DatabaseOptions> = {}): Promise<ModuleDatabase> =>
  openDatabase({ module, access: accessForTests(url()), poolSize: 6, migrations: undefined, clock, events, logger, metrics: prometheusMetrics(), ...more });

beforeAll(async () => {
  folder = await mkdtemp(join('/var/tmp', 'mobility-faults-'));
  await run('chmod', ['755', folder]);
  server = await startEngine(small, { folder: join(folder, 'postgres'), port: await freePort() });
  events = await openLmdbEventLog({ folder: join(folder, 'events'), logger });
});
afterAll(async () => {
  await events.close();
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

describe('more processes than connections', () => {
  test('twenty processes that want 120 of 37 connections get their turn: nobody fails, and what is not used is given back', async () => {
    const names = upTo(20).map((n) => `process-${n}`);
    const databases: ModuleDatabase[] = [];
    for (const name of names) databases.push(await open(name, { idleSeconds: 1 }));
    const admin = postgres(url(), { max: 1, onnotice: () => undefined }) as Sql;
    const used = async () => (await admin<{ count: number }[]>`select count(*)::integer as count from pg_stat_activity where application_name like 'mobility process%'`)[0]?.count ?? 0;
    let most = await used();
    const works = databases.flatMap((database) => upTo(6).map((n) => (n % 2 === 0
      ? database.sql`select pg_sleep(0.3), ${n}::integer as n`.then(([row]) => row?.['n'] as number)
      : database.transaction(async ({ sql }) => ((await sql<{ n: number }[]>`select pg_sleep(0.3), ${n}::integer as n`)[0]?.n)))));
    const watch = setInterval(() => void used().then((count) => (most = Math.max(most, count))), 50);
    expect(await Promise.all(works)).toEqual(databases.flatMap(() => upTo(6)));
    clearInterval(watch);
    expect(most).toBeGreaterThan(20);
    expect(most).toBeLessThanOrEqual(forModules);
    await expect.poll(used, { timeout: 15_000, interval: 100 }).toBe(0);
    await Promise.all(databases.map((database) => database.stop()));
    await admin.end();
  });

  test('when there is none for long, the error says so, and is one that goes by', { timeout: 90_000 }, async () => {
    const database = await open('starved', { idleSeconds: 1 });
    const admin = postgres(url(), { max: 1, onnotice: () => undefined }) as Sql;
    const { username } = await accessForTests(url()).loginOf('starved');
    await admin`alter role ${admin(username)} connection limit 0`;
    await admin`select pg_terminate_backend(pid) from pg_stat_activity where usename = ${username}`;
    const ask = () => database.sql`select 1`.then(() => undefined, (reason: unknown) => reason);
    // The first may still meet the connection that was just ended.
    await ask();
    const error: unknown = await ask();
    expect(error).toMatchObject({ code: '53300', message: expect.stringContaining('too many connections') as string });
    expect(isUnreachable(error)).toBe(true);
    const waiting = database.transaction(({ sql }) => sql`select 2 as two`);
    await admin`alter role ${admin(username)} connection limit -1`;
    expect(await waiting).toEqual([{ two: 2 }]);
    await database.stop();
    await admin.end();
  });
});

describe('PostgreSQL under load', () => {
  /** SIGINT is PostgreSQL's fast shutdown: what is under way is rolled back, what was committed is on the disk. */
  const restartFast = async (): Promise<void> => {
    process.kill(server.processId, 'SIGINT');
    await expect.poll(() => isAlive(server.processId), { timeout: 20_000 }).toBe(false);
    server = await server.restart();
  };
  const killAndRestart = async (): Promise<void> => {
    await server.kill();
    await new Promise((resume) => setTimeout(resume, 1000));
    server = await server.restart();
  };
  const standStill = async (): Promise<void> => {
    const pids = (await run('ps', ['-o', 'pid=', '--ppid', String(server.processId)])).trim().split(/\s+/).map(Number);
    const all = [server.processId, ...pids];
    for (const pid of all) process.kill(pid, 'SIGSTOP');
    await new Promise((resume) => setTimeout(resume, 5000));
    for (const pid of all) if (isAlive(pid)) process.kill(pid, 'SIGCONT');
  };

  test.each([
    ['is restarted', 'restarted', restartFast, true],
    ['is killed', 'killed', killAndRestart, true],
    ['stands still for five seconds', 'paused', standStill, false],
  ] as const)('%s: requests wait or fail with an error that goes by, everything goes on by itself, nothing accepted is lost', { timeout: 120_000 }, async (_, module, fault, mayFail) => {
    const seed = Math.floor(Math.random() * 2 ** 31);
    process.stdout.write(`seed: ${seed}\n`);
    const database = await open(module, { timerLeaseMs: 2000 });
    await prepareCrowd(database);
    followCrowd(database, { module, worker: 1, slowMs: 0, random: randomFrom(seed) });
    database.start();
    const acknowledged = new Map<string, number>();
    const failures: unknown[] = [];
    let [isOver, commits] = [false, 0];
    const commitUntilOver = async (random: () => number) => {
      while (!isOver) {
        await commitOne(database, { nowMs: clock.nowMs(), random }).then(({ subject, n }) => {
          commits += 1;
          acknowledged.set(subject, Math.max(n, acknowledged.get(subject) ?? 0));
        }, (error: unknown) => failures.push(error));
      }
    };
    const working = Promise.all(upTo(6).map((n) => commitUntilOver(randomFrom(seed + n))));
    await expect.poll(() => commits, { timeout: 20_000 }).toBeGreaterThan(50);
    const began = performance.now();
    await fault();
    const faultMs = performance.now() - began;
    const before = commits;
    await expect.poll(() => commits, { timeout: 20_000, interval: 10 }).toBeGreaterThan(before + 20);
    process.stdout.write(`${module}: the fault took ${Math.round(faultMs)} ms, ${failures.length} of ${commits + failures.length} requests failed, going again ${Math.round(performance.now() - began - faultMs)} ms after it\n`);
    isOver = true;
    await working;
    for (const error of failures) expect(isUnreachable(error), String(error)).toBe(true);
    // Each of the six may lose what was under way, and once more while the server is away for longer than a request waits.
    expect(failures.length).toBeLessThanOrEqual(mayFail ? 6 * Math.ceil(2 + faultMs / 3000) : 0);
    await settle(database, 40_000);
    const there = await committed(database);
    for (const [subject, n] of acknowledged) expect(there.get(subject), `what was acknowledged of ${subject}`).toBeGreaterThanOrEqual(n);
    await expectEventsOnceInOrder(database);
    await database.stop();
  });
});
