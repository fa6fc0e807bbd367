import type { Sql } from 'postgres';
import { v7 } from 'uuid';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually, startModules, type TestProcess } from '../../program/testing.ts';
import type { Caller, Client } from '../../wire/contract.ts';
import type { Problem } from '../../wire/problem.ts';
import { bookingContract } from '../booking/contract.ts';
import { paymentContract } from '../payment/contract.ts';
import { userContract } from './contract.ts';
import { userModule } from './module.ts';
import { openPasswords } from './passwords.ts';

let platform: TestProcess;
let user: Client<typeof userContract.operations>;
let manual: TestProcess;

beforeAll(async () => {
  platform = await startModules([userModule]);
  user = platform.client(userContract);
  manual = await startModules([userModule], { environment: { MOBILITY_MODE: 'production' } });
});
afterAll(async () => {
  await platform.dispose();
  await manual.dispose();
});

const password = 'correct horse battery';
const person = (email = `${v7()}@example.com`) => ({ email, password, name: 'Ada Rider', birthDate: '1990-05-01', locale: 'de' as const });
const self = (subject: string): { caller: Caller } => ({ caller: { subject, roles: ['rider'], scopes: ['profile'], clientId: 'test' } });
const codeOf = (work: Promise<unknown>): Promise<string> => work.then(() => 'no problem', (error: Problem) => error.code);

async function register(body = person(), on = user): Promise<string> {
  const { id } = await on.registerRider({ body }, { idempotencyKey: v7() });
  return id;
}

function sqlOf(process: TestProcess): Sql {
  const sql = process.database('user')?.sql;
  if (!sql) throw new Error('user has no database');
  return sql;
}

/** All rows of the service's schema as text, to look for what must not be there. */
async function everythingStored(process: TestProcess): Promise<string> {
  const sql = sqlOf(process);
  const texts: string[] = [];
  for (const table of ['accounts', 'licences', 'consents', 'registrations', 'bookings', 'debts']) texts.push(JSON.stringify(await sql`select * from ${sql(table)}`));
  return texts.join('\n');
}

async function happened(type: string, subject: string): Promise<boolean> {
  const { events } = platform.ports;
  for (let partition = 0; partition < events.partitions('users'); partition++) {
    const found = await events.read('users', partition, 0, 10_000);
    if (found.some(({ event }) => event.type === type && event.subject === subject)) return true;
  }
  return false;
}

async function tell(topic: 'bookings' | 'payments', type: string, data: Record<string, unknown>): Promise<void> {
  await platform.ports.events.append(topic, [{
    specversion: '1.0', id: v7(), source: '/test', type, subject: String(data['bookingId']), time: new Date().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data,
  }]);
}

const booking = (bookingId: string, riderId: string) => ({
  bookingId, riderId, vehicleId: 'scooter-1', vehicleType: 'scooter', from: null, at: '2026-01-01T00:00:00Z', startsAt: '2026-01-01T00:00:00Z', endsAt: '2026-01-01T01:00:00Z',
  fixedTime: false, position: null, totalMinor: null, currency: 'EUR',
});

test('USER-01: somebody of 17 years cannot open an account, and nothing is stored', async () => {
  const seventeen = new Date(Date.now() - 17.5 * 365.25 * 86_400_000).toISOString().slice(0, 10);
  const body = { ...person(), birthDate: seventeen };
  expect(await codeOf(user.registerRider({ body }, { idempotencyKey: v7() }))).toBe('too-young');
  expect(await everythingStored(platform)).not.toContain(body.email);
  expect(await codeOf(user.registerRider({ body: { ...person(), birthDate: '1850-01-01' } }, { idempotencyKey: v7() }))).toBe('invalid-request');
});

test('USER-02: an e-mail address belongs to one account, however it is written', async () => {
  const body = person();
  await register(body);
  expect(await codeOf(user.registerRider({ body: { ...body, email: body.email.toUpperCase() } }, { idempotencyKey: v7() }))).toBe('email-taken');
});

test('USER-03: ten times the same registration at one moment open one account', async () => {
  const body = person();
  const idempotencyKey = v7();
  const ids = await Promise.all(Array.from({ length: 10 }, () => user.registerRider({ body }, { idempotencyKey })));
  expect(new Set(ids.map(({ id }) => id)).size).toBe(1);
});

