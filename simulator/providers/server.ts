/** What both sandboxes share: the HTTP server, idempotency, faults, and the pages and routes of the sandbox itself. */
import { createHash } from 'node:crypto';
import Fastify, { type FastifyInstance, type FastifyReply, type FastifyRequest } from 'fastify';
import { Behaviour, BehaviourChange, type CallKind, type Fault } from './faults.ts';
import { decodeForm } from './form.ts';
import { openStorage, type Storage } from './storage.ts';

export interface SandboxOptions {
  /** 0 takes a free one. */
  port: number;
  /** Where the sandbox keeps what it knows. */
  folder: string;
  clock?: { nowMs(): number };
}

export interface Sandbox {
  url: string;
  close(): Promise<void>;
}

/** What a provider answers, and whether it gets through. */
export interface Answer {
  status: number;
  body: unknown;
  /** Kept back by the card itself: the change is made (or not), the answer does not come. */
  fault?: Fault;
}

/** One call of a provider's API. It runs inside a transaction and decides before it writes. */
export interface Execution {
  kind: CallKind;
  /** @param lostBefore the same request was lost on its way once: this time it arrives */
  execute(circumstances: { forced: Fault; lostBefore: boolean }): Answer;
}

interface KeptAnswer {
  digest: string;
  status: number;
  body: unknown;
}

/** How a provider answers what every provider has its own words for. */
export interface Dialect {
  outage: Answer;
  keyReused: Answer;
  replayedHeader: string;
}

const isLoopback = (address: string): boolean => address === '::1' || address.startsWith('127.') || address.startsWith('::ffff:127.');

export class SandboxServer {
  readonly http: FastifyInstance;
  readonly storage: Storage;
  readonly behaviour = new Behaviour();
  readonly nowMs: () => number;
  readonly #dialect: Dialect;
  readonly #options: SandboxOptions;

  constructor(options: SandboxOptions, dialect: Dialect) {
    this.#options = options;
    this.#dialect = dialect;
    this.nowMs = () => (options.clock ?? { nowMs: () => Date.now() }).nowMs();
    this.storage = openStorage(options.folder);
    this.http = Fastify({ forceCloseConnections: true, bodyLimit: 256 * 1024 });
    this.http.removeAllContentTypeParsers();
    this.http.addContentTypeParser('*', { parseAs: 'string' }, (_request, body, done) => done(null, body));
  }

  /** The body as it came. */
  static bodyOf(request: FastifyRequest): string {
    return typeof request.body === 'string' ? request.body : '';
  }

  /**
   * Answers an API call: faults, and one effect for each idempotency key.
   * A key that was used answers what it answered the first time; with another request it is refused.
   */
  async serve(request: FastifyRequest, reply: FastifyReply, execution: Execution): Promise<unknown> {
    const forced = this.behaviour.take(execution.kind);
    if (this.behaviour.latencyMs > 0) await new Promise((resume) => setTimeout(resume, this.behaviour.latencyMs));
    if (forced === 'outage') return reply.code(this.#dialect.outage.status).send(this.#dialect.outage.body);
    if (forced === 'timeout-before') return this.#neverAnswer(reply);
    const header = request.headers['idempotency-key'];
    const key = typeof header === 'string' && request.method === 'POST' ? header : undefined;
    const { answer, replayed } = await this.#once(request, key, execution, forced);
    const fault = forced === 'timeout-after' || forced === 'reset-after' ? forced : answer.fault;
    if (fault === 'timeout-before' || fault === 'timeout-after') return this.#neverAnswer(reply);
    if (fault === 'reset-after') {
      reply.hijack();
      request.raw.socket.destroy();
      return reply;
    }
    if (key) void reply.header('idempotency-key', key);
    if (replayed) void reply.header(this.#dialect.replayedHeader, 'true');
    return reply.code(answer.status).send(answer.body);
  }

  async #once(request: FastifyRequest, key: string | undefined, execution: Execution, forced: Fault): Promise<{ answer: Answer; replayed: boolean }> {
    if (key === undefined) return { answer: await this.storage.transaction(() => execution.execute({ forced, lostBefore: false })), replayed: false };
    const kept = this.storage.table<KeptAnswer>('idempotency');
    const dropped = this.storage.table<boolean>('dropped');
    const digest = createHash('sha256').update(`${request.url}\n${SandboxServer.bodyOf(request)}`).digest('hex');
    return this.storage.transaction(() => {
      const before = kept.get(key);
      if (before) return { answer: before.digest === digest ? { status: before.status, body: before.body } : this.#dialect.keyReused, replayed: before.digest === digest };
      const answer = execution.execute({ forced, lostBefore: dropped.get(key) ?? false });
      if (answer.fault === 'timeout-before') {
        dropped.put(key, true);
        return { answer, replayed: false };
      }
      // Requests that are malformed leave the key free, as the providers do.
      if (answer.status < 400 || answer.status === 402) kept.put(key, { digest, status: answer.status, body: answer.body });
      return { answer, replayed: false };
    });
  }

  /** Keeps the connection open without a word; it ends when the caller hangs up or the sandbox closes. */
  #neverAnswer(reply: FastifyReply): FastifyReply {
    return reply.hijack();
  }

  /** Registers `POST /sandbox/behaviour` and `GET /sandbox/payments`, for this machine only. */
  control(listPayments: () => unknown): void {
    this.http.addHook('onRequest', async (request, reply) => {
      const own = request.url.startsWith('/sandbox/behaviour') || request.url.startsWith('/sandbox/payments');
      if (own && !isLoopback(request.ip)) await reply.code(403).send({ error: 'only from this machine' });
    });
    this.http.post('/sandbox/behaviour', async (request, reply) => {
      const parsed = BehaviourChange.safeParse(readJson(SandboxServer.bodyOf(request)));
      if (!parsed.success) return reply.code(400).send({ error: parsed.error.issues });
      this.behaviour.change(parsed.data);
      return parsed.data;
    });
    this.http.get('/sandbox/payments', async () => ({ payments: listPayments() }));
  }

  /** The decision that a form of the challenge page sent. */
  static decisionOf(request: FastifyRequest): 'approve' | 'reject' {
    return decodeForm(SandboxServer.bodyOf(request))['decision'] === 'approve' ? 'approve' : 'reject';
  }

  /** A free port is kept, so that addresses of challenges stay good across restarts. */
  async listen(): Promise<Sandbox> {
    const ports = this.storage.table<number>('ports');
    const wanted = this.#options.port === 0 ? (ports.get('last') ?? 0) : this.#options.port;
    const url = await this.#listenOn(wanted);
    await this.storage.transaction(() => ports.put('last', Number(new URL(url).port)));
    return {
      url,
      close: async () => {
        await this.http.close();
        await this.storage.close();
      },
    };
  }

  async #listenOn(port: number): Promise<string> {
    try {
      return await this.http.listen({ port, host: '127.0.0.1' });
    } catch (error) {
      if (this.#options.port !== 0 || (error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
      return this.http.listen({ port: 0, host: '127.0.0.1' });
    }
  }
}

/** @returns undefined for what is not JSON */
export function readJson(body: string): unknown {
  try {
    return JSON.parse(body);
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}
