/**
 * A worker of the contract suite, to be killed: `node conformance-child.ts URL EVENTS_FOLDER MODULE LEASE_MS SEED`. Until it reads
 * `enough` it commits what `conformance-crowd.ts` counts, and it handles timers and events until it ends. Prints `ready`, and `nothing more` when all
 * that it commits is committed.
 */
import { systemClock } from '../clock/system.ts';
import { openLmdbEventLog } from '../events/lmdb.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { commitOne, followCrowd, randomFrom } from './conformance-crowd.ts';
import { openDatabase } from './database.ts';
import { accessForTests } from './testing.ts';

const [url = '', folder = '', module = '', leaseMs = '', seed = ''] = process.argv.slice(2);
const random = randomFrom(Number(seed));
const [clock, logger] = [systemClock(0), pinoLogger('silent')];
const events = await openLmdbEventLog({ folder, logger });
const database = await openDatabase({ module, access: accessForTests(url), poolSize: 4, migrations: undefined, clock, events, logger, metrics: prometheusMetrics(), timerLeaseMs: Number(leaseMs) });
followCrowd(database, { module, worker: process.pid, slowMs: 2.5 * Number(leaseMs), random });
database.start();

let isEnough = false;
process.stdin.on('data', () => (isEnough = true));
process.stdout.write('ready\n');
while (!isEnough) {
  await commitOne(database, { nowMs: clock.nowMs(), random });
  await new Promise((resume) => setTimeout(resume, random() * 20));
}
process.stdout.write('nothing more\n');
