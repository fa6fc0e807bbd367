/** The door for the other processes of the platform: calls to the modules that run in this one, health, and metrics. */
import type { TLSSocket } from 'node:tls';
import fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { traceFrom, runInTrace } from '../infra/observability/trace.ts';
import { RawReply } from '../wire/contract.ts';
import { withDeadline } from '../wire/deadline.ts';
import { Problem } from '../wire/problem.ts';
import { peerHeader } from '../wire/remote.ts';
import { type InternalTls, verifyPeer } from './peers.ts';
import type { PreparedProcess } from './process.ts';

const Envelope = z.object({
  params: z.unknown().optional(),
  query: z.unknown().optional(),
  body: z.unknown().optional(),
  uploads: z.array(z.object({ fileName: z.string(), contentType: z.string(), base64: z.string() })).optional(),
});

const bodyLimitBytes = 96 * 1024 * 1024;
/** Longer than callers keep a connection that they do not use: it is they who close it, so that no call meets a closing one. */
const keptIdleMs = 65_000;

type Served = Pick<PreparedProcess, 'ports' | 'served' | 'isReady' | 'state'> & Partial<Pick<PreparedProcess, 'isStarting'>>;

export interface InternalServerOptions {
  host: string;
  port: number;
  tls?: InternalTls | undefined;
}

export interface InternalServer {
  listeningOrigin: string;
  /** Takes no more calls, ends streams, and resolves when the calls in hand are answered. */
  close(): Promise<void>;
}

/** Certificates are for calls; those who only ask whether this process lives, as orchestrators do, have none. */
function requireCertificate(request: FastifyRequest): void {
  const socket = request.raw.socket as TLSSocket;
  if (socket.encrypted && !socket.authorized) throw new Problem('unauthenticated', 'a certificate of the platform is needed');
}

const remainingOf = (request: FastifyRequest): number => {
  const remaining = Number(request.headers[peerHeader.deadline] ?? Number.NaN);
  return Number.isFinite(remaining) ? remaining : Number.POSITIVE_INFINITY;
};

/** Streams that are open; they never end by themselves. */
class OpenStreams {
  readonly #open = new Set<Readable>();

  add(body: AsyncIterable<Uint8Array | string>): Readable {
    const stream = Readable.from(body);
    this.#open.add(stream);
    return stream.once('close', () => this.#open.delete(stream));
  }

  end(): void {
    for (const stream of this.#open) stream.destroy();
  }
}

function healthRoutes(server: FastifyInstance, process: Served): void {
  server.get('/health/live', () => ({ status: 'live' }));
  server.get('/health/ready', (_request, reply) => reply.status(process.isReady() ? 200 : 503).header('cache-control', 'no-store').send({ status: process.state() }));
  server.get('/metrics', { onRequest: async (request) => requireCertificate(request) }, async (_request, reply) => reply.type('text/plain').send(await process.ports.metrics.scrape()));
}

async function answerCall(request: FastifyRequest<{ Params: { module: string; operation: string } }>, reply: FastifyReply, process: Served, streams: OpenStreams): Promise<FastifyReply> {
  const { caller } = await verifyPeer(process.ports.keys, request.headers.authorization, request.params);
  const { module, operation } = request.params;
  const served = process.served(module);
  if (!served && process.isStarting?.(module)) return reply.status(503).header(peerHeader.notTaken, '1').type('application/problem+json').send(new Problem('unavailable', `${module} is starting`).toDocument());
  if (!served || !Object.hasOwn(served.contract.operations, operation)) throw new Problem('not-found', 'this process does not serve that');
  const read = Envelope.safeParse(request.body);
  if (!read.success) throw new Problem('invalid-request', 'this is no call', { cause: read.error });
  const { uploads, ...envelope } = read.data;
  const gone = new AbortController();
  reply.raw.once('close', () => gone.abort());
  const idempotencyKey = request.headers['idempotency-key'];
  const answer = await withDeadline(remainingOf(request), () => runInTrace(traceFrom(request.headers['traceparent'] as string | undefined), () =>
    served.dispatch(
      operation,
      { ...envelope, ...(uploads && { uploads: uploads.map(({ base64, ...upload }) => ({ ...upload, bytes: Buffer.from(base64, 'base64') })) }) },
      { signal: gone.signal, ...(caller && { caller }), ...(typeof idempotencyKey === 'string' && { idempotencyKey }), ...(request.headers.accept && { accept: request.headers.accept }) },
    )));
  if (answer instanceof RawReply) {
    const { body } = answer;
    const payload = typeof body === 'string' ? body : body instanceof Uint8Array ? Buffer.from(body) : streams.add(body);
    return reply.header(peerHeader.raw, JSON.stringify(answer.headers)).type(answer.contentType).send(payload);
  }
  return reply.status(answer.status).send(answer.json);
}

/** Listens at once: what runs here tells that it is starting, and takes calls as its modules come up. */
export async function openInternalServer(process: Served, { host, port, tls }: InternalServerOptions): Promise<InternalServer> {
  const server = fastify({
    bodyLimit: bodyLimitBytes, keepAliveTimeout: keptIdleMs, return503OnClosing: false, forceCloseConnections: 'idle',
    ...(tls && { https: { ...tls, requestCert: true, rejectUnauthorized: false, minVersion: 'TLSv1.3' as const } }),
  }) as unknown as FastifyInstance;
  const streams = new OpenStreams();
  let isClosing = false;
  server.setErrorHandler((error, _request, reply) => {
    const problem = error instanceof Problem ? error : new Problem('internal', undefined, { cause: error });
    if (problem.code === 'internal') process.ports.logger.error({ error }, 'a call from another process failed');
    return reply.status(problem.status).type('application/problem+json').send(problem.toDocument());
  });
  healthRoutes(server, process);
  server.post<{ Params: { module: string; operation: string } }>('/call/:module/:operation', {
    onRequest: async (request, reply) => {
      requireCertificate(request);
      if (process.state() === 'stopping') void reply.headers({ [peerHeader.stopping]: '1', connection: 'close' });
      // On a connection that was open already: nobody begins with it.
      if (isClosing) await reply.status(503).header(peerHeader.notTaken, '1').type('application/problem+json').send(new Problem('unavailable', 'this process stops').toDocument());
    },
  }, (request, reply) => answerCall(request, reply, process, streams));
  await server.listen({ host, port });
  return {
    listeningOrigin: server.listeningOrigin,
    async close() {
      isClosing = true;
      streams.end();
      await server.close();
    },
  };
}
