/** Serves the public operations: authenticate, limit, authorise, read the body, hand over to the module, answer. */
import { Readable } from 'node:stream';
import type { FastifyInstance, FastifyReply, FastifyRequest, onResponseHookHandler, RouteHandlerMethod } from 'fastify';
import Negotiator from 'negotiator';
import type { Logger, Metrics, SpanOptions, Tracer } from '../infra/observability/port.ts';
import { currentTrace, readTraceparent, readXray, toXray, type Trace, type TraceIds } from '../infra/observability/trace.ts';
import type { Caller, Operation } from '../wire/contract.ts';
import { RawReply } from '../wire/contract.ts';
import { type Answer, type Dispatch, isRepeatable, type RawRequest } from '../wire/dispatch.ts';
import { Problem } from '../wire/problem.ts';
import type { Authenticator } from './authentication.ts';
import { authorise } from './authorisation.ts';
import { clientKey, type Limiter } from './limits.ts';
import { type PublicOperation, routerPath } from './routes.ts';
import { readUploads } from './uploads.ts';

declare module 'fastify' {
  interface FastifyRequest {
    caller: Caller | undefined;
    trace: Trace | undefined;
  }
}

export const defaultBodyLimitBytes = 128 * 1024;

const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; frame-ancestors 'none'; base-uri 'none'; form-action 'none'";
const idempotencyKeyPattern = /^[\x21-\x7e]{1,200}$/;
const jsonPattern = /^application\/(json|[a-z0-9.+-]+\+json)\s*(;|$)/i;
const multipartPattern = /^multipart\/form-data\s*;/i;

/** @throws Problem `idempotency-key-missing`, `invalid-request` */
function idempotencyKeyOf(operation: Operation, request: FastifyRequest): string | undefined {
  if (!operation.idempotent) return undefined;
  const key = request.headers['idempotency-key'];
  if (key === undefined) throw new Problem('idempotency-key-missing');
  if (typeof key !== 'string' || !idempotencyKeyPattern.test(key)) {
    throw new Problem('invalid-request', 'The Idempotency-Key has to be 1 to 200 visible ASCII characters', { errors: [{ pointer: '/headers/idempotency-key', message: 'Not 1 to 200 visible ASCII characters' }] });
  }
  return key;
}

/** Refuses a body of the wrong kind or size before it is read. @throws Problem `unsupported-media-type`, `payload-too-large` */
function checkBodyHeaders(operation: Operation, request: FastifyRequest): void {
  const { headers } = request;
  const length = Number(headers['content-length'] ?? 0);
  if (length === 0 && headers['transfer-encoding'] === undefined) return;
  if (length > (operation.bodyLimitBytes ?? defaultBodyLimitBytes)) throw new Problem('payload-too-large');
  const contentType = headers['content-type'] ?? '';
  const consumes = operation.consumes ?? 'application/json';
  const fits = consumes === 'multipart/form-data' ? multipartPattern.test(contentType) : jsonPattern.test(contentType);
  if (!fits) throw new Problem('unsupported-media-type', `This route takes ${consumes}`);
}

/** The one media type to answer with. @throws Problem `not-acceptable` */
function acceptOf(operation: Operation, request: FastifyRequest): string {
  const { accept } = request.headers;
  if (!operation.produces) return 'application/json';
  if (accept === undefined) return operation.produces[0] ?? 'application/json';
  const chosen = new Negotiator({ headers: { accept } }).mediaType([...operation.produces]);
  if (chosen === undefined) throw new Problem('not-acceptable', `This route makes ${operation.produces.join(', ')}`);
  return chosen;
}

/** Streams that are open; they never end by themselves and have to be ended when the server stops. */
export class OpenStreams {
  readonly #open = new Set<Readable>();

