/**
 * Who is staff and who administers: decided by hand on the machine of the installation, never by a call.
 *
 * No operation of the contract leads here, so that no process that was broken into can make itself an administrator.
 */
import { v7 } from 'uuid';
import type { z } from 'zod';
import type { Clock } from '../../infra/clock/port.ts';
import type { Database } from '../../infra/sql/port.ts';
import { type AccountRole, userContract } from './contract.ts';
import type { Passwords } from './passwords.ts';
import * as store from './store.ts';

export interface Appointment {
  email: string;
  role: Exclude<z.infer<typeof AccountRole>, 'rider'>;
  /** Takes the role away instead. */
  withdraw: boolean;
  /** Opens an account for somebody who has none. */
  person?: { name: string; birthDate: string; password: string };
}

export interface Appointed {
  outcome: 'given' | 'withdrawn' | 'unchanged' | 'no-account' | 'not-active';
  created: boolean;
}

/** Changes the roles of an account, with the event that says so, or neither. */
export async function appoint({ database, clock, passwords }: { database: Database; clock: Clock; passwords: Passwords }, { email, role, withdraw, person }: Appointment): Promise<Appointed> {
  const passwordHash = person ? await passwords.hash(person.password) : null;
  return database.transaction(async (transaction): Promise<Appointed> => {
    const { sql } = transaction;
    const id = v7();
    const created = person !== undefined && (await store.insertAccount(sql, {
      id, email, name: person.name, birthDate: person.birthDate, locale: 'en', roles: ['rider'], passwordHash, identityVerified: false, createdAt: clock.now(),
    }));
    if (created) transaction.publish(userContract.events.registered, id, { riderId: id, locale: 'en' });
    const account = await store.findAccountByEmail(sql, email);
    if (!account) return { outcome: 'no-account', created };
    if (account.state !== 'active') return { outcome: 'not-active', created };
    if (account.roles.includes(role) !== withdraw) return { outcome: 'unchanged', created };
    await store.setRole(sql, account.id, role, !withdraw);
    transaction.publish(userContract.events.roleChanged, account.id, { riderId: account.id, role, given: !withdraw, by: 'the command line of the installation' });
    return { outcome: withdraw ? 'withdrawn' : 'given', created };
  });
}
