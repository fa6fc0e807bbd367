/** The HTTP server of the gateway, put together. */
import { randomUUID } from 'node:crypto';
import type { Server } from 'node:http';
import type { Socket } from 'node:net';
import multipart from '@fastify/multipart';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import type { Logger } from '../infra/observability/port.ts';
import { Problem } from '../wire/problem.ts';
import { errorHandler, sendProblem, toProblem } from './errors.ts';
import { defaultBodyLimitBytes, type OperationServices, serveOperations } from './operations.ts';
import { methodsByPath, type PublicOperation } from './routes.ts';
import { allowOrigins, answerHeaders, pageHeaders, type SecurityOptions } from './security.ts';

export interface ServerOptions extends Omit<OperationServices, 'answerHeaders'> {
  logger: Logger;
  operations: readonly PublicOperation[];
  /** Proxies whose X-Forwarded-For is believed; none, and the header is ignored. */
  trustedProxies: readonly string[];
  security: SecurityOptions;
  /** While it is not, connections are not kept: balancers and clients turn elsewhere before this process stops. */
  isReady?: () => boolean;
  timeouts?: Timeouts;
}

/** How long a connection may take over a request; who is slower on purpose keeps a socket from others. */
export interface Timeouts {
  headersMs: number;
  requestMs: number;
  /** How often connections are held against these. */
  checkMs: number;
}

const defaultTimeouts: Timeouts = { headersMs: 15_000, requestMs: 60_000, checkMs: 5_000 };

export type NotFoundHandler = (request: FastifyRequest, reply: FastifyReply) => FastifyReply;

const requestIdPattern = /^[A-Za-z0-9._:-]{8,128}$/;

function requestIdOf(header: string | string[] | undefined): string {
  return typeof header === 'string' && requestIdPattern.test(header) ? header : randomUUID();
}

/** Bodies that are empty are no bodies, whatever their type says; `__proto__` in one is malformed. */
function addJsonParser(server: FastifyInstance): void {
  const parse = server.getDefaultJsonParser('error', 'error');
  server.addContentTypeParser(/^application\/([a-z0-9.+-]+\+)?json\b/, { parseAs: 'string' }, (request, body, done) => {
    if (body.length === 0) done(null, undefined);
    else void parse(request, body as string, done);
  });
}

/** A server with the public operations, that does not listen yet. */
export async function createServer(options: ServerOptions): Promise<{ server: FastifyInstance; notFound: NotFoundHandler }> {
  const { logger, operations, timeouts = defaultTimeouts } = options;
  const server = fastify({
    // No lenient parsing: a proxy before us and we have to agree on where a request ends.
    http: { headersTimeout: timeouts.headersMs, connectionsCheckingInterval: timeouts.checkMs, insecureHTTPParser: false, maxHeaderSize: 16 * 1024 },
    genReqId: (request) => requestIdOf(request.headers['x-request-id']),
    requestIdHeader: false,
    bodyLimit: defaultBodyLimitBytes,
    trustProxy: options.trustedProxies.length > 0 ? [...options.trustedProxies] : false,
    forceCloseConnections: 'idle',
    // Who has sent a request on a connection that was open is answered.
    return503OnClosing: false,
    requestTimeout: timeouts.requestMs,
    routerOptions: { maxParamLength: 500, ignoreTrailingSlash: false },
    frameworkErrors: (error, request, reply) => void sendProblem((reply as FastifyReply).header('x-request-id', request.id), error.code === 'FST_ERR_BAD_URL' ? new Problem('invalid-request', 'The path is not valid') : toProblem(error), request.id),
  });
  server.setErrorHandler(errorHandler(logger));
  server.addHook('onRequest', (_request, reply, done) => {
    if (options.isReady?.() === false) void reply.header('connection', 'close');
    done();
  });
  await allowOrigins(server, options.security);
  server.removeContentTypeParser('text/plain');
  server.removeContentTypeParser('application/json');
  addJsonParser(server);
  await server.register(multipart, { throwFileSizeLimit: true });
  const methodsOf = methodsByPath(operations);
  const notFound: NotFoundHandler = (request, reply) => {
    const allowed = methodsOf(request.url.split('?', 1)[0] ?? '');
    if (allowed.length === 0) return sendProblem(reply, new Problem('not-found', 'There is no such path'), request.id);
    return sendProblem(reply.header('allow', allowed.join(', ')), new Problem('method-not-allowed'), request.id);
  };
  serveOperations(server, operations, { ...options, answerHeaders: answerHeaders(options.security) });
  return { server, notFound };
}

/** Everything that is not an operation: pages and files, with the headers that browsers keep to. */
export async function servePages(server: FastifyInstance, options: SecurityOptions, register: (pages: FastifyInstance) => Promise<void>): Promise<void> {
  const headers = pageHeaders(options);
  await server.register(async (pages) => {
    pages.addHook('onRequest', (request, reply, done) => {
      void reply.headers(headers).header('x-request-id', request.id);
      done();
    });
    await register(pages);
  });
}

/**
 * Connections that were opened ahead and have not asked for anything yet, as browsers do. Node does not count
 * them as idle, so a server that closes would wait for them.
 */
export class SilentConnections {
  readonly #silent = new Set<Socket>();

  constructor(server: Server) {
    server.on('connection', (socket) => {
      this.#silent.add(socket);
      socket.once('close', () => this.#silent.delete(socket));
    });
    server.on('request', (request) => this.#silent.delete(request.socket));
  }

  destroy(): void {
    for (const socket of this.#silent) socket.destroy();
  }
}
