/**
 * One of the servers that `bench/gateway.ts` compares, in a process of its own: `server.ts bare|gateway`.
 * Tells its parent where it listens, and how much processor time it has used when it is asked.
 */
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fastify from 'fastify';
import { gatewayModule } from '../../server/gateway/module.ts';
import { freePort } from '../../server/infra/free-port.ts';
import { iotContract } from '../../server/iot/contract.ts';
import { readConfiguration } from '../../server/program/configuration.ts';
import { openPorts } from '../../server/program/ports.ts';
import { startProcess } from '../../server/program/process.ts';
import { moduleOf } from '../../server/program/testing.ts';
import { bookingContract } from '../../server/services/booking/contract.ts';
import { incidentContract } from '../../server/services/incident/contract.ts';
import { paymentContract } from '../../server/services/payment/contract.ts';
import { rolloutContract } from '../../server/services/rollout/contract.ts';
import { telemetryContract } from '../../server/services/telemetry/contract.ts';
import { userModule } from '../../server/services/user/module.ts';
import { vehicleContract } from '../../server/services/vehicle/contract.ts';

/** What the trivial handler answers: the payment methods of a rider, a route with role and scope. */
const answer = { items: [1, 2, 3].map((number) => ({ id: `0198c5a0-0000-7000-8000-00000000000${number}`, provider: 'stripe' as const, brand: 'visa', last4: '4242', createdAt: '2026-01-01T00:00:00Z' })) };
const path = '/v1/me/payment-methods';

interface Started {
  urls: Record<string, string>;
  token?: string;
  stop(): Promise<void>;
}

async function startBare(): Promise<Started> {
  const server = fastify();
  server.get(path, async () => answer);
  const url = await server.listen({ host: '127.0.0.1', port: 0 });
  return { urls: { trivial: `${url}${path}` }, stop: () => server.close() };
}

async function startGateway(): Promise<Started> {
  const home = await mkdtemp(join(tmpdir(), 'mobility-bench-'));
  const port = await freePort();
  const configuration = readConfiguration({
    PORT: String(port), MOBILITY_HOME: home, MOBILITY_LOG_LEVEL: 'error', MOBILITY_RIDER_APP: 'false', MOBILITY_LIMIT_PER_USER: '100000000', MOBILITY_LIMIT_PER_CLIENT: '100000000',
    ...(process.env['MOBILITY_DATABASE_URL'] && { MOBILITY_DATABASE_URL: process.env['MOBILITY_DATABASE_URL'] }),
    ...(process.env['MOBILITY_BENCH_OTLP_URL'] && { MOBILITY_OTLP_URL: process.env['MOBILITY_BENCH_OTLP_URL'], MOBILITY_TRACE_RATIO: process.env['MOBILITY_BENCH_TRACE_RATIO'] }),
  });
  const modules = [
    gatewayModule, userModule, moduleOf(iotContract, {}), moduleOf(bookingContract, {}), moduleOf(vehicleContract, {}),
    moduleOf(telemetryContract, {}), moduleOf(incidentContract, {}), moduleOf(rolloutContract, {}),
    moduleOf(paymentContract, { listPaymentMethods: async () => answer }),
  ];
  const running = await startProcess({ configuration, modules, ports: await openPorts(configuration) });
  const url = `http://127.0.0.1:${port}`;
  const response = await fetch(`${url}/demo/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email: 'bench@example.com' }) });
  const { token } = (await response.json()) as { token: string };
  return {
    urls: { trivial: `${url}${path}`, profile: `${url}/v1/me` }, token,
    async stop() {
      await running.stop();
      await rm(home, { recursive: true, force: true });
    },
  };
}

const started = process.argv[2] === 'bare' ? await startBare() : await startGateway();
process.on('message', (message) => {
  if (message === 'usage') {
    const { user, system } = process.cpuUsage();
    process.send?.({ processorSeconds: (user + system) / 1e6 });
  } else {
    void started.stop().then(() => process.exit(0));
  }
});
process.send?.({ urls: started.urls, token: started.token });
