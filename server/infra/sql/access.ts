/**
 * How a process reaches its PostgreSQL: the owner prepares, and each module logs in as its own role.
 *
 * A role that a session could lay down again (`set role`) would be a promise of the program, not of the server: so the
 * session of a module begins as its role, which is a member of no other.
 */
import { createHash, createHmac, pbkdf2Sync } from 'node:crypto';
import { readFileSync } from 'node:fs';
import postgres, { type Sql } from 'postgres';
import type { Keys } from '../keys/port.ts';
import { prepareSchema, roleOf } from './migrations.ts';
import { whilePatient } from './pool.ts';

export interface DatabaseAccess {
  /** The database, with the account that the setting names. */
  url: string;
  /** Makes schema and role of a module, unless the setting names no account that could: then they have to be there. */
  prepare(module: string): Promise<void>;
  /** Where and as whom a module logs in. */
  loginOf(module: string): Promise<Login>;
}

export type TlsOptions = false | 'require' | 'prefer' | { host: string; ca?: string; rejectUnauthorized: true; checkServerIdentity?: () => undefined };

/** What `postgres` is called with: the address, and what goes before it. */
export interface Login {
  url: string;
  username: string;
  password: string;
  ssl: TlsOptions;
}

const iterations = 4096;

/**
 * What the server keeps of a password (RFC 5803). It is sent in place of the password, which then stands in no log of the
 * server; the salt is derived, so that the same password gives the same text.
 */
export function scramVerifier(role: string, password: string): string {
  const salt = createHash('sha256').update(`${role} ${password}`).digest().subarray(0, 16);
  const salted = pbkdf2Sync(password, salt, iterations, 32, 'sha256');
  const keyOf = (name: string) => createHmac('sha256', salted).update(name).digest();
  const storedKey = createHash('sha256').update(keyOf('Client Key')).digest('base64');
  return `SCRAM-SHA-256$${iterations}:${salt.toString('base64')}$${storedKey}:${keyOf('Server Key').toString('base64')}`;
}

/**
 * `sslmode` and `sslrootcert` as libpq means them; without a mode as the URL always was understood: no TLS.
 * @throws Error for a mode that there is not
 */
export function tlsOptionsOf(url: URL): TlsOptions {
  const mode = url.searchParams.get('sslmode') ?? (url.searchParams.has('sslrootcert') ? 'verify-full' : 'disable');
  const file = url.searchParams.get('sslrootcert');
  const ca = file && file !== 'system' ? { ca: readFileSync(file, 'utf8') } : {};
  if (mode === 'disable') return false;
  if (mode === 'prefer' || mode === 'require') return mode;
  const verified = { ...ca, host: url.hostname, rejectUnauthorized: true } as const;
  if (mode === 'verify-ca') return { ...verified, checkServerIdentity: () => undefined };
  if (mode === 'verify-full') return verified;
  throw new Error(`sslmode=${mode} in the address of the database is none of disable, prefer, require, verify-ca, verify-full`);
}

const databaseOf = (url: URL): string => decodeURIComponent(url.pathname.slice(1)) || decodeURIComponent(url.username) || 'postgres';

/** Neither account nor TLS: what the library would read of them otherwise, or send on to the server as a setting. */
function bare(url: URL): string {
  const copy = new URL(url);
  copy.username = copy.password = '';
  for (const name of ['sslmode', 'sslrootcert']) copy.searchParams.delete(name);
  copy.pathname = `/${encodeURIComponent(databaseOf(url))}`;
  return copy.href;
}

/** @param url of the database; its account prepares, and without one nothing is prepared */
export function databaseAccess(url: string, keys: Pick<Keys, 'secret'>): DatabaseAccess {
  const address = new URL(url);
  const database = databaseOf(address);
  const ssl = tlsOptionsOf(address);
  const passwordOf = (module: string) => keys.secret(`database-${module}`);

  async function prepare(module: string): Promise<void> {
    if (!address.username) return;
    const connect = () => postgres(bare(address), {
      username: decodeURIComponent(address.username), password: decodeURIComponent(address.password), ssl,
      max: 1, onnotice: () => undefined, connect_timeout: 10, connection: { application_name: 'mobility owner' },
    }) as Sql;
    const role = roleOf(module, database);
    const verifier = scramVerifier(role, await passwordOf(module));
    await whilePatient(async () => {
      const owner = connect();
      await prepareSchema(owner, { module, role, verifier }).finally(() => owner.end());
    });
  }

  return {
    url,
    prepare,
    loginOf: async (module) => ({ url: bare(address), username: roleOf(module, database), password: await passwordOf(module), ssl }),
  };
}

/** A login that is refused says what to do about it. */
export function explainRefusedLogin(error: unknown, role: string): unknown {
  const code = (error as { code?: unknown } | null)?.code;
  if (code !== '28P01' && code !== '28000') return error;
  return new Error(`PostgreSQL does not let ${role} in: prepare the database with \`mobility prepare\`, with an owner's account in MOBILITY_DATABASE_URL and the keys of this installation`, { cause: error });
}
