/** Brings a module's schema up to its numbered .sql files. */
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import type { Sql, TransactionSql } from 'postgres';

export const schemaOf = (module: string): string => module.replaceAll('-', '_');

/** PostgreSQL cuts longer names off. */
const longestName = 63;

/**
 * One role for each module, so that no module can read another's tables. Roles belong to the whole server: the name of the
 * database is part of theirs, so that two installations on one server cannot log in to each other's.
 */
export function roleOf(module: string, database: string): string {
  const name = `${database}_${schemaOf(module)}`;
  if (Buffer.byteLength(name) <= longestName) return name;
  return `${createHash('sha256').update(database).digest('hex').slice(0, 16)}_${schemaOf(module)}`;
}

/** Sessions took this role before modules logged in as their own: databases from then belong to it. */
const formerRoleOf = (module: string): string => `mobility_${schemaOf(module)}`;

export interface SchemaOptions {
  module: string;
  role: string;
  /** Of the role's password. */
  verifier: string;
}

/**
 * Creates schema and role, or brings them up to date.
 * @param sql as a user who may create them
 * @throws Error when the schema belongs to somebody else
 */
export async function prepareSchema(sql: Sql, { module, role, verifier }: SchemaOptions): Promise<void> {
  const schema = schemaOf(module);
  await sql.begin(async (transaction) => {
    // Several processes may start at once.
    await transaction`select pg_advisory_xact_lock(hashtext('mobility schemas'))`;
    const [known] = await transaction`select 1 from pg_roles where rolname = ${role}`;
    if (!known) await transaction`create role ${transaction(role)}`;
    await transaction.unsafe(`alter role ${escapeName(role)} login password '${verifier}'`);
    await transaction`grant ${transaction(role)} to current_user`;
    await transaction`create extension if not exists btree_gist`;
    const [there] = await transaction<{ owner: string }[]>`select rolname as owner from pg_namespace join pg_roles on pg_roles.oid = nspowner where nspname = ${schema}`;
    if (!there) await transaction`create schema ${transaction(schema)} authorization ${transaction(role)}`;
    else if (there.owner === formerRoleOf(module)) await transaction`reassign owned by ${transaction(there.owner)} to ${transaction(role)}`;
    else if (there.owner !== role) throw new Error(`the schema ${schema} of this database belongs to ${there.owner}, not to ${role}: give mobility a database of its own`);
    await transaction`grant usage on schema public to ${transaction(role)}`;
    // Databases that were made before PostgreSQL 15 let everybody create there.
    const [open] = await transaction<{ open: boolean }[]>`select has_schema_privilege(${role}, 'public', 'create') as open`;
    if (open?.open) await transaction`revoke create on schema public from public`;
  });
}

const escapeName = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/**
 * Applies what has not been applied, each file in a transaction.
 * @param sql as the module's role
 * @throws Error when an applied file was changed afterwards
 */
export async function migrate(sql: Sql, folder: URL | undefined): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`select pg_advisory_xact_lock(hashtext(current_schema()))`;
    await transaction`create table if not exists migrations (name text primary key, digest text not null, applied_at timestamptz not null default now())`;
    const applied = new Map((await transaction<{ name: string; digest: string }[]>`select name, digest from migrations`).map((row) => [row.name, row.digest]));
    await applyBase(transaction, applied.get(base));
    if (!folder) return;
    const names = (await readdir(folder)).filter((name) => name.endsWith('.sql')).sort();
    for (const name of names) {
      const { text, digest } = await readMigration(new URL(name, folder));
      const before = applied.get(name);
      if (before === digest) continue;
      if (before !== undefined) throw new Error(`migration ${name} of ${folder.pathname} was changed after it was applied; add a new one`);
      await transaction.unsafe(text);
      await transaction`insert into migrations (name, digest) values (${name}, ${digest})`;
    }
  });
}

const base = 'base.sql';

async function readMigration(file: URL): Promise<{ text: string; digest: string }> {
  const text = await readFile(file, 'utf8');
  return { text, digest: createHash('sha256').update(text).digest('hex') };
}

/** Statements that may be repeated; but each takes locks that would hold up a running process, so only when they are new. */
async function applyBase(transaction: TransactionSql, before: string | undefined): Promise<void> {
  const { text, digest } = await readMigration(new URL(`./${base}`, import.meta.url));
  if (before === digest) return;
  await transaction.unsafe(text);
  await transaction`insert into migrations (name, digest) values (${base}, ${digest}) on conflict (name) do update set digest = excluded.digest, applied_at = now()`;
}
