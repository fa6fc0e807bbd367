/** The public HTTP API as a phone or a machine sees it; nothing of the server is called in any other way. */
import type { ProblemDocument } from '../server/wire/problem.ts';

/** An answer with 4xx or 5xx. */
export class Refused extends Error {
  readonly status: number;
  readonly code: string;
  readonly retryAfterSeconds: number | undefined;
  constructor(status: number, problem: Partial<ProblemDocument>, retryAfter: string | null) {
    super(`${status} ${problem.code ?? ''} ${problem.detail ?? problem.title ?? ''}`);
    this.name = 'Refused';
    this.status = status;
    this.code = problem.code ?? 'unknown';
    this.retryAfterSeconds = problem.retryAfterSeconds ?? (retryAfter === null ? undefined : Number(retryAfter) || undefined);
  }
}

export interface ApiRequest {
  method?: 'GET' | 'POST' | 'PUT' | 'DELETE';
  body?: unknown;
  form?: FormData;
  idempotencyKey?: string;
  signal?: AbortSignal;
}

const timeoutMs = 30_000;

export class Api {
  readonly #url: string;
  readonly #freshToken: (() => Promise<string>) | undefined;
  #token: Promise<string> | undefined;

  /** @param freshToken gives a bearer token; asked again when one has run out. Without it only what needs no token */
  constructor(url: string, freshToken?: () => Promise<string>) {
    this.#url = url.replace(/\/$/, '');
    this.#freshToken = freshToken;
  }

  /** @throws Refused */
  async call<T>(path: string, request: ApiRequest = {}): Promise<T> {
    const hadToken = this.#token !== undefined;
    let response = await this.#send(path, request);
    if (response.status === 401 && hadToken && this.#freshToken) {
      await response.body?.cancel();
      this.#token = undefined;
      response = await this.#send(path, request);
    }
    if (!response.ok) throw new Refused(response.status, await problemOf(response), response.headers.get('retry-after'));
    return (response.status === 204 ? undefined : await response.json()) as T;
  }

  async #send(path: string, { method = 'GET', body, form, idempotencyKey, signal }: ApiRequest): Promise<Response> {
    if (this.#freshToken) {
      this.#token ??= this.#freshToken();
      // One that could not be had is asked for again next time.
      this.#token.catch(() => (this.#token = undefined));
    }
    const token = await this.#token;
    const limit = AbortSignal.timeout(timeoutMs);
    return fetch(`${this.#url}${path}`, {
      method,
      headers: { ...(token !== undefined && { authorization: `Bearer ${token}` }), ...(idempotencyKey !== undefined && { 'idempotency-key': idempotencyKey }), ...(body !== undefined && { 'content-type': 'application/json' }) },
      ...(form ? { body: form } : body !== undefined && { body: JSON.stringify(body) }),
      signal: signal ? AbortSignal.any([signal, limit]) : limit,
    });
  }
}

async function problemOf(response: Response): Promise<Partial<ProblemDocument>> {
  const text = await response.text();
  try {
    return JSON.parse(text) as Partial<ProblemDocument>;
  } catch {
    return { detail: text.slice(0, 200) };
  }
}
