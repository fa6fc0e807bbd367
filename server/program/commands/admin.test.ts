import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { decodeJwt } from 'jose';
import { startGateway, type TestGateway } from '../../gateway/testing/start.ts';
import { systemClock } from '../../infra/clock/system.ts';
import { fileKeys } from '../../infra/keys/files.ts';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { startEmbeddedPostgres } from '../../infra/sql/embedded.ts';
import { userContract } from '../../services/user/contract.ts';
import { eventually } from '../testing.ts';
import { Browser, formOf, locationOf, password, pkce, signInFlow } from '../../../tests/security/sign-in.ts';
import { runAdmin } from './admin.ts';

let gateway: TestGateway;
beforeAll(async () => {
  gateway = await startGateway();
});
afterAll(() => gateway.stop());

const environment = (): NodeJS.ProcessEnv => ({ MOBILITY_HOME: gateway.process.home, MOBILITY_DATABASE_URL: gateway.process.ports.database.url, MOBILITY_LOG_LEVEL: 'silent' });

async function admin(rest: string[], env = environment()): Promise<{ code: number; output: string }> {
  let output = '';
  const code = await runAdmin(rest, { env, stdout: { write: (text) => void (output += text) } });
  return { code, output };
}

async function eventsOf(riderId: string): Promise<unknown[]> {
  const { events } = gateway.process.ports;
  const found = await Promise.all(Array.from({ length: events.partitions('users') }, (_, partition) => events.read('users', partition, 0, 10_000)));
  return found.flat().flatMap(({ event }) => (event.subject === riderId && event.type === userContract.events.roleChanged.type ? [event.data] : []));
}

test('USER-19, THREAT-73: a rider is made an administrator while the program runs, signs in with the scopes of one, and loses them again; each is an event', async () => {
  const flow = await signInFlow(gateway);
  const scoped = async () => {
    const proof = pkce();
    const browserPath = flow.authorisationPath(proof, { scope: 'openid profile rollouts:manage' });
    const browser = new Browser(gateway.url);
    const { action, csrfToken } = formOf(await (await browser.open(locationOf(await browser.open(browserPath)))).text());
    const resumed = await browser.open(action, { method: 'POST', body: new URLSearchParams({ csrfToken, email: flow.email, password }) });
    const code = new URL(locationOf(await browser.open(locationOf(resumed)))).searchParams.get('code') ?? '';
    return decodeJwt((await flow.exchange(code, proof.verifier)).tokens.access_token);
  };
  expect(await scoped()).toMatchObject({ roles: ['rider'], scope: 'profile' });
  expect(await admin([flow.email.toUpperCase()])).toMatchObject({ code: 0, output: expect.stringContaining('is an administrator now') });
  expect(await scoped()).toMatchObject({ roles: ['rider', 'admin'], scope: 'profile rollouts:manage' });
  const given = { riderId: flow.id, role: 'admin', given: true, by: 'the command line of the installation' };
  await eventually(async () => (await eventsOf(flow.id)).length === 1);
  expect(await admin([flow.email])).toMatchObject({ code: 0, output: expect.stringContaining('Nothing was changed') });
  expect(await admin([flow.email, '--withdraw'])).toMatchObject({ code: 0, output: expect.stringContaining('not an administrator any more') });
  await eventually(async () => (await eventsOf(flow.id)).length === 2);
  expect(await eventsOf(flow.id)).toEqual([given, { ...given, given: false }]);
  expect(await scoped()).toMatchObject({ roles: ['rider'], scope: 'profile' });
});

test('GATEWAY-20: who is no longer staff is signed out', async () => {
  const flow = await signInFlow(gateway);
  await admin([flow.email, '--role', 'staff']);
  const { tokens } = await flow.signIn(pkce());
  expect(decodeJwt(tokens.access_token)).toMatchObject({ roles: ['rider', 'staff'] });
  await admin([flow.email, '--role', 'staff', '--withdraw']);
  const sql = gateway.process.database('gateway')?.sql;
  await eventually(async () => sql && (await sql`select 1 from oidc_records where account_id = ${flow.id}`).length === 0);
  expect((await flow.refresh(tokens.refresh_token)).tokens.error).toBe('invalid_grant');
});

test('USER-19: an account is opened with a password that is printed once and works', async () => {
  const email = `${v7()}@example.com`;
  const create = [email, '--create', '--name', 'Grace Admin', '--birth-date', '1980-12-09'];
  const { code, output } = await admin(create);
  expect(code).toBe(0);
  const printed = /Password: (\S{20,})/.exec(output)?.[1] ?? '';
  const { id, roles } = await gateway.process.client(userContract).authenticate({ body: { email, password: printed } });
  expect(roles).toEqual(['rider', 'admin']);
  await eventually(async () => (await eventsOf(id)).length === 1);
  // Again it is the same account, and its password stays.
  expect(await admin(create)).toMatchObject({ code: 0, output: expect.not.stringContaining('Password:') });
  expect((await gateway.process.client(userContract).authenticate({ body: { email, password: printed } })).id).toBe(id);
});

test('USER-19: nobody is made an administrator whom there is not, and who is suspended stays so', async () => {
  expect(await admin([`${v7()}@example.com`])).toMatchObject({ code: 1, output: expect.stringContaining('Nobody has the address') });
  const flow = await signInFlow(gateway);
  await gateway.process.client(userContract).setSuspension({ params: { riderId: flow.id }, body: { suspended: true } });
  expect(await admin([flow.email])).toMatchObject({ code: 1, output: expect.stringContaining('suspended') });
});

test('USER-19: wrong arguments are answered with a sentence, before anything is opened', async () => {
  const refusal = (rest: string[]) => admin(rest, { MOBILITY_HOME: '/dev/null/nowhere' }).then(() => 'no error', (error: Error) => error.message);
  expect(await refusal([])).toContain('Usage: mobility admin EMAIL');
  expect(await refusal(['nobody'])).toContain('is not an e-mail address');
  expect(await refusal(['a@example.com', '--role', 'root'])).toContain('no role "root"');
  expect(await refusal(['a@example.com', '--create'])).toContain('--create needs --name');
  expect(await refusal(['a@example.com', '--create', '--name', 'A', '--birth-date', '2020-01-01'])).toContain('18 years');
  expect(await refusal(['a@example.com', '--create', '--withdraw'])).toContain('do not go together');
  expect(await refusal(['a@example.com', '--power', 'all'])).toContain('--power');
});

test('USER-19: an installation on the embedded database, whether its program runs or not', async () => {
  const home = await mkdtemp(join(tmpdir(), 'mobility-admin-'));
  const create = ['ada@example.com', '--create', '--name', 'Ada', '--birth-date', '1980-12-09'];
  expect(await admin(create, { MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'silent' })).toMatchObject({ code: 0 });
  // And while it runs: the server that runs is used, not another one started beside it.
  const running = await startEmbeddedPostgres({ folder: join(home, 'postgres'), password: await (await fileKeys(join(home, 'keys'), systemClock())).secret('postgres'), logger: pinoLogger('silent') });
  expect(await admin(['ada@example.com'], { MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'silent' })).toMatchObject({ code: 0, output: expect.stringContaining('Nothing was changed') });
  await running.stop();
  await rm(home, { recursive: true, force: true });
});
