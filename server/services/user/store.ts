/** The SQL of the User service. */
import type { Sql, TransactionSql } from 'postgres';
import { v7 } from 'uuid';
import type { z } from 'zod';
import type { AccountRole, Eligibility, Licence, Profile } from './contract.ts';
import type { AccountState } from './domain/account.ts';

type Query = Sql | TransactionSql;
type Role = z.infer<typeof AccountRole>;

export interface AccountRow {
  id: string;
  email: string | null;
  name: string;
  birthDate: string | null;
  locale: 'en' | 'de';
  roles: Role[];
  state: AccountState;
  passwordHash: string | null;
  identityVerified: boolean;
  marketingConsent: boolean;
  createdAt: Date;
}

export interface LicenceRow {
  classes: z.infer<typeof Licence>['classes'];
  country: string;
  expiresOn: string;
  numberEnding: string;
  verified: boolean;
  submittedAt: Date;
}

export type NewAccount = Pick<AccountRow, 'id' | 'name' | 'locale' | 'roles' | 'identityVerified' | 'createdAt'> & { email: string; birthDate: string; passwordHash: string | null };

/** @returns false when the e-mail address is taken */
export async function insertAccount(sql: Query, account: NewAccount): Promise<boolean> {
  const rows = await sql`
    insert into accounts (id, email, name, birth_date, locale, roles, password_hash, identity_verified, created_at)
    values (${account.id}, ${account.email}, ${account.name}, ${account.birthDate}, ${account.locale}, ${account.roles}, ${account.passwordHash}, ${account.identityVerified}, ${account.createdAt})
    on conflict (email) do nothing returning id`;
  return rows.length === 1;
}

const accountColumns = (sql: Query) => sql`id, email, name, birth_date::text, locale, roles, state, password_hash, identity_verified, marketing_consent, created_at`;

/** @param lock keeps others from changing the account until the transaction ends */
export async function findAccount(sql: Query, id: string, lock = false): Promise<AccountRow | undefined> {
  const [row] = await sql<AccountRow[]>`select ${accountColumns(sql)} from accounts where id = ${id} ${lock ? sql`for update` : sql``}`;
  return row;
}

export async function findAccountByEmail(sql: Query, email: string): Promise<AccountRow | undefined> {
  const [row] = await sql<AccountRow[]>`select ${accountColumns(sql)} from accounts where email = ${email}`;
  return row;
}

export async function findLicence(sql: Query, accountId: string): Promise<LicenceRow | undefined> {
  const [row] = await sql<LicenceRow[]>`
    select classes, country, expires_on::text, number_ending, verified, submitted_at from licences where account_id = ${accountId}`;
  return row;
}

/** An account with its licence in one question: booking asks it for every ride. */
export async function findPerson(sql: Query, id: string): Promise<{ account: AccountRow; licence: LicenceRow | undefined } | undefined> {
  const [row] = await sql<(AccountRow & { classes: LicenceRow['classes'] | null; country: string; expiresOn: string; numberEnding: string; licenceVerified: boolean; submittedAt: Date })[]>`
    select ${accountColumns(sql)}, classes, country, expires_on::text, number_ending, verified as licence_verified, submitted_at
    from accounts left join licences on account_id = id where id = ${id}`;
  if (!row) return undefined;
  const { classes, country, expiresOn, numberEnding, licenceVerified, submittedAt, ...account } = row;
  return { account, licence: classes ? { classes, country, expiresOn, numberEnding, verified: licenceVerified, submittedAt } : undefined };
}

export async function putLicence(sql: Query, accountId: string, licence: LicenceRow & { numberDigest: string }): Promise<void> {
  await sql`
    insert into licences (account_id, classes, country, expires_on, number_ending, number_digest, verified, submitted_at)
    values (${accountId}, ${licence.classes}, ${licence.country}, ${licence.expiresOn}, ${licence.numberEnding}, ${licence.numberDigest}, ${licence.verified}, ${licence.submittedAt})
    on conflict (account_id) do update set classes = excluded.classes, country = excluded.country, expires_on = excluded.expires_on,
      number_ending = excluded.number_ending, number_digest = excluded.number_digest, verified = excluded.verified, submitted_at = excluded.submitted_at`;
}

export async function recordConsent(sql: Query, accountId: string, purpose: string, given: boolean, decidedAt: Date): Promise<void> {
  await sql`insert into consents (id, account_id, purpose, given, decided_at) values (${v7()}, ${accountId}, ${purpose}, ${given}, ${decidedAt})`;
}

/** Members that are undefined stay as they are. */
export async function changeProfile(sql: Query, id: string, change: { name?: string; locale?: 'en' | 'de'; marketingConsent?: boolean }): Promise<void> {
  await sql`
    update accounts set name = coalesce(${change.name ?? null}, name), locale = coalesce(${change.locale ?? null}, locale),
      marketing_consent = coalesce(${change.marketingConsent ?? null}, marketing_consent)
    where id = ${id}`;
}

export interface RegistrationRow {
  keyDigest: string;
  requestDigest: string;
  accountId: string;
}

export async function findRegistration(sql: Query, keyDigest: string): Promise<RegistrationRow | undefined> {
  const [row] = await sql<RegistrationRow[]>`select key_digest, request_digest, account_id from registrations where key_digest = ${keyDigest}`;
  return row;
}

