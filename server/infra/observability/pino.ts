import { pino } from 'pino';
import type { Logger } from './port.ts';
import { errorFields, redacted, withoutSecrets } from './redaction.ts';
import { currentTrace } from './trace.ts';

/**
 * JSON lines on standard error, each with its level by name, its module, and the trace it belongs to. What `redaction.ts`
 * names never reaches a line.
 */
export function pinoLogger(level: string): Logger {
  const logger = pino(
    {
      level,
      base: undefined,
      timestamp: pino.stdTimeFunctions.isoTime,
      formatters: { level: (label) => ({ level: label }), log: (fields) => redacted(fields) as Record<string, unknown> },
      serializers: { error: (error: unknown) => errorFields(error) },
      hooks: { streamWrite: withoutSecrets },
      mixin: () => {
        const trace = currentTrace();
        return trace ? { trace_id: trace.traceId, span_id: trace.spanId } : {};
      },
    },
    pino.destination({ fd: 2, sync: false }),
  );
  return logger as unknown as Logger;
}
