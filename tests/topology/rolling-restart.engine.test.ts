/** Every process is restarted, one after another, while riders search, book, cancel, upload and watch: nobody notices. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../../server/infra/free-port.ts';
import { startEngine } from '../../tools/engines/engine.ts';
import { checkEveryMs, gatewaysPath, haproxy } from '../../tools/engines/haproxy.ts';
import { demoUser, until } from '../journeys/program.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { cornerOfEngines } from './engines.ts';
import { startLoad } from './load.ts';

const riders = 4;
const stopped: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const stop of stopped.splice(0).toReversed()) await stop();
}, 120_000);

async function startBalanced(engines: Record<string, string> | undefined): Promise<Cluster> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-balancer-'));
  stopped.push(() => rm(folder, { recursive: true, force: true }));
  const [port, ...gatewayPorts] = [await freePort(), await freePort(), await freePort()];
  const engine = haproxy(gatewayPorts);
  await engine.install();
  const balancer = await startEngine(engine, { folder, port });
  stopped.push(() => balancer.stop());
  const cluster = await startCluster({
    publicUrl: `http://127.0.0.1:${port}`, gatewayPorts, ...(engines && { engines }),
    replicas: { 'gateway': 2, 'user': 2, 'booking': 2, 'payment': 2, 'payments-orchestrator': 2, 'incident': 2, 'rollout': 2 },
    // Longer than the balancer takes to see it, also on a busy machine.
    environment: { MOBILITY_DRAIN_MS: String(10 * checkEveryMs), MOBILITY_VEHICLES: '40' },
  });
  stopped.push(() => cluster.dispose());
  return cluster;
}

const backendsUp = async (url: string): Promise<string> => (await fetch(`${url}${gatewaysPath}`)).text();

test.each([
  ['what processes of one machine share', () => undefined],
  ['Kafka, Redis, DynamoDB and S3', cornerOfEngines],
])('over %s: no request is lost, and every process ends by itself, with 0', async (_ground, engines) => {
  const cluster = await startBalanced(engines());
  const users = await Promise.all(Array.from({ length: riders }, (_, index) => demoUser(cluster.url, `rolling-${index}@example.com`)));
  const load = startLoad(cluster.url, users);
  const codes: Record<string, number | null> = {};
  for (const process of cluster.processes.filter(({ name }) => name !== 'outside')) {
    codes[process.name] = await process.restart();
    // As whoever rolls an update out waits: the next one stops when the balancer has seen that this one is back.
    await until(async () => (await backendsUp(cluster.url)) === '2', 30_000);
  }
  await load.stop();

  expect(load.lost).toEqual([]);
  expect(Object.entries(codes).filter(([, code]) => code !== 0)).toEqual([]);
  for (const what of ['search', 'book', 'cancel', 'photo']) expect(load.answered.get(what), what).toBeGreaterThan(10);
  expect(load.streamsOpened()).toBeGreaterThan(1);
}, 900_000);
