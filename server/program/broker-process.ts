/** One of several broker processes, started by the IoT core with MOBILITY_IOT_WORKERS: opens the adapters that a broker needs. */
import { join } from 'node:path';
import { systemClock } from '../infra/clock/system.ts';
import { openLmdbEventLog } from '../infra/events/lmdb.ts';
import { pinoLogger } from '../infra/observability/pino.ts';
import { serveBroker } from '../iot/worker.ts';

serveBroker(async ({ home, logLevel, clockOffsetMs }) => {
  const clock = systemClock(clockOffsetMs);
  const logger = pinoLogger(logLevel);
  return { clock, logger, events: await openLmdbEventLog({ folder: join(home, 'events'), clock, logger }) };
});