/** @returns false when the key was used before; a registration that is under way with it is waited for */
export async function insertRegistration(sql: Query, row: RegistrationRow, createdAt: Date): Promise<boolean> {
  const rows = await sql`
    insert into registrations (key_digest, request_digest, account_id, created_at)
    values (${row.keyDigest}, ${row.requestDigest}, ${row.accountId}, ${createdAt}) on conflict (key_digest) do nothing returning account_id`;
  return rows.length === 1;
}

export async function forgetRegistrations(sql: Query, before: Date): Promise<void> {
  await sql`delete from registrations where created_at < ${before}`;
}

/** Removes the person and frees the address; the id stays, so that money records keep their meaning. */
export async function anonymise(sql: Query, id: string, erasedAt: Date): Promise<void> {
  await sql`
    update accounts set state = 'erased', erased_at = ${erasedAt}, email = null, name = '', birth_date = null, password_hash = null,
      identity_verified = false, marketing_consent = false
    where id = ${id}`;
  for (const table of ['licences', 'consents', 'registrations']) await sql`delete from ${sql(table)} where account_id = ${id}`;
  await sql`delete from bookings where rider_id = ${id}`;
}

/** A booking that has finished is never opened again: events of one booking come in order, but may come twice. */
export async function noteBooking(sql: Query, booking: { bookingId: string; riderId: string; open: boolean }): Promise<void> {
  await sql`
    insert into bookings (booking_id, rider_id, open) values (${booking.bookingId}, ${booking.riderId}, ${booking.open})
    on conflict (booking_id) do update set open = bookings.open and excluded.open`;
}

export async function noteDebt(sql: Query, debt: { bookingId: string; riderId: string; amountMinor: number; currency: string }): Promise<void> {
  await sql`
    insert into debts (booking_id, rider_id, amount_minor, currency) values (${debt.bookingId}, ${debt.riderId}, ${debt.amountMinor}, ${debt.currency})
    on conflict (booking_id) do update set amount_minor = excluded.amount_minor, currency = excluded.currency`;
}

export async function settleDebt(sql: Query, bookingId: string): Promise<void> {
  await sql`delete from debts where booking_id = ${bookingId}`;
}

export async function openMatters(sql: Query, riderId: string): Promise<{ openBookings: number; debts: number }> {
  const [row] = await sql<{ openBookings: number; debts: number }[]>`
    select (select count(*)::int from bookings where rider_id = ${riderId} and open) as open_bookings,
           (select count(*)::int from debts where rider_id = ${riderId}) as debts`;
  return row ?? { openBookings: 0, debts: 0 };
}

export async function everythingElse(sql: Query, id: string): Promise<{ consents: object[]; bookings: object[]; debts: object[] }> {
  const consents = await sql<object[]>`select purpose, given, decided_at from consents where account_id = ${id} order by decided_at`;
  const bookings = await sql<object[]>`select booking_id, open from bookings where rider_id = ${id} order by booking_id`;
  const debts = await sql<object[]>`select booking_id, amount_minor, currency from debts where rider_id = ${id} order by booking_id`;
  return { consents: [...consents], bookings: [...bookings], debts: [...debts] };
}

const wireLicence = (licence: LicenceRow | undefined): z.infer<typeof Licence> | undefined =>
  licence && { classes: licence.classes, country: licence.country, expiresOn: licence.expiresOn, verified: licence.verified };

/** The profile as the contract shows it. @param account not erased */
export function toProfile(account: AccountRow, licence: LicenceRow | undefined): Profile {
  return {
    id: account.id, email: account.email ?? '', name: account.name, birthDate: account.birthDate ?? '', locale: account.locale, roles: account.roles,
    identityVerified: account.identityVerified, ...(licence && { licence: wireLicence(licence) }), marketingConsent: account.marketingConsent,
    createdAt: account.createdAt.toISOString(),
  };
}

/** An erased account is nobody: born today, as far as anybody may know. */
export function toEligibility(account: AccountRow, licence: LicenceRow | undefined, today: string): Eligibility {
  return {
    riderId: account.id, birthDate: account.birthDate ?? today, identityVerified: account.identityVerified,
    ...(licence && { licence: wireLicence(licence) }), state: account.state, locale: account.locale,
  };
}


/** @returns the account's id, undefined when nobody has the address */
export async function addRole(sql: Query, email: string, role: Role): Promise<string | undefined> {
  const [row] = await sql<{ id: string }[]>`
    update accounts set roles = case when ${role} = any (roles) then roles else roles || ${role}::text end where email = ${email} returning id`;
  return row?.id;
}

export async function setRole(sql: Query, id: string, role: Role, given: boolean): Promise<void> {
  await sql`update accounts set roles = ${given ? sql`array_append(array_remove(roles, ${role}::text), ${role}::text)` : sql`array_remove(roles, ${role}::text)`} where id = ${id}`;
}

/** @returns whether it was in another state before; erased accounts stay erased */
export async function changeState(sql: Query, id: string, state: 'active' | 'suspended'): Promise<boolean> {
  const rows = await sql`update accounts set state = ${state} where id = ${id} and state not in (${state}, 'erased') returning id`;
  return rows.length === 1;
}

export async function recordVerification(sql: Query, id: string, outcome: { identityVerified: boolean; licenceVerified?: boolean }): Promise<void> {
  await sql`update accounts set identity_verified = ${outcome.identityVerified} where id = ${id}`;
  if (outcome.licenceVerified !== undefined) await sql`update licences set verified = ${outcome.licenceVerified} where account_id = ${id}`;
}
