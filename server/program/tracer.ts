import { hostname } from 'node:os';
import packageJson from '../../package.json' with { type: 'json' };
import { openTracer } from '../infra/observability/otlp.ts';
import type { Logger, Metrics, Tracer } from '../infra/observability/port.ts';
import type { Configuration } from './configuration.ts';

/** The tracer of this process, as the configuration says. */
export function tracerOf({ configuration, logger, metrics }: { configuration: Pick<Configuration, 'MOBILITY_OTLP_URL' | 'MOBILITY_TRACE_RATIO' | 'MOBILITY_TRACE_IDS'>; logger: Logger; metrics: Metrics }): Tracer {
  const { MOBILITY_OTLP_URL: url, MOBILITY_TRACE_RATIO: ratio, MOBILITY_TRACE_IDS: ids } = configuration;
  return openTracer({ url, ratio, ids, instance: `${hostname()}/${process.pid}`, version: packageJson.version, logger, metrics });
}
