/** What people may see and change about themselves, and what staff finds out about them. */
import type { Call, Caller, Handlers } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import { checkAuthority, digestOf, today, type UserServices } from './accounts.ts';
import { type Profile, userContract } from './contract.ts';
import { erasureRefusal } from './domain/account.ts';
import { licenceExpired, numberEnding, withoutSpaces } from './domain/licence.ts';
import * as store from './store.ts';

type Operations = typeof userContract.operations;

/** @throws Problem `unauthenticated` */
function subjectOf(caller: Caller | undefined): string {
  if (!caller) throw new Problem('unauthenticated');
  return caller.subject;
}

/** @throws Problem `account-erased`, also for tokens of nobody */
async function livingAccount(sql: Parameters<typeof store.findAccount>[0], caller: Caller | undefined, lock = false): Promise<store.AccountRow> {
  const account = await store.findAccount(sql, subjectOf(caller), lock);
  if (!account || account.state === 'erased') throw new Problem('account-erased');
  return account;
}

async function profileOf(sql: Parameters<typeof store.findAccount>[0], caller: Caller | undefined): Promise<Profile> {
  const person = await store.findPerson(sql, subjectOf(caller));
  if (!person || person.account.state === 'erased') throw new Problem('account-erased');
  return store.toProfile(person.account, person.licence);
}

function submitLicence(services: UserServices, { caller, body }: Call<Operations['submitLicence']>): Promise<Profile> {
  const { database, clock, verification } = services;
  if (licenceExpired(body.expiresOn, today(services))) {
    throw new Problem('invalid-request', 'The licence has expired', { errors: [{ pointer: '/body/expiresOn', message: 'Lies in the past' }] });
  }
  return database.transaction(async (transaction) => {
    const account = await livingAccount(transaction.sql, caller, true);
    const verified = verification === 'automatic';
    await store.putLicence(transaction.sql, account.id, {
      classes: body.classes, country: body.country, expiresOn: body.expiresOn, numberEnding: numberEnding(body.number),
      numberDigest: digestOf(services, 'licence', body.country, withoutSpaces(body.number)), verified, submittedAt: clock.now(),
    });
    if (verified) transaction.publish(userContract.events.verified, account.id, { riderId: account.id, identityVerified: account.identityVerified, licenceVerified: true });
    return profileOf(transaction.sql, caller);
  });
}

function updateProfile({ database, clock }: UserServices, { caller, body }: Call<Operations['updateProfile']>): Promise<Profile> {
  return database.transaction(async ({ sql }) => {
    const account = await livingAccount(sql, caller, true);
    await store.changeProfile(sql, account.id, body);
    if (body.marketingConsent !== undefined && body.marketingConsent !== account.marketingConsent) {
      await store.recordConsent(sql, account.id, 'marketing', body.marketingConsent, clock.now());
    }
    return profileOf(sql, caller);
  });
}

function eraseAccount({ database, clock }: UserServices, { caller }: Call<Operations['eraseAccount']>): Promise<undefined> {
  const id = subjectOf(caller);
  return database.transaction(async (transaction) => {
    const account = await store.findAccount(transaction.sql, id, true);
    // Erased already: asking again is answered like the first time.
    if (!account || account.state === 'erased') return undefined;
    const refusal = erasureRefusal(await store.openMatters(transaction.sql, id));
    if (refusal) throw new Problem(refusal);
    await store.anonymise(transaction.sql, id, clock.now());
    transaction.publish(userContract.events.erased, id, { riderId: id });
    return undefined;
  });
}

async function exportData({ database }: UserServices, { caller }: Call<Operations['exportData']>): Promise<Record<string, unknown>> {
  const account = await livingAccount(database.sql, caller);
  const licence = await store.findLicence(database.sql, account.id);
  const { passwordHash, createdAt, ...person } = account;
  return {
    account: { ...person, createdAt: createdAt.toISOString(), password: passwordHash === null ? 'none' : 'stored as an Argon2id hash that cannot be read back' },
    licence: licence ? { ...licence, submittedAt: licence.submittedAt.toISOString() } : null,
    ...(await store.everythingElse(database.sql, account.id)),
  };
}

function verifyRider({ database, ...services }: UserServices, { params, body, caller }: Call<Operations['verifyRider']>) {
  return database.transaction(async (transaction) => {
    const { sql } = transaction;
    const account = await store.findAccount(sql, params.riderId, true);
    if (!account || account.state === 'erased') throw new Problem('not-found', 'There is no such account');
    checkAuthority(caller, account);
    const before = await store.findLicence(sql, account.id);
    if (body.licenceVerified && !before) throw new Problem('not-found', 'No licence was handed in');
    await store.recordVerification(sql, account.id, body);
    const licence = await store.findLicence(sql, account.id);
    transaction.publish(userContract.events.verified, account.id, { riderId: account.id, identityVerified: body.identityVerified, licenceVerified: licence?.verified ?? false });
    return store.toEligibility({ ...account, identityVerified: body.identityVerified }, licence, today(services));
  });
}

type ProfileOperations = Pick<Operations, 'getProfile' | 'updateProfile' | 'submitLicence' | 'exportData' | 'eraseAccount' | 'verifyRider'>;

export function profileHandlers(services: UserServices): Handlers<ProfileOperations> {
  return {
    getProfile: ({ caller }) => profileOf(services.database.sql, caller),
    updateProfile: (call) => updateProfile(services, call),
    submitLicence: (call) => submitLicence(services, call),
    exportData: (call) => exportData(services, call),
    eraseAccount: (call) => eraseAccount(services, call),
    verifyRider: (call) => verifyRider(services, call),
  };
}
