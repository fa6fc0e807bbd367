/** One PostgreSQL for the whole run: each test makes a database of its own in it. */
import { randomUUID } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startEmbeddedPostgres } from '../server/infra/sql/embedded.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-tests-'));
  const server = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: randomUUID(), logger: pinoLogger('silent'), maximumConnections: 300 });
  process.env['MOBILITY_TEST_DATABASE_URL'] = server.url;
  return async () => {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  };
}