test('USER-03: a key that was used with another request is refused, also when only the password differs', async () => {
  const body = person();
  const idempotencyKey = v7();
  await user.registerRider({ body }, { idempotencyKey });
  for (const other of [{ ...body, password: 'another password' }, { ...body, name: 'Eve' }, person()]) {
    expect(await codeOf(user.registerRider({ body: other }, { idempotencyKey }))).toBe('idempotency-key-reused');
  }
  expect(await codeOf(user.registerRider({ body: person() }))).toBe('idempotency-key-missing');
});

test('USER-04: a password is stored as an Argon2id hash only', async () => {
  const id = await register();
  const stored = await everythingStored(platform);
  expect(stored).not.toContain(password);
  expect(stored).toMatch(/\$argon2id\$v=19\$m=19456,t=2,p=1\$/);
  expect(JSON.stringify(await user.exportData({}, self(id)))).not.toContain('$argon2id');
});

test('USER-05: an unknown address and a wrong password get the same answer after the same work', async () => {
  const passwords = await openPasswords();
  const timed = async (work: () => Promise<unknown>) => {
    const begun = performance.now();
    await work();
    return performance.now() - begun;
  };
  const stored = await passwords.hash(password);
  const known: number[] = [];
  const unknown: number[] = [];
  for (let round = 0; round < 5; round++) {
    known.push(await timed(() => passwords.verify('wrong', stored)));
    unknown.push(await timed(() => passwords.verify('wrong', undefined)));
  }
  // The work is a memory-hard hash in both cases; skipping it would be a thousand times faster.
  expect(Math.min(...unknown)).toBeGreaterThan(Math.min(...known) / 4);
  const body = person();
  await register(body);
  expect(await codeOf(user.authenticate({ body: { email: body.email, password: 'wrong password' } }))).toBe('wrong-credentials');
  expect(await codeOf(user.authenticate({ body: { email: 'nobody@example.com', password } }))).toBe('wrong-credentials');
});

test('USER-06: after six wrong passwords from an address, that address is refused with the right one; another is not', async () => {
  const body = person();
  await register(body);
  const attempt = (secret: string, address: string) => user.authenticate({ body: { email: body.email, password: secret, address } });
  for (let round = 0; round < 6; round++) expect(await codeOf(attempt('wrong password', '203.0.113.1'))).toBe('wrong-credentials');
  expect(await codeOf(attempt(password, '203.0.113.1'))).toBe('too-many-requests');
  expect(await codeOf(attempt(password, '203.0.113.2'))).toBe('no problem');
});

test('USER-06: right passwords do not use attempts up', async () => {
  const body = person();
  await register(body);
  for (let round = 0; round < 8; round++) expect(await codeOf(user.authenticate({ body: { email: body.email, password, address: '203.0.113.9' } }))).toBe('no problem');
});

test('USER-07: what does not fit into the queue is refused at once', async () => {
  const passwords = await openPasswords({ concurrent: 1, waiting: 2 });
  const codes = await Promise.all(Array.from({ length: 8 }, () => codeOf(passwords.hash(password))));
  expect(codes.filter((code) => code === 'too-many-requests')).toHaveLength(5);
  expect(await passwords.verify(password, await passwords.hash(password))).toBe(true);
});

test('USER-08: a suspended account cannot sign in until the suspension is lifted', async () => {
  const body = person();
  const riderId = await register(body);
  const signIn = (secret: string) => codeOf(user.authenticate({ body: { email: body.email, password: secret } }));
  expect((await user.setSuspension({ params: { riderId }, body: { suspended: true } })).state).toBe('suspended');
  expect(await signIn(password)).toBe('account-suspended');
  expect(await signIn('wrong password')).toBe('wrong-credentials');
  await eventually(() => happened('users.suspended', riderId));
  expect((await user.setSuspension({ params: { riderId }, body: { suspended: false } })).state).toBe('active');
  expect(await signIn(password)).toBe('no problem');
  expect(await codeOf(user.setSuspension({ params: { riderId: v7() }, body: { suspended: true } }))).toBe('not-found');
});

test('USER-09: a licence number is nowhere in the tables', async () => {
  const id = await register();
  const profile = await user.submitLicence({ body: { classes: ['B'], country: 'DE', expiresOn: '2099-01-01', number: 'B072RRE2I55' } }, self(id));
  expect(profile.licence).toEqual({ classes: ['B'], country: 'DE', expiresOn: '2099-01-01', verified: true });
  const stored = await everythingStored(platform);
  expect(stored).not.toContain('B072RRE2I55');
  expect(stored).toContain('"I55"');
});

