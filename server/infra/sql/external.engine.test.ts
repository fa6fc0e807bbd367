/** The sql port on a PostgreSQL that is not ours: Debian's, with passwords asked for. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { engineSetting } from '../../../tools/engines/testing.ts';
import { manualClock } from '../clock/system.ts';
import { openLmdbEventLog } from '../events/lmdb.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { type DatabaseAccess, databaseAccess, type Login } from './access.ts';
import { sqlConformance } from './conformance.ts';
import { type ModuleDatabase, openDatabase } from './database.ts';
import { accessForTests } from './testing.ts';

const logger = pinoLogger('silent');

/** A database of its own on the external server. */
async function freshDatabase(purpose: string): Promise<{ url: string; admin: Sql; drop(): Promise<void> }> {
  const server = engineSetting('MOBILITY_DATABASE_URL');
  const admin = postgres(server, { max: 1, onnotice: () => undefined }) as Sql;
  const name = `${purpose}_${process.pid}`;
  await admin`create database ${admin(name)}`;
  const url = new URL(server);
  url.pathname = `/${name}`;
  return {
    url: url.href, admin,
    async drop() {
      await admin`drop database ${admin(name)} with (force)`;
      for (const { rolname } of await admin<{ rolname: string }[]>`select rolname from pg_roles where starts_with(rolname, ${`${name}_`})`) await admin`drop role ${admin(rolname)}`;
      await admin.end();
    },
  };
}

const folderFor = (purpose: string): Promise<string> => mkdtemp(join(tmpdir(), `mobility-${purpose}-`));

sqlConformance('external PostgreSQL', async () => {
  const [database, folder] = [await freshDatabase('contract'), await folderFor('sql-external')];
  const clock = manualClock(Date.parse('2026-11-22T10:00:00Z'));
  const events = await openLmdbEventLog({ folder, logger });
  const metrics = prometheusMetrics();
  return {
    clock, events, url: database.url, eventsFolder: folder,
    open: (module, more) => openDatabase({ module, access: accessForTests(database.url), poolSize: 3, migrations: undefined, clock, events, logger, metrics, ...more }),
    async close() {
      await events.close();
      await database.drop();
      await rm(folder, { recursive: true, force: true });
    },
  };
});

