/** The door for the other processes of the platform: calls to the modules that run in this one. */
import fastify, { type FastifyInstance } from 'fastify';
import { Readable } from 'node:stream';
import { z } from 'zod';
import { traceFrom, runInTrace } from '../infra/observability/trace.ts';
import { RawReply } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';
import { verifyPeer } from './peers.ts';
import type { RunningProcess } from './process.ts';

const Envelope = z.object({
  params: z.unknown().optional(),
  query: z.unknown().optional(),
  body: z.unknown().optional(),
  uploads: z.array(z.object({ fileName: z.string(), contentType: z.string(), base64: z.string() })).optional(),
});

const bodyLimitBytes = 96 * 1024 * 1024;

/** @returns a server that listens; close it before the modules stop */
export async function openInternalServer(running: RunningProcess, host: string, port: number): Promise<FastifyInstance> {
  const server = fastify({ bodyLimit: bodyLimitBytes });
  server.setErrorHandler((error, _request, reply) => {
    const problem = error instanceof Problem ? error : new Problem('internal', undefined, { cause: error });
    if (problem.code === 'internal') running.ports.logger.error({ error }, 'a call from another process failed');
    return reply.status(problem.status).type('application/problem+json').send(problem.toDocument());
  });
  server.get('/health/live', () => ({ status: 'live' }));
  server.get('/health/ready', (_request, reply) => reply.status(running.isReady() ? 200 : 503).send({ status: running.isReady() ? 'ready' : 'starting' }));
  server.get('/metrics', async (_request, reply) => reply.type('text/plain').send(await running.ports.metrics.scrape()));
  server.post<{ Params: { module: string; operation: string } }>('/call/:module/:operation', async (request, reply) => {
    const { caller } = await verifyPeer(running.ports.keys, request.headers.authorization, request.params);
    const served = running.served(request.params.module);
    if (!served || !Object.hasOwn(served.contract.operations, request.params.operation)) throw new Problem('not-found', 'this process does not serve that');
    const read = Envelope.safeParse(request.body);
    if (!read.success) throw new Problem('invalid-request', 'this is no call', { cause: read.error });
    const { uploads, ...envelope } = read.data;
    const gone = new AbortController();
    reply.raw.once('close', () => gone.abort());
    const idempotencyKey = request.headers['idempotency-key'];
    const answer = await runInTrace(traceFrom(request.headers['traceparent'] as string | undefined), () =>
      served.dispatch(
        request.params.operation,
        { ...envelope, ...(uploads && { uploads: uploads.map(({ base64, ...upload }) => ({ ...upload, bytes: Buffer.from(base64, 'base64') })) }) },
        { signal: gone.signal, ...(caller && { caller }), ...(typeof idempotencyKey === 'string' && { idempotencyKey }), ...(request.headers.accept && { accept: request.headers.accept }) },
      ),
    );
    if (answer instanceof RawReply) {
      const { body } = answer;
      const payload = typeof body === 'string' ? body : body instanceof Uint8Array ? Buffer.from(body) : Readable.from(body);
      return reply.header('x-mobility-raw', JSON.stringify(answer.headers)).type(answer.contentType).send(payload);
    }
    return reply.status(answer.status).send(answer.json);
  });
  await server.listen({ host, port });
  return server;
}
