/** `mobility simulate`: the world around a demo that runs in other processes: payment sandboxes, vehicles, riders. */
import { startOutside } from '../../demo/demo.ts';
import { systemClock } from '../../infra/clock/system.ts';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { prometheusMetrics } from '../../infra/observability/prometheus.ts';
import { readConfiguration } from '../configuration.ts';
import { untilAskedToStop } from '../signals.ts';
import { openKeys } from '../stores.ts';
import { tracerOf } from '../tracer.ts';

/** Runs until SIGTERM or SIGINT; the addresses are those that the platform was given. @returns the exit code */
export async function runSimulate(): Promise<number> {
  const configuration = readConfiguration(process.env);
  const stopped = untilAskedToStop();
  const logger = pinoLogger(configuration.MOBILITY_LOG_LEVEL);
  const tracer = tracerOf({ configuration, logger, metrics: prometheusMetrics() });
  const clock = systemClock(configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000);
  const { keys, close } = await openKeys({ configuration, clock });
  const outside = await startOutside(configuration, {
    clock, keys,
    logger, tracer,
  }, stopped.signal);
  process.stdout.write(`ready ${configuration.MOBILITY_NEAR_FIELD_URL}\n`);
  await stopped.asked;
  await outside.close();
  await close();
  await tracer.close();
  return 0;
}
