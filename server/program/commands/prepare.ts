import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { systemClock } from '../../infra/clock/system.ts';
import { databaseAccess } from '../../infra/sql/access.ts';
import { loadModules, modulesOfTarget } from '../../targets.ts';
import { ConfigurationError, readConfiguration } from '../configuration.ts';
import { openKeys } from '../stores.ts';

/**
 * Makes schemas and roles, with the passwords of this installation's keys; repeated, it changes what has changed. From then
 * on the program needs no owner's account. @returns the exit code
 */
export async function runPrepare(rest: string[], output: NodeJS.WritableStream): Promise<number> {
  const { values } = parseArgs({ args: rest, options: { target: { type: 'string', default: 'all' } } });
  const configuration = readConfiguration(process.env);
  const { MOBILITY_DATABASE_URL: url, MOBILITY_HOME: home } = configuration;
  if (!url || !new URL(url).username) throw new ConfigurationError('prepare needs MOBILITY_DATABASE_URL with the account that owns the database; an embedded database needs no preparation');
  await mkdir(home, { recursive: true, mode: 0o700 });
  const { keys, close } = await openKeys({ configuration, clock: systemClock() });
  const access = databaseAccess(url, keys);
  for (const { name } of (await loadModules(modulesOfTarget(values.target))).filter(({ migrations }) => migrations)) {
    await access.prepare(name);
    output.write(`${name}: logs in as ${(await access.loginOf(name)).username}\n`);
  }
  await close();
  return 0;
}
