/**
 * What tracing costs a request through the gateway, export off and on: authenticated requests a second, in alternating rounds:
 * `npm run bench -- tracing [SECONDS]`. Prints JSON lines. Spans go to a collector in this process that reads and forgets them.
 */
import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { load, type LoadFigures, median, startServer } from './gateway/measured.ts';

const seconds = Number(process.argv[2] ?? 5);
const rounds = 3;

let received = 0;
const collector = createServer((request, response) => {
  request.on('data', (chunk: Buffer) => (received += chunk.byteLength)).on('end', () => response.writeHead(200).end());
});
collector.listen(0, '127.0.0.1');
await once(collector, 'listening');
const collectorUrl = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'tracing', ...figures })}\n`);

const servers = {
  off: await startServer('gateway', { MOBILITY_BENCH_TRACE_RATIO: '' }),
  tenth: await startServer('gateway', { MOBILITY_BENCH_OTLP_URL: collectorUrl, MOBILITY_BENCH_TRACE_RATIO: '0.1' }),
  on: await startServer('gateway', { MOBILITY_BENCH_OTLP_URL: collectorUrl, MOBILITY_BENCH_TRACE_RATIO: '1' }),
};
const kinds = ['off', 'tenth', 'on'] as const;
try {
  for (const kind of kinds) await load(servers[kind], 'trivial', seconds);
  const figures = { off: [], tenth: [], on: [] } as Record<(typeof kinds)[number], LoadFigures[]>;
  for (let round = 0; round < rounds; round++) {
    for (const kind of kinds) figures[kind].push(await load(servers[kind], 'trivial', seconds));
    print({ round, ...Object.fromEntries(kinds.map((kind) => [kind, figures[kind].at(-1)])) });
  }
  const each = Object.fromEntries(kinds.map((kind) => [kind, median(figures[kind].map(({ processorMicrosecondsEach }) => processorMicrosecondsEach))])) as Record<(typeof kinds)[number], number>;
  print({ what: 'median', processorMicrosecondsEach: each, tenthToOff: Number((each.tenth / each.off).toFixed(2)), onToOff: Number((each.on / each.off).toFixed(2)), exportedBytes: received });
} finally {
  for (const { child } of Object.values(servers)) child.send('stop');
  collector.closeAllConnections();
  collector.close();
}
