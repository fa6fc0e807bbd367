import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { fileKeys } from '../../infra/keys/files.ts';
import { databaseAccess } from '../../infra/sql/access.ts';
import { loadModules, modulesOfTarget } from '../../targets.ts';
import { ConfigurationError, readConfiguration } from '../configuration.ts';

/**
 * Makes schemas and roles, with the passwords of this installation's keys; repeated, it changes what has changed. From then
 * on the program needs no owner's account. @returns the exit code
 */
export async function runPrepare(rest: string[], output: NodeJS.WritableStream): Promise<number> {
  const { values } = parseArgs({ args: rest, options: { target: { type: 'string', default: 'all' } } });
  const { MOBILITY_DATABASE_URL: url, MOBILITY_HOME: home } = readConfiguration(process.env);
  if (!url || !new URL(url).username) throw new ConfigurationError('prepare needs MOBILITY_DATABASE_URL with the account that owns the database; an embedded database needs no preparation');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const access = databaseAccess(url, await fileKeys(join(home, 'keys')));
  for (const { name } of (await loadModules(modulesOfTarget(values.target))).filter(({ migrations }) => migrations)) {
    await access.prepare(name);
    output.write(`${name}: logs in as ${(await access.loginOf(name)).username}\n`);
  }
  return 0;
}
