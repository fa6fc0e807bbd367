/** What the User service promises: accounts, profiles, licences, consent, export and erasure. */
import { z } from 'zod';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { Id, Instant } from '../../wire/schemas.ts';

const self = { roles: ['rider', 'staff', 'admin'], scope: 'profile' } as const;
const internal = { roles: ['machine'], scope: 'internal' } as const;

/** EU driving licence classes that rent something here. */
export const LicenceClass = z.enum(['AM', 'A1', 'A2', 'A', 'B', 'BE', 'C1', 'C']);
export const AccountRole = z.enum(['rider', 'staff', 'admin']);
const Locale = z.enum(['en', 'de']);

export const Licence = z.object({
  classes: z.array(LicenceClass).min(1).max(8),
  country: z.string().regex(/^[A-Z]{2}$/).describe('ISO 3166-1 alpha-2'),
  expiresOn: z.iso.date(),
  verified: z.boolean(),
});

export const Profile = z.object({
  id: Id,
  email: z.email(),
  name: z.string(),
  birthDate: z.iso.date(),
  locale: Locale,
  roles: z.array(AccountRole),
  identityVerified: z.boolean(),
  licence: Licence.optional(),
  marketingConsent: z.boolean(),
  createdAt: Instant,
});
export type Profile = z.infer<typeof Profile>;

/** What other modules may know to decide on a booking: no name, no address. */
export const Eligibility = z.object({
  riderId: Id,
  birthDate: z.iso.date(),
  identityVerified: z.boolean(),
  licence: Licence.optional(),
  state: z.enum(['active', 'suspended', 'erased']),
  locale: Locale,
});
export type Eligibility = z.infer<typeof Eligibility>;

const NewRider = z.strictObject({
  email: z.email().max(254).transform((email) => email.toLowerCase()),
  password: z.string().min(10).max(200),
  name: z.string().trim().min(1).max(120),
  birthDate: z.iso.date(),
  locale: Locale.default('en'),
});

export const userContract = defineContract({
  module: 'user',
  operations: {
    registerRider: {
      method: 'POST', path: '/v1/riders', summary: 'Open an account', access: 'anyone', public: true, idempotent: true,
      body: NewRider, status: 201, response: z.object({ id: Id }), errors: ['email-taken', 'too-young'],
    },
    getProfile: {
      method: 'GET', path: '/v1/me', summary: 'The own profile', access: self, public: true,
      status: 200, response: Profile, errors: ['account-erased'],
    },
    updateProfile: {
      method: 'PATCH', path: '/v1/me', summary: 'Change name, language or consent', access: self, public: true,
      body: z.strictObject({ name: z.string().trim().min(1).max(120).optional(), locale: Locale.optional(), marketingConsent: z.boolean().optional() }),
      status: 200, response: Profile, errors: ['account-erased'],
    },
    submitLicence: {
      method: 'PUT', path: '/v1/me/licence', summary: 'Hand in the driving licence for verification', access: self, public: true,
      body: z.strictObject({ classes: Licence.shape.classes, country: Licence.shape.country, expiresOn: Licence.shape.expiresOn, number: z.string().trim().min(4).max(40) }),
      status: 200, response: Profile, errors: ['account-erased'],
    },
    exportData: {
      method: 'GET', path: '/v1/me/export', summary: 'Everything that the User service stores about the caller (GDPR article 15)', access: self, public: true,
      status: 200, response: z.record(z.string(), z.unknown()), errors: ['account-erased'],
    },
    eraseAccount: {
      method: 'DELETE', path: '/v1/me', summary: 'Erase the account (GDPR article 17); money records stay, without the person', access: self, public: true,
      status: 204, errors: ['rider-has-open-booking', 'debt-outstanding'],
    },
    verifyRider: {
      method: 'POST', path: '/v1/riders/{riderId}/verification', summary: 'Record the outcome of an identity and licence check',
      access: { roles: ['staff', 'admin'], scope: 'riders:verify' }, public: true, params: z.object({ riderId: Id }),
      body: z.strictObject({ identityVerified: z.boolean(), licenceVerified: z.boolean().optional() }),
      status: 200, response: Eligibility, errors: ['not-found', 'forbidden'],
    },
    setSuspension: {
      method: 'PUT', path: '/v1/riders/{riderId}/suspension', summary: 'Suspend an account, or lift the suspension; its tokens stop working within a minute',
      access: { roles: ['staff', 'admin'], scope: 'riders:verify' }, public: true, params: z.object({ riderId: Id }),
      body: z.strictObject({ suspended: z.boolean() }),
      status: 200, response: Eligibility, errors: ['not-found', 'forbidden'],
    },
    authenticate: {
      method: 'POST', path: '/internal/user/authenticate', summary: 'Check an e-mail address and a password', access: internal, public: false,
      body: z.object({ email: z.string().max(254), password: z.string().max(200), address: z.string().max(100).optional().describe('where the attempt comes from; attempts are limited for each') }),
      status: 200, response: z.object({ id: Id, roles: z.array(AccountRole) }), errors: ['wrong-credentials', 'account-suspended', 'too-many-requests'],
    },
    getAccount: {
      method: 'GET', path: '/internal/user/accounts/{riderId}', summary: 'Roles and state of an account, for tokens', access: internal, public: false,
      params: z.object({ riderId: Id }), status: 200,
      response: z.object({ id: Id, email: z.string(), name: z.string(), roles: z.array(AccountRole), state: Eligibility.shape.state, locale: Locale }), errors: ['not-found'],
    },
    getEligibility: {
      method: 'GET', path: '/internal/user/riders/{riderId}/eligibility', summary: 'What decides whether a rider may rent', access: internal, public: false,
      params: z.object({ riderId: Id }), status: 200, response: Eligibility, errors: ['not-found'],
    },
    ensureAccount: {
      method: 'POST', path: '/internal/user/accounts', summary: 'Find or create a verified account (demo mode only)', access: internal, public: false,
      body: z.object({ email: z.email(), role: AccountRole.default('rider') }),
      status: 200, response: z.object({ id: Id, created: z.boolean() }), errors: ['forbidden'],
    },
  },
  events: {
    registered: defineEvent('users.registered', 'An account was opened', z.object({ riderId: Id, locale: Locale })),
    verified: defineEvent('users.verified', 'Identity or licence was checked', z.object({ riderId: Id, identityVerified: z.boolean(), licenceVerified: z.boolean() })),
    suspended: defineEvent('users.suspended', 'An account was suspended', z.object({ riderId: Id })),
    reinstated: defineEvent('users.reinstated', 'A suspension was lifted', z.object({ riderId: Id })),
    roleChanged: defineEvent('users.role-changed', 'Somebody was made staff or administrator, or is it no longer', z.object({ riderId: Id, role: AccountRole, given: z.boolean(), by: z.string() })),
    erased: defineEvent('users.erased', 'A person asked to be forgotten; every module drops what it holds', z.object({ riderId: Id })),
  },
});
