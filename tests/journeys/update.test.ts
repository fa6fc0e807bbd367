/** An update on its way through the whole program: bundle, stages, real agents, the gate, and back again. */
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { text } from 'node:stream/consumers';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type ApiUser, demoUser, type Program, startProgram, until } from './program.ts';

const main = fileURLToPath(new URL('../../server/main.ts', import.meta.url));
const limitMs = 150_000;
let program: Program;
let admin: ApiUser;
let folder: string;
let vehicleIds: string[];

interface RolloutSeen {
  id: string;
  state: string;
  reason: string | null;
  stages: { gate: string; vehicles: number; succeeded: number }[];
  undo?: { vehicles: number; undone: number };
}

beforeAll(async () => {
  program = await startProgram();
  admin = await demoUser(program.url, 'admin@example.com', 'admin');
  folder = await mkdtemp(join(tmpdir(), 'mobility-bundles-'));
  vehicleIds = (await admin.get<{ items: { id: string }[] }>('/v1/cities/frankfurt/vehicles?limit=200')).body.items.map(({ id }) => id);
  await until(async () => (await admin.get<{ connected: number }>('/v1/statistics/devices')).body.connected === vehicleIds.length, 30_000);
  // Parked vehicles speak every ten seconds from now on, so that a soak of some seconds can tell who is silent.
  for (const id of vehicleIds) await admin.send('PATCH', `/v1/vehicles/${id}/shadow`, { desired: { configuration: { telemetryParkedSeconds: 10 } } });
}, limitMs);
afterAll(async () => {
  await program.dispose();
  await rm(folder, { recursive: true, force: true });
});

/** `mobility bundle FOLDER`: firmware that behaves like that in simulated vehicles. @returns the bundle's id */
async function bundle(version: string, behaviour: string): Promise<string> {
  const source = join(folder, version);
  await mkdir(source);
  await writeFile(join(source, 'main.ts'), 'export {};\n');
  await writeFile(join(source, 'simulated.json'), JSON.stringify({ version, behaviour }));
  const child = spawn(process.execPath, ['--disable-warning=ExperimentalWarning', main, 'bundle', source, '--kind', 'firmware', '--version', version], {
    env: { ...process.env, MOBILITY_TEST_DATABASE_URL: '', PORT: new URL(program.url).port, MOBILITY_HOME: program.home }, stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [output] = await Promise.all([text(child.stdout), once(child, 'close')]);
  return (JSON.parse(output) as { id: string }).id;
}

async function rollOut(bundleId: string): Promise<RolloutSeen> {
  const created = await admin.post<RolloutSeen>('/v1/rollouts', { bundleId, stagesPercent: [10, 100], soakMinutes: 0.2 });
  expect(created.status).toBe(201);
  return until(async () => {
    const { body } = await admin.get<RolloutSeen>(`/v1/rollouts/${created.body.id}`);
    return ['complete', 'rolled-back', 'paused'].includes(body.state) && body;
  }, 90_000);
}

async function versions(): Promise<Record<string, number>> {
  const shadows = await Promise.all(vehicleIds.map((id) => admin.get<{ state: { reported?: { software?: { version: string } } } }>(`/v1/vehicles/${id}/shadow`)));
  return shadows.reduce<Record<string, number>>((counted, { body }) => {
    const version = body.state.reported?.software?.version ?? 'unknown';
    return { ...counted, [version]: (counted[version] ?? 0) + 1 };
  }, {});
}

test('a good update reaches every vehicle stage by stage; one that crashes stops in the first stage and every vehicle undoes it', { timeout: limitMs }, async () => {
  expect(await rollOut(await bundle('1.1.0', 'healthy'))).toMatchObject({ state: 'complete', stages: [{ gate: 'passed' }, { gate: 'passed' }] });
  expect(await versions()).toEqual({ '1.1.0': vehicleIds.length });

  const bad = await rollOut(await bundle('1.2.0', 'crashes-later'));
  expect(bad).toMatchObject({ state: 'rolled-back', stages: [{ gate: 'failed', succeeded: 3 }, { gate: 'not-reached' }], undo: { vehicles: 3, undone: 3 } });
  expect(bad.reason).toContain('restart again and again');
  await until(async () => (await versions())['1.1.0'] === vehicleIds.length);
});
