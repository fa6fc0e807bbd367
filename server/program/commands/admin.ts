/** `mobility admin EMAIL`: makes somebody an administrator (or staff), by hand, where the installation is. */
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { z } from 'zod';
import { systemClock } from '../../infra/clock/system.ts';
import type { EventLog } from '../../infra/events/port.ts';
import type { Keys } from '../../infra/keys/port.ts';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { prometheusMetrics } from '../../infra/observability/prometheus.ts';
import { databaseAccess } from '../../infra/sql/access.ts';
import { openDatabase } from '../../infra/sql/database.ts';
import { runningPostgres, startEmbeddedPostgres } from '../../infra/sql/embedded.ts';
import { appoint, type Appointed, type Appointment } from '../../services/user/appointment.ts';
import { registrationRefusal } from '../../services/user/domain/account.ts';
import { openPasswords } from '../../services/user/passwords.ts';
import { type Configuration, readConfiguration } from '../configuration.ts';
import { openKeys } from '../stores.ts';
import { CommandError } from './demo-client.ts';
import type { Terminal } from './token.ts';

const usage = `Usage: mobility admin EMAIL [options]

Makes the account an administrator. To be run where MOBILITY_HOME, or MOBILITY_DATABASE_URL with the keys, is that of the installation.

  --role staff|admin        which role; admin without it
  --withdraw                take the role away
  --create                  open the account, with a password that is printed once
  --name NAME               its name, with --create
  --birth-date YYYY-MM-DD   its birth date, with --create
`;

const migrations = new URL('../../services/user/migrations/', import.meta.url);

function readArguments(rest: string[]): Appointment {
  const parse = () =>
    parseArgs({ args: rest, allowPositionals: true, options: { role: { type: 'string', default: 'admin' }, withdraw: { type: 'boolean', default: false }, create: { type: 'boolean', default: false }, name: { type: 'string' }, 'birth-date': { type: 'string' } } });
  let parsed: ReturnType<typeof parse>;
  try {
    parsed = parse();
  } catch (error) {
    throw new CommandError(`${error instanceof Error ? error.message : String(error)}\n\n${usage}`);
  }
  const { positionals: [email, ...more], values: { role, withdraw, create, name, 'birth-date': birthDate } } = parsed;
  if (!email || more.length > 0) throw new CommandError(usage);
  if (!z.email().max(254).safeParse(email).success) throw new CommandError(`"${email}" is not an e-mail address.`);
  if (role !== 'staff' && role !== 'admin') throw new CommandError(`There is no role "${role}" to give: staff or admin.`);
  if (create && withdraw) throw new CommandError('--create and --withdraw do not go together.');
  if (!create) return { email: email.toLowerCase(), role, withdraw };
  if (!name?.trim() || !z.iso.date().safeParse(birthDate).success || birthDate === undefined) throw new CommandError('--create needs --name and --birth-date YYYY-MM-DD.');
  if (registrationRefusal(birthDate, new Date(systemClock(0).nowMs()).toISOString().slice(0, 10))) throw new CommandError(`${birthDate} cannot be the birth date of an account: it needs an age of 18 years.`);
  return { email: email.toLowerCase(), role, withdraw, person: { name: name.trim(), birthDate, password: randomBytes(18).toString('base64url') } };
}

/** What is published waits in the outbox for the program itself: nothing here reads or writes the log. */
const noEvents = new Proxy({} as EventLog, {
  get() {
    throw new Error('a command does not touch the event log');
  },
});

/** Runs with the database of the installation, whether its program runs or not. */
async function withDatabase<T>(configuration: Configuration, work: (url: string, keys: Keys) => Promise<T>): Promise<T> {
  const { keys, close } = await openKeys({ configuration, clock: systemClock() });
  try {
    return await withKeys(configuration, keys, work);
  } finally {
    await close();
  }
}

async function withKeys<T>({ MOBILITY_HOME: home, MOBILITY_DATABASE_URL: given, MOBILITY_LOG_LEVEL: level }: Configuration, keys: Keys, work: (url: string, keys: Keys) => Promise<T>): Promise<T> {
  if (given) return work(given, keys);
  const folder = join(home, 'postgres');
  const password = await keys.secret('postgres');
  const running = await runningPostgres(folder, password);
  if (running) return work(running.url, keys);
  const started = await startEmbeddedPostgres({ folder, password, logger: pinoLogger(level) });
  try {
    return await work(started.url, keys);
  } finally {
    await started.stop();
  }
}

function sentenceFor({ outcome, created }: Appointed, { email, role, person }: Appointment): string {
  const who = role === 'admin' ? 'an administrator' : 'staff';
  switch (outcome) {
    case 'given': return `${email} is ${who} now, from the next sign-in on.${created ? `\nPassword: ${person?.password ?? ''}` : person ? '\nThe account was there already, with its own password.' : ''}`;
    case 'withdrawn': return `${email} is not ${who} any more; what is signed in ends within 15 minutes.`;
    case 'unchanged': return `Nothing was changed: ${email} is as asked for already.`;
    case 'no-account': return `Nobody has the address ${email}. Open an account in the app first, or use --create.`;
    case 'not-active': return `The account of ${email} is suspended.`;
  }
}

/** @returns 0 when it is as asked for, 1 otherwise @throws CommandError for wrong arguments, with a sentence */
export async function runAdmin(rest: string[], { env, stdout }: Terminal): Promise<number> {
  const appointment = readArguments(rest);
  const configuration = readConfiguration(env);
  const appointed = await withDatabase(configuration, async (url, keys) => {
    const clock = systemClock(0);
    const database = await openDatabase({
      module: 'user', access: databaseAccess(url, keys), poolSize: 1, migrations, clock, events: noEvents, logger: pinoLogger(configuration.MOBILITY_LOG_LEVEL), metrics: prometheusMetrics(),
    });
    try {
      return await appoint({ database, clock, passwords: await openPasswords() }, appointment);
    } finally {
      await database.stop();
    }
  });
  stdout.write(`${sentenceFor(appointed, appointment)}\n`);
  return appointed.outcome === 'no-account' || appointed.outcome === 'not-active' ? 1 : 0;
}
