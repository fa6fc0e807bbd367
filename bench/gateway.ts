/**
 * Authenticated, rate-limited requests a second through the gateway, and the same answer by a bare Fastify
 * route: `npm run bench -- gateway [SECONDS]`. Prints JSON lines. Each server has a process of its own, the load
 * comes from this one; rounds alternate, so that what else the machine does meets both.
 */
import { load, type LoadFigures, median, startServer } from './gateway/measured.ts';

const seconds = Number(process.argv[2] ?? 5);
const rounds = 5;

const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ bench: 'gateway', ...figures })}\n`);

const servers = { bare: await startServer('bare'), gateway: await startServer('gateway') };
try {
  await load(servers.bare, 'trivial', seconds);
  await load(servers.gateway, 'trivial', seconds);
  const bare: LoadFigures[] = [];
  const trivial: LoadFigures[] = [];
  for (let round = 0; round < rounds; round++) {
    bare.push(await load(servers.bare, 'trivial', seconds));
    trivial.push(await load(servers.gateway, 'trivial', seconds));
    print({ round, bare: bare.at(-1), gateway: trivial.at(-1) });
  }
  const profile = await load(servers.gateway, 'profile', seconds);
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
