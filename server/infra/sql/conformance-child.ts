/**
 * A worker of the contract suite, to be killed: `node conformance-child.ts URL EVENTS_FOLDER MODULE LEASE_MS SEED`. Until it reads
 * `enough` it commits what `Crowd` of `conformance-processes.ts` counts, and it handles timers and events until it ends. Prints `ready`.
 */
import { systemClock } from '../clock/system.ts';
import { openLmdbEventLog } from '../events/lmdb.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { counted, countedTopic, randomFrom, slowKey, subjects } from './conformance-crowd.ts';
import { openDatabase } from './database.ts';
import { isUnreachable } from './unreachable.ts';
import { accessForTests } from './testing.ts';

const [url = '', folder = '', module = '', leaseMs = '', seed = ''] = process.argv.slice(2);
const random = randomFrom(Number(seed));
const [clock, logger] = [systemClock(0), pinoLogger('silent')];
const events = await openLmdbEventLog({ folder, logger });
const database = await openDatabase({ module, access: accessForTests(url), poolSize: 4, migrations: undefined, clock, events, logger, metrics: prometheusMetrics(), timerLeaseMs: Number(leaseMs) });
const pause = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

database.onTimer('ring', async ({ key }) => {
  const [firing] = await database.sql<{ id: number }[]>`insert into firings (key, worker) values (${key}, ${process.pid}) returning id`;
  await pause(key.startsWith(slowKey) ? 2.5 * Number(leaseMs) : random() * 100);
  await database.sql`update firings set ended_at = clock_timestamp() where id = ${firing?.id ?? 0}`;
});
database.consume([countedTopic], async (event, transaction) => {
  await transaction.sql`insert into effects (event_id, subject, n) values (${event.id}, ${event.subject}, ${(event.data as { n: number }).n})`;
});
database.start();

let isEnough = false;
process.stdin.on('data', () => (isEnough = true));
process.stdout.write('ready\n');

while (!isEnough) {
  const subject = subjects[Math.floor(random() * subjects.length)] ?? '';
  const dueInMs = random() * 400;
  const work = database.transaction(async (transaction) => {
    const [row] = await transaction.sql<{ n: number }[]>`update counters set n = n + 1 where subject = ${subject} returning n`;
    const n = row?.n ?? 0;
    transaction.publish(counted, subject, { n });
    transaction.schedule({ kind: 'ring', key: `${subject}/${n}`, dueAt: new Date(clock.nowMs() + dueInMs) });
  });
  await work.catch((error: unknown) => {
    if (!isUnreachable(error)) throw error;
  });
  await pause(random() * 20);
}
