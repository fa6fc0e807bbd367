/**
 * Bookings through the public API, the whole path create → authorise → confirm: at 100 a second with
 * latencies, then as many as go; and the same database work done bare, as the ratio.
 * Program, PostgreSQL, the payment sandbox and this load generator share the machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { startEmbeddedPostgres } from '../server/infra/sql/embedded.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import { startProgram } from '../tests/journeys/program.ts';
import { bareBookings } from './ride/bare-database-work.ts';
import { prepareBookings } from './ride/bookings.ts';
import { closedLoop, openLoop, summary } from './ride/loops.ts';

const warmUp = 1_000;
const steadyPerSecond = 100;
const steadySeconds = 20;
const fullSeconds = 20;
const connections = 48;
const fleet = 40_000;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'ride', ...figures })}\n`);

const folder = await mkdtemp(join(tmpdir(), 'mobility-bench-'));
const database = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: v7(), logger: pinoLogger('silent') });
const program = await startProgram({
  environment: { MOBILITY_DATABASE_URL: database.url, MOBILITY_VEHICLES: '0', MOBILITY_SIMULATOR: 'false', MOBILITY_POOL_SIZE: '10', MOBILITY_LIMIT_PER_USER: '100000000', MOBILITY_LIMIT_PER_CLIENT: '100000000' },
});
const { book, close } = await prepareBookings(program.url, { fleet, connections });

try {
  for (let done = 0; done < warmUp; done += 20) await Promise.all(Array.from({ length: 20 }, book));
  print({ phase: 'steady', offeredPerSecond: steadyPerSecond, ...summary(await openLoop(book, steadyPerSecond, steadySeconds)) });
  const full = await closedLoop(book, connections, fullSeconds);
  print({ phase: 'full', bookingsPerSecond: Math.round(full.perSecond), connections, ...summary(full.latenciesMs) });
  const bare = await bareBookings(database.url);
  const bareRun = await closedLoop(bare.once, connections, fullSeconds);
  await bare.close();
  print({ phase: 'bare database work', bookingsPerSecond: Math.round(bareRun.perSecond), connections, ...summary(bareRun.latenciesMs) });
  print({ phase: 'ratio', publicApiToBareDatabase: Number((full.perSecond / bareRun.perSecond).toFixed(3)) });
} finally {
  await close();
  await program.dispose();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}
