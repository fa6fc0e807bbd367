/**
 * Bookings through the public API, the whole path create → authorise → confirm: at 100 a second with
 * latencies, then as many as go; and the same database work done bare, as the ratio.
 * Program, PostgreSQL, the payment sandbox and this load generator share the machine.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Agent, request } from 'undici';
import { v7 } from 'uuid';
import { startEmbeddedPostgres } from '../server/infra/sql/embedded.ts';
import { pinoLogger } from '../server/infra/observability/pino.ts';
import { frankfurt } from '../server/demo/frankfurt.ts';
import { demoUser, startProgram } from '../tests/journeys/program.ts';
import { bareBookings } from './ride/bare-database-work.ts';

const warmUp = 1_000;
const steadyPerSecond = 100;
const steadySeconds = 20;
const fullSeconds = 20;
const connections = 48;
const fleet = 40_000;

const percentile = (sorted: readonly number[], share: number): number => Number((sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1));
const summary = (latenciesMs: number[]) => {
  const sorted = latenciesMs.toSorted((a, b) => a - b);
  return { p50Ms: percentile(sorted, 0.5), p95Ms: percentile(sorted, 0.95), p99Ms: percentile(sorted, 0.99) };
};
const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'ride', ...figures })}\n`);

const folder = await mkdtemp(join(tmpdir(), 'mobility-bench-'));
const database = await startEmbeddedPostgres({ folder: join(folder, 'postgres'), password: v7(), logger: pinoLogger('silent') });
const program = await startProgram({
  environment: { MOBILITY_DATABASE_URL: database.url, MOBILITY_VEHICLES: '0', MOBILITY_SIMULATOR: 'false', MOBILITY_POOL_SIZE: '10', MOBILITY_LIMIT_PER_USER: '100000000', MOBILITY_LIMIT_PER_CLIENT: '100000000' },
});

/** Staff may hold many bookings, so a few accounts are enough. */
async function prepare(): Promise<{ tokens: string[]; vehicleIds: string[] }> {
  const tokens = (await Promise.all(Array.from({ length: 8 }, (_, index) => demoUser(program.url, `bench-${index}@example.com`, 'staff')))).map((user) => user.token);
  const admin = await demoUser(program.url, 'bench-admin@example.com', 'admin');
  const city = frankfurt({ vehicles: fleet, seed: 1 });
  const scooters = city.vehicles.filter((vehicle) => city.models.find((model) => model.id === vehicle.modelId)?.type === 'scooter').map((vehicle) => ({ ...vehicle, batteryPercent: 90, inService: true }));
  const answer = await admin.send('PUT', '/v1/cities/bench', { ...city, id: 'bench', vehicles: scooters });
  if (answer.status !== 200) throw new Error(`the fleet of the benchmark: ${answer.status} ${JSON.stringify(answer.body)}`);
  return { tokens, vehicleIds: scooters.map((vehicle) => vehicle.id) };
}

const agent = new Agent({ connections, pipelining: 1 });
const { tokens, vehicleIds } = await prepare();
let nextVehicle = 0;

async function book(): Promise<void> {
  const index = nextVehicle++;
  const vehicleId = vehicleIds[index];
  if (!vehicleId) throw new Error('the fleet of the benchmark is used up');
  const { statusCode, body } = await request(`${program.url}/v1/bookings`, {
    method: 'POST', dispatcher: agent,
    headers: { authorization: `Bearer ${tokens[index % tokens.length]}`, 'content-type': 'application/json', 'idempotency-key': v7() },
    body: JSON.stringify({ vehicleId }),
  });
  const text = await body.text();
  if (statusCode !== 201 || !text.includes('"confirmed"')) throw new Error(`booking: ${statusCode} ${text}`);
}

/** As many as `parallel` callers get done. */
async function closedLoop(work: () => Promise<void>, parallel: number, seconds: number): Promise<{ perSecond: number; latenciesMs: number[] }> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const deadline = startedAt + seconds * 1000;
  await Promise.all(
    Array.from({ length: parallel }, async () => {
      while (performance.now() < deadline) {
        const before = performance.now();
        await work();
        latenciesMs.push(performance.now() - before);
      }
    }),
  );
  return { perSecond: latenciesMs.length / ((performance.now() - startedAt) / 1000), latenciesMs };
}

/** At a fixed rate, whatever the answers do: waiting in a queue counts. */
async function openLoop(perSecond: number, seconds: number): Promise<number[]> {
  const latenciesMs: number[] = [];
  const startedAt = performance.now();
  const calls: Promise<void>[] = [];
  for (let sent = 0; sent < perSecond * seconds; sent++) {
    const dueAt = startedAt + (sent * 1000) / perSecond;
    const waitMs = dueAt - performance.now();
    if (waitMs > 0) await new Promise((resume) => setTimeout(resume, waitMs));
    calls.push(book().then(() => void latenciesMs.push(performance.now() - dueAt)));
  }
  await Promise.all(calls);
  return latenciesMs;
}

try {
  for (let done = 0; done < warmUp; done += 20) await Promise.all(Array.from({ length: 20 }, book));
  print({ phase: 'steady', offeredPerSecond: steadyPerSecond, ...summary(await openLoop(steadyPerSecond, steadySeconds)) });
  const full = await closedLoop(book, connections, fullSeconds);
  print({ phase: 'full', bookingsPerSecond: Math.round(full.perSecond), connections, ...summary(full.latenciesMs) });
  const bare = await bareBookings(database.url);
  const bareRun = await closedLoop(bare.once, connections, fullSeconds);
  await bare.close();
  print({ phase: 'bare database work', bookingsPerSecond: Math.round(bareRun.perSecond), connections, ...summary(bareRun.latenciesMs) });
  print({ phase: 'ratio', publicApiToBareDatabase: Number((full.perSecond / bareRun.perSecond).toFixed(3)) });
} finally {
  await agent.close();
  await program.dispose();
  await database.stop();
  await rm(folder, { recursive: true, force: true });
}
