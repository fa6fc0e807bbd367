/**
 * Authenticated, rate-limited requests a second through the gateway, and the same answer by a bare Fastify
 * route: `npm run bench -- gateway [SECONDS]`. Prints JSON lines. Each server has a process of its own, the load
 * comes from this one; rounds alternate, so that what else the machine does meets both.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

const seconds = Number(process.argv[2] ?? 5);
const rounds = 5;
const connections = 50;

interface Server {
  child: ChildProcess;
  urls: Record<string, string>;
  token?: string;
}

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'gateway', ...figures })}\n`);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

async function start(kind: string): Promise<Server> {
  const child = fork(fileURLToPath(new URL('gateway/server.ts', import.meta.url)), [kind], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
  const [told] = (await once(child, 'message')) as [Omit<Server, 'child'>];
  return { child, ...told };
}

async function processorSeconds({ child }: Server): Promise<number> {
  child.send('usage');
  const [{ processorSeconds: used }] = (await once(child, 'message')) as [{ processorSeconds: number }];
  return used;
}

interface Figures {
  perSecond: number;
  processorMicrosecondsEach: number;
  p50Ms: number;
  p99Ms: number;
}

/** @throws Error when any request was not answered with 200 */
async function load(server: Server, route: string): Promise<Figures> {
  const before = await processorSeconds(server);
  const result = await autocannon({
    url: server.urls[route] ?? '', connections, duration: seconds,
    ...(server.token && { headers: { authorization: `Bearer ${server.token}` } }),
  });
  const used = (await processorSeconds(server)) - before;
  if (result.non2xx + result.errors > 0) throw new Error(`${route}: ${result.non2xx} refusals, ${result.errors} errors`);
  return { perSecond: result.requests.average, processorMicrosecondsEach: Number(((used / result.requests.total) * 1e6).toFixed(1)), p50Ms: result.latency.p50, p99Ms: result.latency.p99 };
}

const servers = { bare: await start('bare'), gateway: await start('gateway') };
try {
  await load(servers.bare, 'trivial');
  await load(servers.gateway, 'trivial');
  const bare: Figures[] = [];
  const trivial: Figures[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(await load(servers.bare, 'trivial'));
    trivial.push(await load(servers.gateway, 'trivial'));
    print({ round, bare: bare.at(-1), gateway: trivial.at(-1) });
  }
  const profile = await load(servers.gateway, 'profile');
  print({ what: 'GET /v1/me, from PostgreSQL', ...profile });
  const [barePerSecond, gatewayPerSecond] = [bare, trivial].map((list) => median(list.map(({ perSecond }) => perSecond)));
  const [bareMicroseconds, gatewayMicroseconds] = [bare, trivial].map((list) => median(list.map((figures) => figures.processorMicrosecondsEach)));
  print({
    what: 'median', barePerSecond, gatewayPerSecond, ratio: Number(((gatewayPerSecond ?? 0) / (barePerSecond || 1)).toFixed(2)),
    bareMicroseconds, gatewayMicroseconds, processorRatio: Number(((bareMicroseconds ?? 0) / (gatewayMicroseconds || 1)).toFixed(2)),
  });
} finally {
  for (const { child } of Object.values(servers)) child.send('stop');
}
