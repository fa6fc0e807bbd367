/** Debian's PostgreSQL: an external database, as an operator has one. */
import { existsSync } from 'node:fs';
import { chown, mkdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { accountOf, run, type Engine } from './engine.ts';
import { installPackages, requiredProgram } from './debian.ts';

const user = 'postgres';
/** Of the owner, who is asked for it as everybody is: the server is reachable from this machine only. */
const password = 'of-an-engine';

export const postgres: Engine = {
  name: 'postgres',
  install: () => installPackages('initdb', ['postgresql-15']),
  async launch({ folder, port }) {
    const data = join(folder, 'data');
    if (!existsSync(join(data, 'PG_VERSION'))) {
      await mkdir(data, { recursive: true, mode: 0o700 });
      const account = await accountOf(user);
      const passwordFile = join(folder, 'password');
      await writeFile(passwordFile, `${password}\n`, { mode: 0o600 });
      if (account) for (const path of [data, passwordFile]) await chown(path, account.uid, account.gid);
      await run(requiredProgram('initdb'), [`--pgdata=${data}`, '--username=postgres', '--auth=scram-sha-256', `--pwfile=${passwordFile}`, '--encoding=UTF8', '--locale=C.UTF-8'], { user });
      await rm(passwordFile);
    }
    return {
      command: requiredProgram('postgres'),
      arguments: ['-D', data, '-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`, '-c', 'unix_socket_directories=', '-c', 'max_connections=300', '-c', 'timezone=UTC'],
      user,
      isReady: async () => (await run(requiredProgram('pg_isready'), ['-h', '127.0.0.1', '-p', String(port)])).includes('accepting'),
      settings: { MOBILITY_DATABASE_URL: `postgres://postgres:${password}@127.0.0.1:${port}/postgres` },
    };
  },
};
