/** The platform in the forms that are compared: one process on embedded defaults, one process over engines, and a process for each target over them. */
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { chmod, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import postgres from 'postgres';
import { freePort } from '../../server/infra/free-port.ts';
import { startProgram } from '../../tests/journeys/program.ts';
import { startCluster } from '../../tests/topology/cluster.ts';
import { startEngine } from '../../tools/engines/engine.ts';
import { engines } from '../../tools/engines/list.ts';

/** A process whose cost counts, with its children unless said otherwise. */
export interface Part {
  name: string;
  processId: number;
  counts?: 'alone' | 'children' | 'both';
}
export interface Form {
  name: string;
  url: string;
  parts: readonly Part[];
  close(): Promise<void>;
}

/** Both forms over engines have their own data in the same engines. */
export interface Ground {
  sandboxes: Record<string, string>;
  engineParts: readonly Part[];
  settingsFor(form: string): Promise<Record<string, string>>;
  close(): Promise<void>;
}

async function startSandboxes(): Promise<{ settings: Record<string, string>; stop(): void }> {
  const child = fork(fileURLToPath(new URL('sandboxes.ts', import.meta.url)));
  const [{ stripeUrl, adyenUrl }] = (await once(child, 'message')) as [{ stripeUrl: string; adyenUrl: string }];
  return {
    settings: { MOBILITY_STRIPE_URL: stripeUrl, MOBILITY_STRIPE_KEY: 'sk_test_sandbox', MOBILITY_ADYEN_URL: adyenUrl, MOBILITY_ADYEN_KEY: 'sandbox' },
    stop: () => child.disconnect(),
  };
}

/** Engines of this run alone, so that nobody else's work is counted; and the sandboxes of the payment providers, which count for no form. */
export async function prepareGround(say: (line: string) => void): Promise<Ground> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-bench-engines-'));
  // PostgreSQL runs under an account of its own, which has to come through here.
  await chmod(folder, 0o755);
  const sandboxes = await startSandboxes();
  const running: { name: string; engine: Awaited<ReturnType<typeof startEngine>> }[] = [];
  const close = async () => {
    await Promise.all(running.map(({ engine }) => engine.stop()));
    sandboxes.stop();
    await rm(folder, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    for (const engine of engines) {
      say(`${engine.name}: installing what is missing, and starting`);
      await engine.install();
      running.push({ name: engine.name, engine: await startEngine(engine, { folder: join(folder, engine.name), port: await freePort() }) });
    }
  } catch (error) {
    await close();
    throw error;
  }
  const shared: Record<string, string> = Object.assign({}, ...running.map(({ engine }) => engine.settings));
  return {
    sandboxes: sandboxes.settings, close,
    engineParts: running.map(({ name, engine }) => ({ name, processId: engine.processId })),
    async settingsFor(form) {
      const url = new URL(shared['MOBILITY_DATABASE_URL'] ?? '');
      const owner = postgres(url.href, { max: 1, onnotice: () => undefined });
      await owner`create database ${owner(form)}`;
      await owner.end();
      url.pathname = `/${form}`;
      return { ...shared, MOBILITY_DATABASE_URL: url.href, MOBILITY_KAFKA_PREFIX: `${form}.`, MOBILITY_S3_BUCKET: `bench-${form}`, MOBILITY_DYNAMODB_TABLE: `bench-${form}` };
    },
  };
}

/** The same for every form: no simulated city beside the load, and no limit that would be met instead of the machine's. */
const forAll = { MOBILITY_VEHICLES: '0', MOBILITY_SIMULATOR: 'false', MOBILITY_LIMIT_PER_USER: '100000000', MOBILITY_LIMIT_PER_CLIENT: '100000000' };
const readyTimeoutMs = 240_000;

async function oneProcess(name: string, environment: Record<string, string>, othersOf: (processId: number) => readonly Part[]): Promise<Form> {
  const program = await startProgram({ environment: { ...forAll, ...environment }, readyTimeoutMs });
  const processId = program.process.pid ?? 0;
  return { name, url: program.url, parts: [{ name: 'mobility', processId, counts: 'alone' }, ...othersOf(processId)], close: () => program.dispose() };
}

/** Forms by name, each started when it is its turn. */
export const forms: Readonly<Record<string, (ground: Ground, profile: Record<string, string>) => Promise<Form>>> = {
  'embedded': (ground, profile) => oneProcess('embedded', { ...ground.sandboxes, ...profile }, (processId) => [{ name: 'postgres', processId, counts: 'children' }]),
  'together': async (ground, profile) => oneProcess('together', { ...ground.sandboxes, ...(await ground.settingsFor('together')), ...profile }, () => ground.engineParts),
  'distributed': async (ground, profile) => {
    const cluster = await startCluster({ environment: { ...forAll, ...ground.sandboxes, ...profile }, engines: await ground.settingsFor('distributed'), outside: false, readyTimeoutMs });
    const processes = cluster.processes.map(({ name, processId }) => ({ name: name.replace(/-1$/, ''), processId: processId ?? 0 }));
    return { name: 'distributed', url: cluster.url, parts: [...processes, ...ground.engineParts], close: () => cluster.dispose() };
  },
};
