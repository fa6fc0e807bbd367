/** Programs built from Go modules, kept for the next time. */
import { existsSync } from 'node:fs';
import { mkdir, rename, rm } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { installPackages, programPath } from './debian.ts';
import { run } from './engine.ts';

/** Where a program lies once it is built. */
export const builtProgram = (name: string, version: string): string => join(homedir(), '.cache', 'mobility-engines', `${name}-${version}`, name);

/** Builds the program of a module at a version; Go's own sums guard what it fetches. @throws Error with what Go says */
export async function buildProgram(name: string, version: string, packagePath: string): Promise<void> {
  const program = builtProgram(name, version);
  if (existsSync(program)) return;
  const known = programPath('go') ?? '/usr/local/go/bin/go';
  if (!existsSync(known)) await installPackages('go', ['golang-go']);
  const incoming = `${program}.${process.pid}`;
  await mkdir(incoming, { recursive: true });
  await run(existsSync(known) ? known : 'go', ['install', `${packagePath}@v${version}`], { environment: { GOBIN: incoming }, folder: incoming });
  await rename(join(incoming, name), program);
  await rm(incoming, { recursive: true });
}
