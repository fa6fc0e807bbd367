/**
 * What tracing costs a request through the gateway, export off and on: authenticated requests a second, in alternating rounds:
 * `npm run bench -- tracing [SECONDS]`. Prints JSON lines. Spans go to a collector in this process that reads and forgets them.
 */
import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { fileURLToPath } from 'node:url';
import autocannon from 'autocannon';

const seconds = Number(process.argv[2] ?? 5);
const rounds = 3;
const connections = 50;

interface Server {
  child: ChildProcess;
  urls: Record<string, string>;
  token: string;
}

let received = 0;
const collector = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => (received += chunk.byteLength)).on('end', () => response.writeHead(200).end());
});
collector.listen(0, '127.0.0.1');
await once(collector, 'listening');
const collectorUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

async function start(environment: Record<string, string>): Promise<Server> {
  const child = fork(fileURLToPath(new URL('gateway/server.ts', import.meta.url)), ['gateway'], { stdio: ['ignore', 'inherit', 'inherit', 'ipc'], env: { ...process.env, ...environment } });
  const [told] = (await once(child, 'message')) as [Omit<Server, 'child'>];
  return { child, ...told };
}

async function processorSeconds({ child }: Server): Promise<number> {
  child.send('usage');
  const [{ processorSeconds: used }] = (await once(child, 'message')) as [{ processorSeconds: number }];
  return used;
}

/** @throws Error when any request was not answered with 200 */
async function load(server: Server): Promise<{ perSecond: number; processorMicrosecondsEach: number }> {
  const before = await processorSeconds(server);
  const result = await autocannon({ url: server.urls['trivial'] ?? '', connections, duration: seconds, headers: { authorization: `Bearer ${server.token}` } });
  const used = (await processorSeconds(server)) - before;
  if (result.non2xx + result.errors > 0) throw new Error(`${result.non2xx} refusals, ${result.errors} errors`);
  return { perSecond: result.requests.average, processorMicrosecondsEach: Number(((used / result.requests.total) * 1e6).toFixed(1)) };
}

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'tracing', ...figures })}\n`);
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)] ?? 0;

const servers = {
  off: await start({ MOBILITY_BENCH_TRACE_RATIO: '' }),
  tenth: await start({ MOBILITY_BENCH_OTLP_URL: collectorUrl, MOBILITY_BENCH_TRACE_RATIO: '0.1' }),
  on: await start({ MOBILITY_BENCH_OTLP_URL: collectorUrl, MOBILITY_BENCH_TRACE_RATIO: '1' }),
};
const kinds = ['off', 'tenth', 'on'] as const;
try {
  for (const kind of kinds) await load(servers[kind]);
  const figures = { off: [], tenth: [], on: [] } as Record<(typeof kinds)[number], { perSecond: number; processorMicrosecondsEach: number }[]>;
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) figures[kind].push(await load(servers[kind]));
    print({ round, ...Object.fromEntries(kinds.map((kind) => [kind, figures[kind].at(-1)])) });
  }
  const each = Object.fromEntries(kinds.map((kind) => [kind, median(figures[kind].map(({ processorMicrosecondsEach }) => processorMicrosecondsEach))])) as Record<(typeof kinds)[number], number>;
  print({ what: 'median', processorMicrosecondsEach: each, tenthToOff: Number((each.tenth / each.off).toFixed(2)), onToOff: Number((each.on / each.off).toFixed(2)), exportedBytes: received });
} finally {
  for (const { child } of Object.values(servers)) child.send('stop');
  collector.closeAllConnections();
  collector.close();
}
