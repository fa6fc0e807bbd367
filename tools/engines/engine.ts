/** A real server that the platform runs on at scale, run as a process of its own, without Docker. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { openSync } from 'node:fs';
import { chown, mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

/** Where one instance lives: its data and its port on 127.0.0.1. */
export interface Place {
  folder: string;
  port: number;
}

/** How one instance is run. */
export interface Launch {
  command: string;
  arguments: readonly string[];
  environment?: Record<string, string>;
  /** Account that it runs under when we are root; ours without it. */
  user?: string;
  /** Whether it answers. Asked again until it does; may throw meanwhile. */
  isReady(): Promise<boolean>;
  /** How long it may take until it does. A minute unless given. */
  readyWithinMs?: number;
  /** Settings of the program that lead to it: `{ MOBILITY_REDIS_URL: … }`. */
  settings: Record<string, string>;
}

export interface Engine {
  name: string;
  /** Installs what is missing; at once when nothing is. @throws Error that says what could not be had */
  install(): Promise<void>;
  /** Prepares the folder on the first start. */
  launch(place: Place): Promise<Launch>;
}

export interface RunningEngine {
  place: Place;
  processId: number;
  settings: Record<string, string>;
  /** SIGTERM, and after ten seconds SIGKILL. */
  stop(): Promise<void>;
  /** SIGKILL: the power goes. */
  kill(): Promise<void>;
  /** Starts again on the same place after a stop or a kill. */
  restart(): Promise<RunningEngine>;
  /** SIGSTOP: it is there and answers nothing. */
  pause(): void;
  resume(): void;
}

const readyWithinMs = 60_000;
const stopWithinMs = 10_000;
const pause = (ms: number): Promise<void> => new Promise((resume) => setTimeout(resume, ms));

export const isAlive = (processId: number): boolean => {
  try {
    process.kill(processId, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
};

/** User and group numbers of an account; undefined unless we are root, who alone may change to it. */
export async function accountOf(user: string | undefined): Promise<{ uid: number; gid: number } | undefined> {
  if (!user || process.getuid?.() !== 0) return undefined;
  const line = (await readFile('/etc/passwd', 'utf8')).split('\n').map((entry) => entry.split(':')).find(([name]) => name === user);
  if (!line) throw new Error(`there is no user ${user} on this machine`);
  return { uid: Number(line[2]), gid: Number(line[3]) };
}

/** Runs a command to its end. @throws Error with what it printed when it fails */
export async function run(command: string, commandArguments: readonly string[], options: { user?: string; environment?: Record<string, string>; folder?: string } = {}): Promise<string> {
  const child = spawn(command, commandArguments, { ...(await accountOf(options.user)), env: { ...process.env, ...options.environment }, cwd: options.folder ?? '/', stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  let errors = '';
  child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString()));
  child.stderr.on('data', (chunk: Buffer) => (errors += chunk.toString()));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${command} ${commandArguments.join(' ')} ended with ${code}: ${(errors || output).slice(-2000)}`);
  return output;
}

/** Ends a process that may not be a child of ours. */
export async function endProcess(processId: number): Promise<void> {
  if (!isAlive(processId)) return;
  process.kill(processId, 'SIGTERM');
  process.kill(processId, 'SIGCONT');
  for (let waitedMs = 0; isAlive(processId); waitedMs += 50) {
    if (waitedMs === stopWithinMs) process.kill(processId, 'SIGKILL');
    await pause(50);
  }
}

async function untilReady(name: string, launch: Launch, hasEnded: () => boolean, logFile: string): Promise<void> {
  const deadline = performance.now() + (launch.readyWithinMs ?? readyWithinMs);
  let lastError: unknown;
  while (!hasEnded() && performance.now() < deadline) {
    const ready = await launch.isReady().catch((error: unknown) => {
      lastError = error;
      return false;
    });
    if (ready) return;
    await pause(100);
  }
  const log = (await readFile(logFile, 'utf8').catch(() => '')).slice(-2000);
  throw new Error(`${name} ${hasEnded() ? 'ended' : 'did not answer in time'}: ${log}`, { cause: lastError });
}

/**
 * Starts one instance and waits until it answers. It outlives this process: whoever starts it stops it.
 * What it prints goes to `engine.log` in its folder.
 */
export async function startEngine(engine: Engine, place: Place): Promise<RunningEngine> {
  await mkdir(place.folder, { recursive: true });
  const launch = await engine.launch(place);
  const account = await accountOf(launch.user);
  if (account) await chown(place.folder, account.uid, account.gid);
  const logFile = join(place.folder, 'engine.log');
  const log = openSync(logFile, 'a');
  const child = spawn(launch.command, launch.arguments, { ...account, cwd: place.folder, env: { ...process.env, ...launch.environment }, detached: true, stdio: ['ignore', log, log] });
  const processId = child.pid;
  if (processId === undefined) throw new Error(`${engine.name}: ${launch.command} cannot be started`);
  child.unref();
  const hasEnded = () => child.exitCode !== null || child.signalCode !== null;
  try {
    await untilReady(engine.name, launch, hasEnded, logFile);
  } catch (error) {
    await endProcess(processId);
    throw error;
  }
  return {
    place, processId, settings: launch.settings,
    stop: () => endProcess(processId),
    async kill() {
      process.kill(processId, 'SIGKILL');
      while (isAlive(processId)) await pause(10);
    },
    restart: () => startEngine(engine, place),
    pause: () => void process.kill(processId, 'SIGSTOP'),
    resume: () => void process.kill(processId, 'SIGCONT'),
  };
}