  add(stream: Readable): Readable {
    this.#open.add(stream);
    stream.once('close', () => this.#open.delete(stream));
    return stream;
  }

  end(): void {
    for (const stream of this.#open) stream.destroy();
  }
}

function sendRaw(reply: FastifyReply, raw: RawReply, streams: OpenStreams): FastifyReply {
  // A page, as a receipt is one, may bring its style and pictures of its own, and still nothing that runs.
  if (raw.contentType.startsWith('text/html')) void reply.header('content-security-policy', pagePolicy);
  void reply.headers(raw.headers).header('content-type', raw.contentType);
  if (typeof raw.body === 'string') return reply.send(raw.body);
  if (raw.body instanceof Uint8Array) return reply.send(Buffer.from(raw.body.buffer, raw.body.byteOffset, raw.body.byteLength));
  // Proxies must hand over each event as it comes.
  void reply.header('x-accel-buffering', 'no');
  return reply.send(streams.add(Readable.from(raw.body, { objectMode: false })));
}

function sendAnswer(reply: FastifyReply, answer: Answer, streams: OpenStreams): FastifyReply {
  if (answer instanceof RawReply) return sendRaw(reply, answer, streams);
  return answer.status === 204 ? reply.code(204).send() : reply.code(answer.status).send(answer.json);
}

export interface OperationServices {
  authenticator: Authenticator;
  limiter: Limiter;
  streams: OpenStreams;
  logger: Logger;
  metrics: Metrics;
  tracer: Tracer;
  traceIds: TraceIds;
  /** What every answer carries. */
  answerHeaders: Record<string, string>;
  dispatchTo(module: string): Dispatch;
}

/** What happens before the body is read: nobody unknown makes the server read megabytes. */
function guard(operation: Operation, { authenticator, limiter, answerHeaders }: OperationServices) {
  return async (request: FastifyRequest, reply: FastifyReply): Promise<void> => {
    void reply.headers(answerHeaders).header('x-request-id', request.id);
    let caller: Caller | undefined;
    let refusal: unknown;
    try {
      const identified = authenticator.identify(request.headers.authorization);
      caller = identified instanceof Promise ? await identified : identified;
    } catch (error) {
      refusal = error;
    }
    // Bad tokens count for their address, so that trying tokens is limited as well.
    const state = await (caller ? limiter.take('user', caller.subject) : limiter.take('client', clientKey(request.ip)));
    void reply.header('ratelimit-policy', state.policy).header('ratelimit', state.limit);
    if (refusal) throw refusal;
    authorise(operation.access, caller);
    request.caller = caller;
    idempotencyKeyOf(operation, request);
    checkBodyHeaders(operation, request);
  };
}

/** Adds the files and fields of a multipart body. */
async function withUploads(raw: RawRequest, operation: Operation, request: FastifyRequest): Promise<RawRequest> {
  if (!request.isMultipart()) throw new Problem('unsupported-media-type', 'This route takes multipart/form-data');
  const { uploads, fields } = await readUploads(request, operation.bodyLimitBytes ?? defaultBodyLimitBytes);
  return { ...raw, body: operation.body ? fields : undefined, uploads };
}

/** Aborts when the client goes away before it has its answer; a request that was merely read to its end does not count. */
function goneSignal({ raw }: FastifyReply): AbortSignal {
  const gone = new AbortController();
  const look = () => !raw.writableFinished && gone.abort();
  if (raw.destroyed) look();
  else raw.once('close', look);
  return gone.signal;
}

/** Where the trace of a request began: in the app, or at a load balancer of AWS. */
function traceOf({ headers }: FastifyRequest, ids: TraceIds): Trace | undefined {
  const { traceparent } = headers;
  const amazon = ids === 'xray' ? headers['x-amzn-trace-id'] : undefined;
  return readTraceparent(typeof traceparent === 'string' ? traceparent : undefined) ?? readXray(typeof amazon === 'string' ? amazon : undefined);
}

function handle({ module, name, operation }: PublicOperation, { dispatchTo, streams, tracer, traceIds }: OperationServices): RouteHandlerMethod {
  const dispatch = dispatchTo(module);
  const spanName = `${operation.method} ${operation.path}`;
  const attributes = { 'http.request.method': operation.method, 'http.route': operation.path };
  const spanOptions = (parent: Trace | undefined, agoMs: number): SpanOptions => ({ kind: 'server', begins: true, outside: true, parent, agoMs, attributes });
  return async (request, reply) => {
    let gone: AbortSignal | undefined;
    const options = {
      caller: request.caller,
      idempotencyKey: idempotencyKeyOf(operation, request),
      accept: acceptOf(operation, request),
      repeatable: isRepeatable(operation),
      get signal() {
        return (gone ??= goneSignal(reply));
      },
    };
    const json: RawRequest = { params: request.params, query: request.query, body: request.body };
    const raw = operation.consumes === 'multipart/form-data' ? await withUploads(json, operation, request) : json;
    const answer = await tracer.span(spanName, spanOptions(traceOf(request, traceIds), reply.elapsedTime), async (span) => {
      if (span.isRecorded) span.set({ 'url.path': request.url.split('?', 1)[0], 'url.scheme': request.protocol });
      const trace = currentTrace();
      request.trace = trace;
      if (trace && traceIds === 'xray') void reply.header('x-amzn-trace-id', toXray(trace));
      try {
        const answered = await dispatch(name, raw, options);
        span.set({ 'http.response.status_code': answered instanceof RawReply ? 200 : answered.status });
        return answered;
      } catch (error) {
        span.set({ 'http.response.status_code': error instanceof Problem ? error.status : 500 });
        throw error;
      }
    });
    return sendAnswer(reply, answer, streams);
  };
}

/** Counts and times the answers of one operation. */
function measure({ module, operation }: PublicOperation, { metrics, logger }: OperationServices): onResponseHookHandler {
  const observers = [1, 2, 3, 4, 5].map((status) =>
    metrics.seconds('mobility_http_request_duration_seconds', 'Time to answer a request of the public API', { method: operation.method, route: operation.path, module, status: `${status}xx` }));
  const { method, path: route } = operation;
  return (request, reply, done) => {
    observers[Math.floor(reply.statusCode / 100) - 1]?.(reply.elapsedTime / 1000);
    logger.debug({ trace_id: request.trace?.traceId, request_id: request.id, method, route, status: reply.statusCode, duration_ms: Math.round(reply.elapsedTime) }, 'answered');
    done();
  };
}

/** One Fastify route for each public operation. */
export function serveOperations(server: FastifyInstance, operations: readonly PublicOperation[], services: OperationServices): void {
  server.decorateRequest('caller', undefined);
  server.decorateRequest('trace', undefined);
  for (const entry of operations) {
    const { operation } = entry;
    server.route({
      method: operation.method,
      url: routerPath(operation.path),
      bodyLimit: operation.bodyLimitBytes ?? defaultBodyLimitBytes,
      onRequest: guard(operation, services),
      onResponse: measure(entry, services),
      handler: handle(entry, services),
    });
  }
}
