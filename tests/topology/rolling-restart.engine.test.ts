/** Every process is restarted, one after another, while riders search, book, cancel, upload and watch: nobody notices. */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../../server/infra/free-port.ts';
import { type RunningEngine, startEngine } from '../../tools/engines/engine.ts';
import { checkEveryMs, gatewaysPath, haproxy } from '../../tools/engines/haproxy.ts';
import { demoUser, until } from '../journeys/program.ts';
import { type Cluster, startCluster } from './cluster.ts';
import { startLoad } from './load.ts';

const riders = 4;
let folder: string;
let balancer: RunningEngine;
let cluster: Cluster;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-balancer-'));
  const [port, ...gatewayPorts] = [await freePort(), await freePort(), await freePort()];
  const engine = haproxy(gatewayPorts);
  await engine.install();
  balancer = await startEngine(engine, { folder, port });
  cluster = await startCluster({
    publicUrl: `http://127.0.0.1:${port}`, gatewayPorts,
    replicas: { 'gateway': 2, 'user': 2, 'booking': 2, 'payment': 2, 'payments-orchestrator': 2, 'incident': 2, 'rollout': 2 },
    // Longer than the balancer takes to see it, also on a busy machine.
    environment: { MOBILITY_DRAIN_MS: String(10 * checkEveryMs), MOBILITY_VEHICLES: '40' },
  });
}, 400_000);
afterAll(async () => {
  await cluster?.dispose();
  await balancer?.stop();
  await rm(folder, { recursive: true, force: true });
}, 120_000);

test('no request is lost, and every process ends by itself, with 0', async () => {
  const users = await Promise.all(Array.from({ length: riders }, (_, index) => demoUser(cluster.url, `rolling-${index}@example.com`)));
  const load = startLoad(cluster.url, users);
  const codes: Record<string, number | null> = {};
  for (const process of cluster.processes.filter(({ name }) => name !== 'outside')) {
    codes[process.name] = await process.restart();
    // As whoever rolls an update out waits: the next one stops when the balancer has seen that this one is back.
    await until(async () => (await (await fetch(`${cluster.url}${gatewaysPath}`)).text()) === '2', 30_000);
  }
  await load.stop();

  expect(load.lost).toEqual([]);
  expect(Object.entries(codes).filter(([, code]) => code !== 0)).toEqual([]);
  for (const what of ['search', 'book', 'cancel', 'photo']) expect(load.answered.get(what), what).toBeGreaterThan(10);
  expect(load.streamsOpened()).toBeGreaterThan(1);
}, 900_000);