test('USER-10: an expired licence is refused and the earlier one stays', async () => {
  const id = await register();
  const licence = { classes: ['B' as const], country: 'DE', expiresOn: '2099-01-01', number: 'B072RRE2I55' };
  await user.submitLicence({ body: licence }, self(id));
  expect(await codeOf(user.submitLicence({ body: { ...licence, expiresOn: '2020-01-01' } }, self(id)))).toBe('invalid-request');
  expect((await user.getProfile({}, self(id))).licence?.expiresOn).toBe('2099-01-01');
});

test('USER-10, USER-11: outside demo mode staff verifies, and a new licence has to be verified again', async () => {
  const service = manual.client(userContract);
  const riderId = await register(person(), service);
  expect((await service.getEligibility({ params: { riderId } })).identityVerified).toBe(false);
  const licence = { classes: ['B' as const], country: 'DE', expiresOn: '2099-01-01', number: 'B072RRE2I55' };
  expect(await codeOf(service.verifyRider({ params: { riderId }, body: { identityVerified: true, licenceVerified: true } }))).toBe('not-found');
  expect((await service.submitLicence({ body: licence }, self(riderId))).licence?.verified).toBe(false);
  const verified = await service.verifyRider({ params: { riderId }, body: { identityVerified: true, licenceVerified: true } });
  expect(verified).toMatchObject({ identityVerified: true, licence: { verified: true } });
  expect((await service.submitLicence({ body: licence }, self(riderId))).licence?.verified).toBe(false);
});

test('USER-11: a verification is an event', async () => {
  const riderId = await register();
  await user.verifyRider({ params: { riderId }, body: { identityVerified: false } });
  await eventually(() => happened('users.verified', riderId));
  expect((await user.getEligibility({ params: { riderId } })).identityVerified).toBe(false);
  expect(await codeOf(user.verifyRider({ params: { riderId: v7() }, body: { identityVerified: true } }))).toBe('not-found');
});

test('USER-12: each decision about marketing is kept with its time, and nothing when it did not change', async () => {
  const id = await register();
  for (const marketingConsent of [true, true, false]) await user.updateProfile({ body: { marketingConsent } }, self(id));
  const exported = (await user.exportData({}, self(id))) as { consents: { purpose: string; given: boolean }[] };
  expect(exported.consents.map(({ purpose, given }) => [purpose, given])).toEqual([['marketing', true], ['marketing', false]]);
  expect(await user.updateProfile({ body: { name: ' New Name ' } }, self(id))).toMatchObject({ name: 'New Name', locale: 'de', marketingConsent: false });
});

test('USER-13: the export has every column that says something about the person', async () => {
  const id = await register();
  await user.submitLicence({ body: { classes: ['B'], country: 'DE', expiresOn: '2099-01-01', number: 'B072RRE2I55' } }, self(id));
  await user.updateProfile({ body: { marketingConsent: true } }, self(id));
  await tell('bookings', bookingContract.events.reserved.type, booking(v7(), id));
  await eventually(async () => ((await user.exportData({}, self(id))) as { bookings: unknown[] }).bookings.length === 1);
  const exported = JSON.stringify(await user.exportData({}, self(id)));
  const columns = await sqlOf(platform)<{ columnName: string }[]>`select column_name from information_schema.columns where table_schema = 'user' and table_name in ('accounts', 'licences', 'consents', 'bookings', 'debts')`;
  const withheld = new Set(['password_hash', 'number_digest', 'account_id', 'rider_id', 'erased_at', 'amount_minor', 'currency']);
  for (const { columnName } of columns) {
    if (!withheld.has(columnName)) expect(exported).toContain(`"${columnName.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase())}"`);
  }
});

