/** Two processes instead of one: the same booking through the same public API. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { v7 } from 'uuid';
import { freePort } from '../../server/infra/free-port.ts';
import { pinoLogger } from '../../server/infra/observability/pino.ts';
import { startEmbeddedPostgres } from '../../server/infra/sql/embedded.ts';
import { demoUser, startProgram, until } from './program.ts';

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url));

test('money and bookings in one process, the rest in another: a ride is booked all the same', async () => {
  const home = await mkdtemp(join(tmpdir(), 'mobility-targets-'));
  const database = await startEmbeddedPostgres({ folder: join(home, 'postgres-of-both'), password: v7(), logger: pinoLogger('silent') });
  const [front, back] = [await freePort(), await freePort()];
  const at = (port: number, names: string[]) => names.map((name) => `${name}=http://127.0.0.1:${port}`).join(',');
  const shared = { MOBILITY_DATABASE_URL: database.url, MOBILITY_HOME: home };
  const moneySide = spawn(process.execPath, [main, 'serve', '--target=booking,payment,payments-orchestrator'], {
    env: { ...process.env, MOBILITY_TEST_DATABASE_URL: '', ...shared, MOBILITY_LOG_LEVEL: 'error', MOBILITY_INTERNAL_PORT: String(back), MOBILITY_PEERS: at(front, ['user', 'vehicle', 'iot', 'gateway']) },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let moneyErrors = '';
  moneySide.stderr.on('data', (chunk: Buffer) => (moneyErrors += chunk.toString()));
  const ready = new Promise<void>((resolve) => createInterface(moneySide.stdout).on('line', (line) => line.startsWith('ready ') && resolve()));
  await Promise.race([ready, once(moneySide, 'exit').then(() => Promise.reject(new Error('the second process did not start')))]);
  const program = await startProgram({
    home, arguments: ['--target=gateway,user,vehicle,iot,data,incident,rollout'],
    environment: { ...shared, MOBILITY_VEHICLES: '12', MOBILITY_INTERNAL_PORT: String(front), MOBILITY_PEERS: at(back, ['booking', 'payment', 'payments-orchestrator']) },
  });
  try {
    const rider = await demoUser(program.url, `two-${v7()}@example.com`);
    const [vehicle] = await until(async () => {
      const { body } = await rider.get<{ items: { id: string }[] }>('/v1/vehicles?lat=50.1109&lon=8.6821&radiusMetres=20000&type=scooter&minBattery=30');
      return body.items.length > 0 && body.items;
    });
    const booked = await rider.post<{ id: string; state: string }>('/v1/bookings', { vehicleId: vehicle?.id });
    expect(booked, program.output() + moneyErrors).toMatchObject({ status: 201, body: { state: 'confirmed' } });
    expect((await rider.post('/v1/bookings', { vehicleId: 'no-such-vehicle' })).body).toMatchObject({ code: 'not-found' });
    expect((await rider.post(`/v1/bookings/${booked.body.id}/unlock-remotely`)).body).toMatchObject({ state: 'riding' });
    const strangers = await fetch(`http://127.0.0.1:${back}/call/booking/hasOpenBooking`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' });
    expect(strangers.status).toBe(401);
  } finally {
    const gone = once(moneySide, 'exit');
    await program.stop();
    moneySide.kill('SIGTERM');
    await gone;
    await database.stop();
    await rm(home, { recursive: true, force: true, maxRetries: 5 });
  }
}, 120_000);