describe('an external PostgreSQL gives each module only what is its own', () => {
  let database: Awaited<ReturnType<typeof freshDatabase>>;
  let folder: string;
  let access: DatabaseAccess;
  let events: Awaited<ReturnType<typeof openLmdbEventLog>>;
  const opened: ModuleDatabase[] = [];
  const open = async (module: string, through = access): Promise<ModuleDatabase> => {
    const made = await openDatabase({ module, access: through, poolSize: 2, migrations: undefined, clock: manualClock(0), events, logger, metrics: prometheusMetrics() });
    opened.push(made);
    return made;
  };
  const loginAs = ({ url, ...login }: Login): Sql => postgres(url, { ...login, max: 1, onnotice: () => undefined }) as Sql;
  const withoutOwner = (): string => {
    const url = new URL(database.url);
    url.username = url.password = '';
    return url.href;
  };

  beforeAll(async () => {
    [database, folder] = [await freshDatabase('privileges'), await folderFor('privileges')];
    events = await openLmdbEventLog({ folder, logger });
    access = accessForTests(database.url);
    await open('booking');
    await (await open('payment')).sql`create table cards (number text)`;
  });
  afterAll(async () => {
    await Promise.all(opened.map((each) => each.stop()));
    await events.close();
    await database.drop();
    await rm(folder, { recursive: true, force: true });
  });

  test('a module is its role from the beginning of the session to its end, and the role is a member of no other', async () => {
    const sql = loginAs(await access.loginOf('booking'));
    const mine = (await access.loginOf('booking')).username;
    const names = async () => (await sql`select session_user, current_user`)[0];
    expect(await names()).toEqual({ session_user: mine, current_user: mine });
    await sql`reset role`;
    await sql`reset session authorization`;
    await sql`discard all`;
    expect(await names()).toEqual({ session_user: mine, current_user: mine });
    expect(await sql`select 1 from pg_auth_members join pg_roles on pg_roles.oid = member where rolname = ${mine}`).toHaveLength(0);
    expect(await sql`select rolsuper, rolcreaterole, rolcreatedb, rolreplication, rolbypassrls from pg_roles where rolname = ${mine}`).toEqual([{ rolsuper: false, rolcreaterole: false, rolcreatedb: false, rolreplication: false, rolbypassrls: false }]);
    await sql.end();
  });

  const other = () => access.loginOf('payment');
  const refused: [what: string, statement: () => string | Promise<string>][] = [
    ['read the schema of another', () => 'select * from payment.cards'],
    ['write to it', () => `insert into payment.cards values ('4242')`],
    ['create in it', () => 'create table payment.mine (n integer)'],
    ['drop it', () => 'drop schema payment cascade'],
    ['become another module', async () => `set role "${(await other()).username}"`],
    ['become another module in one statement of a function', async () => `select set_config('role', '${(await other()).username}', false)`],
    ['become the owner', () => 'set role postgres'],
    ['begin the session anew as the owner', () => 'set session authorization postgres'],
    ['create a role', () => 'create role intruder'],
    ['change the password of another', async () => `alter role "${(await other()).username}" password 'mine'`],
    ['grant itself another', async () => `grant "${(await other()).username}" to current_user`],
    ['create a schema', () => 'create schema elsewhere'],
    ['create in public', () => 'create table public.elsewhere (n integer)'],
    ['create a database', () => 'create database elsewhere'],
    ['read files of the server', () => `select pg_read_file('/etc/passwd')`],
    ['run programs on the server', () => `copy (select 1) to program 'true'`],
    ['read passwords', () => 'select * from pg_authid'],
    ['end the session of another', () => `select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mobility payment'`],
  ];
  test.each(refused)('a module cannot %s', async (_, statement) => {
    const sql = loginAs(await access.loginOf('booking'));
    const error = await sql.unsafe(await statement()).then(() => undefined, (reason: unknown) => reason);
    // Insufficient privilege; what may not be seen also counts as not there.
    expect((error as { code?: string } | undefined)?.code, String(error)).toBe('42501');
    await sql.end();
  });

  test('nobody gets in with the password of another module, or without one', async () => {
    const [mine, theirs] = [await access.loginOf('booking'), await other()];
    for (const password of [mine.password, '']) {
      const sql = loginAs({ ...theirs, password });
      await expect(sql`select 1`).rejects.toMatchObject({ code: '28P01' });
      await sql.end();
    }
  });

  test('once it is prepared, no owner is needed; what is not prepared, or has other keys, is told how', async () => {
    const secrets = { secret: async (purpose: string) => `${purpose} of a test` };
    const later = await open('booking', databaseAccess(withoutOwner(), secrets));
    expect(await later.sql`select 1 as one`).toEqual([{ one: 1 }]);
    await expect(open('vehicle', databaseAccess(withoutOwner(), secrets))).rejects.toThrow('mobility prepare');
    await expect(open('booking', databaseAccess(withoutOwner(), { secret: async () => 'of another installation' }))).rejects.toThrow('mobility prepare');
  });

  test('preparing again with other keys changes the password, and the server never saw it', async () => {
    const renewed = databaseAccess(database.url, { secret: async (purpose) => `${purpose}, renewed` });
    await access.prepare('rollout');
    await renewed.prepare('rollout');
    const before = loginAs(await access.loginOf('rollout'));
    await expect(before`select 1`).rejects.toMatchObject({ code: '28P01' });
    const after = loginAs(await renewed.loginOf('rollout'));
    expect(await after`select 1 as one`).toEqual([{ one: 1 }]);
    await Promise.all([before.end(), after.end()]);
  });

  test('tables of a role that could not log in yet go over to the one that does; those of a stranger are not touched', async () => {
    const owner = postgres(database.url, { max: 1, onnotice: () => undefined });
    await owner.unsafe('create role mobility_telemetry; create schema telemetry authorization mobility_telemetry; set role mobility_telemetry; create table telemetry.history (n integer); insert into telemetry.history values (7); reset role');
    expect(await (await open('telemetry')).sql`select n from history`).toEqual([{ n: 7 }]);
    await owner.unsafe('drop owned by mobility_telemetry; drop role mobility_telemetry; create schema incident');
    await expect(open('incident')).rejects.toThrow('belongs to postgres');
    await owner.end();
  });
});
