/** Accounts: opening, signing in, what other modules may know, suspension. */
import { createHmac } from 'node:crypto';
import { v7 } from 'uuid';
import type { ModuleContext } from '../../module.ts';
import type { Call, Caller, Handlers } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { userContract } from './contract.ts';
import { attemptLimits, attemptWindowMs } from './domain/attempts.ts';
import { registrationRefusal } from './domain/account.ts';
import type { Passwords } from './passwords.ts';
import * as store from './store.ts';

type Operations = typeof userContract.operations;

/** What the handlers work with. */
export interface UserServices extends Pick<ModuleContext, 'configuration' | 'clock' | 'database' | 'cache'> {
  passwords: Passwords;
  /** Keys the digests of what must not be readable from the tables. */
  digestKey: string;
  verification: 'automatic' | 'manual';
}

export const today = ({ clock }: Pick<ModuleContext, 'clock'>): string => clock.now().toISOString().slice(0, 10);

/** A keyed digest: small inputs (a licence number, an address) cannot be guessed from it. */
export const digestOf = ({ digestKey }: Pick<UserServices, 'digestKey'>, purpose: string, ...parts: string[]): string =>
  createHmac('sha256', digestKey).update(JSON.stringify([purpose, ...parts])).digest('base64url');

/** @throws Problem `too-young`, `invalid-request` */
function checkBirthDate(services: UserServices, birthDate: string): void {
  const refusal = registrationRefusal(birthDate, today(services));
  if (refusal === 'too-young') throw new Problem('too-young', 'An account needs an age of 18 years');
  if (refusal) throw new Problem('invalid-request', 'The birth date cannot be right', { errors: [{ pointer: '/body/birthDate', message: 'Not a plausible birth date' }] });
}

/** The first answer again when the request is the same. @throws Problem `idempotency-key-reused` */
async function replay(services: UserServices, known: store.RegistrationRow, requestDigest: string, password: string): Promise<{ id: string }> {
  const account = await store.findAccount(services.database.sql, known.accountId);
  const samePassword = await services.passwords.verify(password, account?.passwordHash ?? undefined);
  if (known.requestDigest !== requestDigest || !samePassword) throw new Problem('idempotency-key-reused');
  return { id: known.accountId };
}

async function register(services: UserServices, { body, idempotencyKey = '' }: Call<Operations['registerRider']>): Promise<{ id: string }> {
  const { database, passwords, clock } = services;
  const keyDigest = digestOf(services, 'registration-key', idempotencyKey);
  const requestDigest = digestOf(services, 'registration', body.email, body.name, body.birthDate, body.locale);
  const before = await store.findRegistration(database.sql, keyDigest);
  if (before) return replay(services, before, requestDigest, body.password);

  checkBirthDate(services, body.birthDate);
  const passwordHash = await passwords.hash(body.password);
  const id = v7();
  const createdAt = clock.now();
  const created = await database.transaction(async (transaction) => {
    const { sql } = transaction;
    const inserted = await store.insertAccount(sql, {
      id, email: body.email, name: body.name, birthDate: body.birthDate, locale: body.locale, roles: ['rider'], passwordHash,
      identityVerified: services.verification === 'automatic', createdAt,
    });
    // The same request at the same moment has taken the address: it waits here until that one has committed.
    if (!inserted) return false;
    if (!(await store.insertRegistration(sql, { keyDigest, requestDigest, accountId: id }, createdAt))) throw new Problem('idempotency-key-reused');
    transaction.publish(userContract.events.registered, id, { riderId: id, locale: body.locale });
    return true;
  });
  if (created) return { id };
  const twin = await store.findRegistration(database.sql, keyDigest);
  if (twin) return replay(services, twin, requestDigest, body.password);
  throw new Problem('email-taken');
}

/** @throws Problem `too-many-requests` */
async function countAttempt({ cache }: UserServices, limits: ReturnType<typeof attemptLimits>): Promise<void> {
  for (const { key, maximum } of limits) {
    const { value, expiresInMs } = await cache.increment(key, 1, attemptWindowMs);
    if (value > maximum) throw new Problem('too-many-requests', 'Too many attempts to sign in', { retryAfterSeconds: Math.ceil(expiresInMs / 1000) });
  }
}

