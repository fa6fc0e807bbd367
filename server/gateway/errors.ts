/** Every failure of a request as problem+json. */
import type { FastifyReply, FastifyRequest } from 'fastify';
import type { Logger } from '../infra/observability/port.ts';
import { Problem } from '../wire/problem.ts';
import { LimitExceeded } from './limits.ts';

const byStatus: Record<number, ConstructorParameters<typeof Problem>[0]> = {
  400: 'invalid-request', 404: 'not-found', 406: 'unsupported-media-type', 413: 'payload-too-large', 414: 'payload-too-large', 415: 'unsupported-media-type', 503: 'unavailable',
};
const byCode: Record<string, ConstructorParameters<typeof Problem>[0]> = {
  FST_ERR_CTP_INVALID_JSON_BODY: 'malformed-json', FST_ERR_CTP_EMPTY_JSON_BODY: 'malformed-json', FST_ERR_CTP_INVALID_CONTENT_LENGTH: 'invalid-request',
};

/** What of the server's own errors a client is told; anything unknown is `internal`. */
export function toProblem(error: unknown): Problem {
  if (error instanceof Problem) return error;
  if (error instanceof SyntaxError && 'statusCode' in error) return new Problem('malformed-json', undefined, { cause: error });
  const { code, statusCode } = (error ?? {}) as { code?: unknown; statusCode?: unknown };
  const named = typeof code === 'string' && code.startsWith('FST_') ? (byCode[code] ?? (typeof statusCode === 'number' ? byStatus[statusCode] : undefined)) : undefined;
  return new Problem(named ?? 'internal', undefined, { cause: error });
}

export function sendProblem(reply: FastifyReply, problem: Problem, requestId: string): FastifyReply {
  if (problem instanceof LimitExceeded) void reply.header('ratelimit-policy', problem.state.policy).header('ratelimit', problem.state.limit);
  if (problem.retryAfterSeconds !== undefined) void reply.header('retry-after', String(problem.retryAfterSeconds));
  if (problem.code === 'unauthenticated') void reply.header('www-authenticate', 'Bearer realm="mobility", error="invalid_token"');
  return reply.code(problem.status).header('content-type', 'application/problem+json; charset=utf-8').header('cache-control', 'no-store').serializer(JSON.stringify).send(problem.toDocument(requestId));
}

/** Fastify's error handler. */
export function errorHandler(logger: Logger) {
  return (error: unknown, request: FastifyRequest, reply: FastifyReply): FastifyReply => {
    const problem = toProblem(error);
    // A request whose client has gone away is nobody's fault.
    if (problem.code === 'internal' && !reply.raw.destroyed) logger.error({ error, requestId: request.id, method: request.method, route: request.routeOptions.url }, 'request failed');
    return sendProblem(reply, problem, request.id);
  };
}
