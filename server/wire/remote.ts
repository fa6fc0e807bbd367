/**
 * Takes a call to a module in other processes, over HTTP connections that are kept.
 *
 * What is asked again, and when that is safe:
 * - a connection that could not be made, and an answer that says "not taken" (the process starts or stops): nobody has begun, so any
 *   call is asked elsewhere, and where there is no other address, of the same one until it is back or the caller's time is up;
 * - a connection that was lost before the answer: the work may have been done. Only what may be done twice is asked again:
 *   reading (GET), setting (PUT), and whatever carries an idempotency key;
 * - no answer in time: never. Who asked has waited long enough.
 */
import { setTimeout as pause } from 'node:timers/promises';
import { type Dispatcher, request as httpRequest } from 'undici';
import { Addresses } from './addresses.ts';
import { type CallOptions, RawReply } from './contract.ts';
import { remainingMs } from './deadline.ts';
import type { Answer, Dispatch, RawRequest } from './dispatch.ts';
import { Problem, type ProblemDocument } from './problem.ts';

/** Headers of a call between processes, good for this call alone. */
export type PeerHeaders = (options: CallOptions, called: { module: string; operation: string }) => Promise<Record<string, string>>;

export const peerHeader = {
  /** How many milliseconds the caller still waits. */
  deadline: 'x-mobility-remaining-ms',
  /** On an answer: this process stops soon. */
  stopping: 'x-mobility-stopping',
  /** On a 503: nobody has begun with this call. */
  notTaken: 'x-mobility-not-taken',
  /** On an answer that is no JSON: its own headers. */
  raw: 'x-mobility-raw',
} as const;

export interface RemoteOptions {
  headersFor: PeerHeaders;
  /** Holds the connections. */
  dispatcher: Dispatcher;
  /** Aborts when this process stops: nobody waits for what is away any more. */
  stopping?: AbortSignal;
  defaultTimeoutMs?: number;
  /** A module that has been away for less is being started again, and calls wait for it; then they are refused at once. */
  patienceMs?: number;
}

const defaults = { timeoutMs: 30_000, patienceMs: 30_000 };
/** Between two looks at addresses that are away. */
const shortestPauseMs = 20;

/** The connection was never made: TCP, DNS or TLS said no. */
const isUnsent = (code: unknown): boolean =>
  typeof code === 'string' && (/^(ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|UND_ERR_CONNECT_TIMEOUT|SELF_SIGNED_CERT_IN_CHAIN|DEPTH_ZERO_SELF_SIGNED_CERT|CERT_\w+|UNABLE_TO_\w+)$/.test(code) || code.startsWith('ERR_TLS_'));

const codeOf = (error: unknown): unknown => (error as { code?: unknown }).code;

type Attempt = { answer: Answer } | { again: boolean; cause: unknown };

class Waiting {
  readonly signal: AbortSignal;
  readonly #abort = new AbortController();
  readonly #endMs: number;
  readonly #timer: NodeJS.Timeout;
  readonly #ended: () => void;
  readonly #outer: readonly AbortSignal[];
  timedOut = false;

