/** TLS to the database, as the address asks for it. */
import { chown, mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import postgres, { type Sql } from 'postgres';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { accountOf, run, type Engine, type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { postgres as debianPostgres } from '../../../tools/engines/postgres.ts';
import { freePort } from '../free-port.ts';
import { isUnreachable } from './unreachable.ts';
import { accessForTests } from './testing.ts';

let folder: string;
let server: RunningEngine;
const certificate = () => join(folder, 'server.crt');

/** With a certificate for `localhost`, and nothing else. */
const withTls: Engine = {
  ...debianPostgres,
  async launch(place) {
    const launch = await debianPostgres.launch(place);
    const key = join(folder, 'server.key');
    await run('openssl', ['req', '-new', '-x509', '-days', '2', '-nodes', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost', '-keyout', key, '-out', certificate()]);
    const account = await accountOf(launch.user);
    if (account) await chown(key, account.uid, account.gid);
    return { ...launch, arguments: [...launch.arguments, '-c', 'ssl=on', '-c', `ssl_cert_file=${certificate()}`, '-c', `ssl_key_file=${key}`] };
  },
};

beforeAll(async () => {
  folder = await mkdtemp(join('/var/tmp', 'mobility-tls-'));
  await run('chmod', ['755', folder]);
  server = await startEngine(withTls, { folder: join(folder, 'postgres'), port: await freePort() });
});
afterAll(async () => {
  await server.stop();
  await rm(folder, { recursive: true, force: true });
});

/** Prepares as the owner and logs in as the module, both by an address that ends so. */
async function isEncrypted(host: string, query: string): Promise<boolean> {
  const url = new URL(`${server.settings['MOBILITY_DATABASE_URL']}?${query}`);
  url.hostname = host;
  const access = accessForTests(url.href);
  await access.prepare('booking');
  const { url: address, ...login } = await access.loginOf('booking');
  const sql = postgres(address, { ...login, max: 1, onnotice: () => undefined }) as Sql;
  const [row] = await sql<{ ssl: boolean }[]>`select ssl from pg_stat_ssl where pid = pg_backend_pid()`;
  await sql.end();
  return row?.ssl === true;
}

test('sslmode decides: none, whatever the server has, or only with TLS', async () => {
  expect(await isEncrypted('127.0.0.1', 'sslmode=disable')).toBe(false);
  expect(await isEncrypted('127.0.0.1', 'sslmode=prefer')).toBe(true);
  expect(await isEncrypted('127.0.0.1', 'sslmode=require')).toBe(true);
});

test('verify-ca holds the certificate against the authority, verify-full the name as well', async () => {
  const authority = `sslrootcert=${encodeURIComponent(certificate())}`;
  expect(await isEncrypted('127.0.0.1', `sslmode=verify-ca&${authority}`)).toBe(true);
  expect(await isEncrypted('localhost', `sslmode=verify-full&${authority}`)).toBe(true);
  expect(await isEncrypted('localhost', authority)).toBe(true);
  await expect(isEncrypted('127.0.0.1', `sslmode=verify-full&${authority}`)).rejects.toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' });
  const unknownAuthority: unknown = await isEncrypted('localhost', 'sslmode=verify-full').then(() => undefined, (error: unknown) => error);
  expect((unknownAuthority as { code?: string }).code).toBe('DEPTH_ZERO_SELF_SIGNED_CERT');
  // That does not go by itself: nobody waits for it.
  expect(isUnreachable(unknownAuthority)).toBe(false);
});

test('a mode that there is not is refused before anything is sent', async () => {
  await expect(isEncrypted('127.0.0.1', 'sslmode=sometimes')).rejects.toThrow('sslmode=sometimes');
});
