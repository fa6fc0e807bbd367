/** Packages of Debian, installed when a program is missing. */
import { existsSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { run } from './engine.ts';

const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin', '/usr/lib/postgresql/15/bin'];

/** Full path of a program; undefined where it is not installed. */
export const programPath = (program: string): string | undefined => folders.map((folder) => join(folder, program)).find((path) => existsSync(path));

/** Installations wait for each other: the package manager takes one at a time. */
let queue: Promise<unknown> = Promise.resolve();

/**
 * Installs a package unless its program is there. Services that the package would start stay off: engines run as we start them.
 * @throws Error when it cannot be installed here
 */
export function installPackages(program: string, packages: readonly string[]): Promise<void> {
  const installed = queue.then(async () => {
    if (programPath(program)) return;
    const aptGet = ['DEBIAN_FRONTEND=noninteractive', 'RUNLEVEL=1', 'apt-get'];
    const asRoot = (rest: readonly string[]) => (process.getuid?.() === 0 ? run('env', [...aptGet, ...rest]) : run('sudo', ['-n', 'env', ...aptGet, ...rest]));
    await asRoot(['update', '-qq']);
    await asRoot(['install', '-y', '-qq', '--no-install-recommends', ...packages]);
    if (!programPath(program)) throw new Error(`${packages.join(', ')} did not bring ${program}`);
  });
  queue = installed.catch(() => undefined);
  return installed;
}

/** @throws Error when it is not installed */
export function requiredProgram(program: string): string {
  const path = programPath(program);
  if (!path) throw new Error(`${program} is not installed; \`npm run engines -- up\` installs it`);
  return path;
}