async function authenticate(services: UserServices, { body }: Call<Operations['authenticate']>) {
  const email = body.email.trim().toLowerCase();
  const limits = attemptLimits(digestOf(services, 'sign-in', email), body.address);
  await countAttempt(services, limits);
  const account = await store.findAccountByEmail(services.database.sql, email);
  const right = await services.passwords.verify(body.password, account?.passwordHash ?? undefined);
  if (!right || !account) throw new Problem('wrong-credentials');
  for (const { key } of limits) await services.cache.increment(key, -1, attemptWindowMs);
  // Said only to somebody who knows the password.
  if (account.state === 'suspended') throw new Problem('account-suspended');
  return { id: account.id, roles: account.roles };
}

async function ensureAccount(services: UserServices, { body }: Call<Operations['ensureAccount']>): Promise<{ id: string; created: boolean }> {
  const { configuration, database, clock } = services;
  if (!configuration.demo) throw new Problem('forbidden', 'Accounts without a password exist in demo mode only');
  const email = body.email.toLowerCase();
  const id = v7();
  return database.transaction(async (transaction) => {
    const { sql } = transaction;
    const createdAt = clock.now();
    const created = await store.insertAccount(sql, {
      id, email, name: email.split('@')[0] ?? email, birthDate: '1990-01-01', locale: 'en', roles: [body.role], passwordHash: null, identityVerified: true, createdAt,
    });
    if (!created) {
      const known = await store.addRole(sql, email, body.role);
      if (!known) throw new Problem('unavailable', 'the account was erased at this moment');
      return { id: known, created: false };
    }
    await store.putLicence(sql, id, {
      classes: ['AM', 'B', 'C1'], country: 'DE', expiresOn: `${createdAt.getUTCFullYear() + 10}-01-01`, numberEnding: '001',
      numberDigest: digestOf(services, 'licence', `demo-${id}`), verified: true, submittedAt: createdAt,
    });
    transaction.publish(userContract.events.registered, id, { riderId: id, locale: 'en' });
    transaction.publish(userContract.events.verified, id, { riderId: id, identityVerified: true, licenceVerified: true });
    return { id, created: true };
  });
}

/** @throws Problem `not-found` */
async function accountOf({ database }: UserServices, riderId: string): Promise<store.AccountRow> {
  const account = await store.findAccount(database.sql, riderId);
  if (!account) throw new Problem('not-found', 'There is no such account');
  return account;
}

/**
 * Staff decides about riders; about staff and administrators an administrator does, and nobody about themselves.
 * @throws Problem `forbidden`
 */
export function checkAuthority(caller: Caller | undefined, account: Pick<store.AccountRow, 'id' | 'roles'>): void {
  if (caller?.subject === account.id) throw new Problem('forbidden', 'Nobody decides about the own account');
  if (caller?.roles.includes('staff') && !caller.roles.includes('admin') && account.roles.some((role) => role !== 'rider')) throw new Problem('forbidden', 'This needs an administrator');
}

type AccountOperations = Pick<Operations, 'registerRider' | 'authenticate' | 'ensureAccount' | 'getAccount' | 'getEligibility' | 'setSuspension'>;

export function accountHandlers(services: UserServices): Handlers<AccountOperations> {
  const { database } = services;
  const eligibilityOf = async (riderId: string) => {
    const person = await store.findPerson(database.sql, riderId);
    if (!person) throw new Problem('not-found', 'There is no such account');
    return store.toEligibility(person.account, person.licence, today(services));
  };
  return {
    registerRider: (call) => register(services, call),
    authenticate: (call) => authenticate(services, call),
    ensureAccount: (call) => ensureAccount(services, call),
    async getAccount({ params }) {
      const account = await accountOf(services, params.riderId);
      return { id: account.id, email: account.email ?? '', name: account.name, roles: account.roles, state: account.state, locale: account.locale };
    },
    getEligibility: ({ params }) => eligibilityOf(params.riderId),
    async setSuspension({ params, body, caller }) {
      await database.transaction(async (transaction) => {
        const account = await store.findAccount(transaction.sql, params.riderId, true);
        if (account) checkAuthority(caller, account);
        const changed = await store.changeState(transaction.sql, params.riderId, body.suspended ? 'suspended' : 'active');
        const event = body.suspended ? userContract.events.suspended : userContract.events.reinstated;
        if (changed) transaction.publish(event, params.riderId, { riderId: params.riderId });
      });
      const eligibility = await eligibilityOf(params.riderId);
      if (eligibility.state === 'erased') throw new Problem('not-found', 'There is no such account');
      return eligibility;
    },
  };
}
