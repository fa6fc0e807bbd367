/** Debian's PostgreSQL: an external database, as an operator has one. */
import { existsSync } from 'node:fs';
import { chown, mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { accountOf, run, type Engine } from './engine.ts';
import { installPackages, requiredProgram } from './debian.ts';

const user = 'postgres';

export const postgres: Engine = {
  name: 'postgres',
  install: () => installPackages('initdb', ['postgresql-15']),
  async launch({ folder, port }) {
    const data = join(folder, 'data');
    if (!existsSync(join(data, 'PG_VERSION'))) {
      await mkdir(data, { recursive: true, mode: 0o700 });
      const account = await accountOf(user);
      if (account) await chown(data, account.uid, account.gid);
      await run(requiredProgram('initdb'), [`--pgdata=${data}`, '--username=postgres', '--auth=trust', '--encoding=UTF8', '--locale=C.UTF-8'], { user });
    }
    return {
      command: requiredProgram('postgres'),
      arguments: ['-D', data, '-c', 'listen_addresses=127.0.0.1', '-c', `port=${port}`, '-c', 'unix_socket_directories=', '-c', 'max_connections=300', '-c', 'timezone=UTC'],
      user,
      isReady: async () => (await run(requiredProgram('pg_isready'), ['-h', '127.0.0.1', '-p', String(port)])).includes('accepting'),
      settings: { MOBILITY_DATABASE_URL: `postgres://postgres@127.0.0.1:${port}/postgres` },
    };
  },
};
