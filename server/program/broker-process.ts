/** One of several broker processes, started by the IoT core with MOBILITY_IOT_WORKERS: opens the adapters that a broker needs. */
import { systemClock } from '../infra/clock/system.ts';
import { pinoLogger } from '../infra/observability/pino.ts';
import { prometheusMetrics } from '../infra/observability/prometheus.ts';
import { serveBroker } from '../iot/worker.ts';
import { openEventLog } from './event-log.ts';
import { tracerOf } from './tracer.ts';

serveBroker(async ({ configuration }) => {
  const clock = systemClock(configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000);
  const logger = pinoLogger(configuration.MOBILITY_LOG_LEVEL);
  // Old events are removed by the process that started this one.
  const tracer = tracerOf({ configuration, logger, metrics: prometheusMetrics() }).of('iot');
  return { clock, logger, tracer, events: await openEventLog({ configuration: { ...configuration, MOBILITY_EVENT_RETENTION: {} }, clock, logger }) };
});
