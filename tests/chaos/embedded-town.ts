/** The platform in one process, on its embedded parts. PostgreSQL stands beside it, so that each can be killed alone. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openLmdbEventLog } from '../../server/infra/events/lmdb.ts';
import { freePort } from '../../server/infra/free-port.ts';
import { pinoLogger } from '../../server/infra/observability/pino.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/infra/sql/embedded.ts';
import { randomFor } from '../../simulator/randomness.ts';
import { type Program, startProgram } from '../journeys/program.ts';
import { mountSmallDisk } from './disk.ts';
import { openStreet } from './street.ts';
import { TcpProxy } from './tcp-proxy.ts';
import type { Town } from './town.ts';

const diskMegabytes = 1024;
const logger = pinoLogger('silent');

/** A PostgreSQL that is reached over a proxy, whose address stays when the server comes back on another port. */
async function openDatabase(folder: string, seed: number): Promise<Town['database'] & { close(): Promise<void> }> {
  const options = { folder: join(folder, 'postgres'), password: 'of-a-chaos-run', logger, maximumConnections: 300 };
  let server: EmbeddedPostgres = await startEmbeddedPostgres(options);
  const link = await TcpProxy.open({ targetPort: Number(new URL(server.url).port), random: randomFor(seed, 'database') });
  const url = new URL(server.url);
  url.port = String(link.port);
  return {
    name: 'postgres', link, url: url.href,
    async kill() {
      const [processId] = (await readFile(join(options.folder, 'postmaster.pid'), 'utf8')).split('\n');
      process.kill(Number(processId), 'SIGKILL');
      await server.stop();
    },
    stop: () => server.stop(),
    async start() {
      server = await startEmbeddedPostgres(options);
      link.leadTo(Number(new URL(server.url).port));
    },
    async close() {
      await link.close();
      await server.stop();
    },
  };
}

/** @param vehicles how many scooters, eBikes and cars the city has */
export async function openEmbeddedTown({ seed, vehicles }: { seed: number; vehicles: number }): Promise<Town> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-chaos-'));
  const disk = await mountSmallDisk(folder, diskMegabytes);
  const database = await openDatabase(folder, seed);
  // Vehicles and providers are not on the disk of the platform.
  const world = await mkdtemp(join(tmpdir(), 'mobility-chaos-world-'));
  const street = await openStreet({ folder: world, seed, brokerPort: await freePort() });
  const home = join(folder, 'home');
  let offsetSeconds = 0;
  let program: Program = await startProgram({
    home, readyTimeoutMs: 180_000, environment: { ...street.settings, MOBILITY_DATABASE_URL: database.url, MOBILITY_VEHICLES: String(vehicles), MOBILITY_PAYMENT_TIMEOUT_MS: '1500', MOBILITY_LOG_LEVEL: 'error' },
  });
  const events = await openLmdbEventLog({ folder: join(home, 'events') });
  await street.wake(program.url);
  const { url } = program;
  const restart = async (): Promise<void> => {
    program = await program.restart({ MOBILITY_CLOCK_OFFSET_SECONDS: String(offsetSeconds) });
  };
  return {
    url, street, database, events, disk,
    processes: [{ name: 'mobility', kill: () => program.kill(), stop: async () => void (await program.stop()), start: restart }],
    async moveClock(seconds) {
      offsetSeconds = seconds;
      await program.stop();
      await restart();
    },
    clockOffsetSeconds: () => offsetSeconds,
    output: () => program.output(),
    async close() {
      await program.stop();
      await events.close();
      await street.close();
      await database.close();
      await disk?.unmount();
      await rm(folder, { recursive: true, force: true, maxRetries: 5 });
      await rm(world, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}
