/** Which role may be given which scopes. */
import type { Role } from '../../wire/contract.ts';

/** The resource indicator (RFC 8707) of the API and the audience of its access tokens. */
export const apiResource = 'urn:mobility:api';

const rider = ['profile', 'vehicles:read', 'bookings', 'payments', 'incidents:answer'];
const staff = [...rider, 'bookings:manage', 'vehicles:manage', 'payments:manage', 'riders:verify', 'telemetry:read', 'incidents:manage', 'devices:read', 'devices:manage', 'rollouts:read'];
const admin = [...staff, 'cities:manage', 'devices:provision', 'rollouts:manage'];

/** Scopes by the role of an account. Machines are given theirs one by one, with their registration. */
export const scopesOfRole: Record<'rider' | 'staff' | 'admin', readonly string[]> = { rider, staff, admin };

/** Every scope of the API, space-separated. `internal` is not among them: modules alone have it, and no token. */
export const apiScopes = admin.join(' ');

const isAccountRole = (role: Role): role is keyof typeof scopesOfRole => role in scopesOfRole;

/** What an account with these roles may be given. */
export function scopesOfRoles(roles: readonly Role[]): Set<string> {
  return new Set(roles.filter(isAccountRole).flatMap((role) => scopesOfRole[role]));
}