test('USER-14: an open booking and a debt stand in the way of erasure until they are settled', async () => {
  const id = await register();
  const bookingId = v7();
  const erase = () => codeOf(user.eraseAccount({}, self(id)));
  await tell('bookings', bookingContract.events.riding.type, booking(bookingId, id));
  await tell('payments', paymentContract.events.captureFailed.type, { bookingId, riderId: id, amountMinor: 350, currency: 'EUR' });
  await eventually(async () => ((await user.exportData({}, self(id))) as { debts: unknown[]; bookings: unknown[] }).debts.length === 1);
  await eventually(async () => (await erase()) === 'rider-has-open-booking');
  await tell('bookings', bookingContract.events.charged.type, booking(bookingId, id));
  await eventually(async () => (await erase()) === 'debt-outstanding');
  await tell('payments', paymentContract.events.captured.type, { bookingId, riderId: id, amountMinor: 350, currency: 'EUR', receiptNumber: 'R1' });
  await eventually(async () => (await erase()) === 'no problem');
});

test('USER-15: erasure removes the person, frees the address, and is an event', async () => {
  const body = { ...person(), name: 'Unforgettable Name' };
  const id = await register(body);
  await user.submitLicence({ body: { classes: ['B'], country: 'DE', expiresOn: '2099-01-01', number: 'XYZ987' } }, self(id));
  await user.updateProfile({ body: { marketingConsent: true } }, self(id));
  await user.eraseAccount({}, self(id));
  await user.eraseAccount({}, self(id));
  const stored = await everythingStored(platform);
  for (const trace of [body.email, body.name]) expect(stored).not.toContain(trace);
  for (const table of ['licences', 'consents', 'registrations']) expect(await sqlOf(platform).unsafe(`select 1 from ${table} where account_id = '${id}'`)).toHaveLength(0);
  expect(await codeOf(user.getProfile({}, self(id)))).toBe('account-erased');
  expect(await codeOf(user.updateProfile({ body: { name: 'Back' } }, self(id)))).toBe('account-erased');
  expect((await user.getAccount({ params: { riderId: id } })).state).toBe('erased');
  await eventually(() => happened('users.erased', id));
  expect(await register(body)).not.toBe(id);
});

test('USER-16: accounts without a password are made in demo mode only, once for each address', async () => {
  const email = `${v7()}@Example.com`;
  const first = await user.ensureAccount({ body: { email, role: 'rider' } });
  const second = await user.ensureAccount({ body: { email: email.toLowerCase(), role: 'staff' } });
  expect(second).toEqual({ id: first.id, created: false });
  expect((await user.getAccount({ params: { riderId: first.id } })).roles).toEqual(['rider', 'staff']);
  expect(await codeOf(user.authenticate({ body: { email: email.toLowerCase(), password: '' } }))).toBe('wrong-credentials');
  expect(await codeOf(manual.client(userContract).ensureAccount({ body: { email, role: 'admin' } }))).toBe('forbidden');
});

test('USER-17: eligibility has neither name nor address', async () => {
  const body = person();
  const riderId = await register(body);
  const eligibility = await user.getEligibility({ params: { riderId } });
  expect(eligibility).toEqual({ riderId, birthDate: body.birthDate, identityVerified: true, state: 'active', locale: 'de' });
  expect(await codeOf(user.getEligibility({ params: { riderId: v7() } }))).toBe('not-found');
});

test('USER-18: staff suspends and verifies riders, not staff, administrators or themselves; an administrator does, but for themselves', async () => {
  const accountOf = async (role: 'rider' | 'staff' | 'admin') => (await user.ensureAccount({ body: { email: `${v7()}@example.com`, role } })).id;
  const [rider, staff, admin] = [await accountOf('rider'), await accountOf('staff'), await accountOf('admin')];
  const as = (subject: string, ...roles: Caller['roles']): { caller: Caller } => ({ caller: { subject, roles, scopes: ['riders:verify'], clientId: 'test' } });
  const suspend = (riderId: string, by: { caller: Caller }) => codeOf(user.setSuspension({ params: { riderId }, body: { suspended: true } }, by));
  const verify = (riderId: string, by: { caller: Caller }) => codeOf(user.verifyRider({ params: { riderId }, body: { identityVerified: true } }, by));
  const me = as(staff, 'staff');
  for (const decide of [suspend, verify]) {
    expect(await decide(staff, me)).toBe('forbidden');
    expect(await decide(admin, me)).toBe('forbidden');
    expect(await decide(admin, as(admin, 'admin'))).toBe('forbidden');
    expect(await decide(staff, as(admin, 'admin'))).toBe('no problem');
    expect(await decide(rider, me)).toBe('no problem');
  }
});
