import { pino, stdSerializers } from 'pino';
import type { Logger } from './port.ts';
import { currentTrace } from './trace.ts';

/** JSON lines on standard error, each with the trace it belongs to. Secrets never reach a line. */
export function pinoLogger(level: string): Logger {
  const logger = pino(
    {
      level,
      base: undefined,
      serializers: { error: stdSerializers.err },
      redact: { paths: ['authorization', 'password', 'token', '*.authorization', '*.password', '*.token'], censor: '[removed]' },
      mixin: () => {
        const trace = currentTrace();
        return trace ? { trace_id: trace.traceId, span_id: trace.spanId } : {};
      },
    },
    pino.destination({ fd: 2, sync: false }),
  );
  return logger as unknown as Logger;
}
