/** Brings a module's schema up to its numbered .sql files. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import postgres, { type Sql } from 'postgres';

/** One role for each module, so that no module can read another's tables. */
export const roleOf = (module: string): string => `mobility_${schemaOf(module)}`;
export const schemaOf = (module: string): string => module.replaceAll('-', '_');

const triesForRole = 10;
/** Somebody in another database of the cluster makes the same role at this moment: there it is, or will be at the next try. */
const isRaceForRole = (error: unknown): boolean => error instanceof postgres.PostgresError && ['23505', '42710', 'XX000'].includes(error.code);

/** Creates schema and role. @param sql as a user who may create them */
export async function prepareSchema(sql: Sql, module: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await createSchemaAndRole(sql, module);
      return;
    } catch (error) {
      if (!isRaceForRole(error) || attempt === triesForRole) throw error;
    }
  }
}

async function createSchemaAndRole(sql: Sql, module: string): Promise<void> {
  const role = roleOf(module);
  await sql.begin(async (transaction) => {
    // Several processes may start at once. This lock holds within one database; roles belong to the whole cluster.
    await transaction`select pg_advisory_xact_lock(hashtext('mobility schemas'))`;
    const [known] = await transaction`select 1 from pg_roles where rolname = ${role}`;
    if (!known) await transaction`create role ${transaction(role)} nologin`;
    await transaction`grant ${transaction(role)} to current_user`;
    await transaction`create extension if not exists btree_gist`;
    await transaction`create schema if not exists ${transaction(schemaOf(module))} authorization ${transaction(role)}`;
    await transaction`grant usage on schema public to ${transaction(role)}`;
  });
}

/**
 * Applies what has not been applied, each file in a transaction.
 * @param sql as the module's role
 * @throws Error when an applied file was changed afterwards
 */
export async function migrate(sql: Sql, folder: URL | undefined): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(hashtext(current_schema()))`;
    await transaction.unsafe(await readFile(new URL('./base.sql', import.meta.url), 'utf8'));
    await transaction`create table if not exists migrations (name text primary key, digest text not null, applied_at timestamptz not null default now())`;
    if (!folder) return;
    const applied = new Map((await transaction<{ name: string; digest: string }[]>`select name, digest from migrations`).map((row) => [row.name, row.digest]));
    const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
    for (const name of names) {
      const text = await readFile(new URL(name, folder), 'utf8');
      const digest = createHash('sha256').update(text).digest('hex');
      const before = applied.get(name);
      if (before === digest) continue;
      if (before !== undefined) throw new Error(`migration ${name} of ${folder.pathname} was changed after it was applied; add a new one`);
      await transaction.unsafe(text);
      await transaction`insert into migrations (name, digest) values (${name}, ${digest})`;
    }
  });
}