  constructor(timeoutMs: number, outer: readonly (AbortSignal | undefined)[]) {
    this.signal = this.#abort.signal;
    this.#endMs = performance.now() + timeoutMs;
    this.#timer = setTimeout(() => {
      this.timedOut = true;
      this.#abort.abort(new DOMException('no answer in time', 'TimeoutError'));
    }, Math.max(0, timeoutMs));
    this.#ended = () => this.#abort.abort();
    this.#outer = outer.filter((signal) => signal !== undefined);
    for (const signal of this.#outer) {
      if (signal.aborted) this.#ended();
      else signal.addEventListener('abort', this.#ended, { once: true });
    }
  }

  get remainingMs(): number {
    return this.#endMs - performance.now();
  }

  /** The answer has begun: from now on only its reader decides how long it lasts. */
  answered(): void {
    clearTimeout(this.#timer);
  }

  done(): void {
    clearTimeout(this.#timer);
    for (const signal of this.#outer) signal.removeEventListener('abort', this.#ended);
  }

  /** Resolves at the end of the pause, or of the waiting. */
  async pause(pauseMs: number): Promise<void> {
    await pause(pauseMs, undefined, { signal: this.signal }).catch(() => undefined);
  }
}

class Remote {
  readonly #module: string;
  readonly #addresses: Addresses;
  readonly #options: RemoteOptions;

  constructor(module: string, urls: readonly string[], options: RemoteOptions) {
    this.#module = module;
    this.#addresses = new Addresses(urls);
    this.#options = options;
  }

  async call(operation: string, request: RawRequest, options: CallOptions): Promise<Answer> {
    const { defaultTimeoutMs = defaults.timeoutMs, patienceMs = defaults.patienceMs, stopping } = this.#options;
    const waiting = new Waiting(Math.min(options.timeoutMs ?? defaultTimeoutMs, remainingMs()), [options.signal]);
    const uploads = request.uploads?.map(({ bytes, ...upload }) => ({ ...upload, base64: Buffer.from(bytes).toString('base64') }));
    const body = JSON.stringify({ params: request.params, query: request.query, body: request.body, uploads });
    let cause: unknown;
    for (;;) {
      const taken = this.#addresses.take();
      if (taken) {
        const attempt = await this.#ask(taken, { operation, body, options, waiting });
        if ('answer' in attempt) return attempt.answer;
        cause = attempt.cause;
        if (!attempt.again) throw this.#refusal(waiting, options, cause);
      }
      if (waiting.signal.aborted || stopping?.aborted || this.#addresses.absentMs > patienceMs) throw this.#refusal(waiting, options, cause);
      if (this.#addresses.pauseMs > 0) await waiting.pause(Math.max(shortestPauseMs, Math.min(this.#addresses.pauseMs, waiting.remainingMs)));
    }
  }

  #refusal(waiting: Waiting, options: CallOptions, cause: unknown): unknown {
    waiting.done();
    if (options.signal?.aborted) return cause ?? options.signal.reason;
    return new Problem(waiting.timedOut ? 'timeout' : 'unavailable', `module ${this.#module} did not answer`, { cause });
  }

  async #ask(taken: { url: string; done(): void }, call: { operation: string; body: string; options: CallOptions; waiting: Waiting }): Promise<Attempt> {
    const { operation, body, options, waiting } = call;
    const { headersFor, dispatcher } = this.#options;
    try {
      const response = await httpRequest(`${taken.url}/call/${this.#module}/${operation}`, {
        method: 'POST', body, dispatcher, signal: waiting.signal, headersTimeout: 0, bodyTimeout: 0,
        headers: { 'content-type': 'application/json', ...(await headersFor(options, { module: this.#module, operation })), [peerHeader.deadline]: String(Math.max(0, Math.round(waiting.remainingMs))) },
      });
      if (response.headers[peerHeader.notTaken] !== undefined) {
        this.#addresses.away(taken.url);
        await response.body.dump();
        return { again: true, cause: new Error(`${taken.url} does not take calls`) };
      }
      this.#addresses.answered(taken.url);
      if (response.headers[peerHeader.stopping] !== undefined) this.#addresses.stopping(taken.url);
      return { answer: await answerOf(response, waiting) };
    } catch (cause) {
      // A refusal of the module itself is its answer.
      if (cause instanceof Problem) throw cause;
      if (waiting.signal.aborted) return { again: false, cause };
      const unsent = isUnsent(codeOf(cause));
      this.#addresses.away(taken.url);
      return { again: unsent || isRepeatable(options), cause };
    } finally {
      taken.done();
    }
  }
}

const isRepeatable = ({ repeatable, idempotencyKey }: CallOptions): boolean => repeatable === true || idempotencyKey !== undefined;

/** @throws Problem when that is the answer */
async function answerOf({ statusCode, headers, body }: Dispatcher.ResponseData, waiting: Waiting): Promise<Answer> {
  const contentType = String(headers['content-type'] ?? '');
  const raw = headers[peerHeader.raw];
  if (raw !== undefined) {
    waiting.answered();
    body.once('close', () => waiting.done());
    return new RawReply(contentType, body, JSON.parse(String(raw)) as Record<string, string>);
  }
  const text = await body.text();
  waiting.done();
  if (contentType.startsWith('application/problem+json')) throw Problem.fromDocument(JSON.parse(text) as ProblemDocument);
  return { status: statusCode, json: text === '' ? undefined : JSON.parse(text) };
}

/**
 * Dispatches to a module in other processes.
 * @param urls of the internal servers of all processes that serve it
 */
export function remoteDispatch(module: string, urls: readonly string[], options: RemoteOptions): Dispatch {
  const remote = new Remote(module, urls, options);
  return (operation, request, callOptions) => remote.call(operation, request, callOptions);
}
