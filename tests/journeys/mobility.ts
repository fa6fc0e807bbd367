/** `mobility COMMAND` as a child process that says when it is ready. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

export const mainFile = fileURLToPath(new URL('../../server/main.ts', import.meta.url));

/** A child process that has said that it is ready. */
export interface Started {
  child: ChildProcess;
  /** What stood behind `ready` on its line: an address, or what it serves. */
  ready: string;
  isRunning(): boolean;
  /** The end of what it has printed, errors included. */
  output(): string;
  /** SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
  /** SIGKILL. */
  kill(): Promise<void>;
}

export interface StartOptions {
  arguments: readonly string[];
  environment: Record<string, string>;
  /** Options of Node itself. */
  nodeArguments?: readonly string[];
  readyTimeoutMs?: number | undefined;
}

const keptCharacters = 8_000;

/** @throws Error with the output when it ends, or the `ready` line does not come in time */
export async function startMobility(options: StartOptions): Promise<Started> {
  const { MOBILITY_TEST_DATABASE_URL: _ofUnitTests, ...inherited } = process.env;
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', ...(options.nodeArguments ?? []), mainFile, ...options.arguments], {
    env: { ...inherited, ...options.environment }, stdio: ['ignore', 'pipe', 'pipe'],
  });
  const ended = once(child, 'exit') as Promise<[number | null]>;
  const name = options.arguments.join(' ');
  let output = '';
  const keep = (text: string) => (output = (output + text).slice(-keptCharacters));
  child.stderr.on('data', (chunk: Buffer) => keep(chunk.toString()));
  const ready = await new Promise<string>((resolve, reject) => {
    const timer = setTimeout(() => {
      child.kill('SIGKILL');
      reject(new Error(`${name} was not ready in time: ${output}`));
    }, options.readyTimeoutMs ?? 60_000);
    createInterface(child.stdout).on('line', (line) => {
      keep(`${line}\n`);
      const said = /^ready (\S+)/.exec(line);
      if (!said?.[1]) return;
      clearTimeout(timer);
      resolve(said[1]);
    });
    child.once('exit', (code, signal) => {
      clearTimeout(timer);
      reject(new Error(`${name} ended with ${code ?? signal}: ${output}`));
    });
  });
  const endBy = async (signal: NodeJS.Signals) => {
    child.kill(signal);
    return (await ended)[0];
  };
  return {
    child, ready,
    isRunning: () => child.exitCode === null && child.signalCode === null,
    output: () => output,
    stop: () => endBy('SIGTERM'),
    kill: async () => void (await endBy('SIGKILL')),
  };
}
