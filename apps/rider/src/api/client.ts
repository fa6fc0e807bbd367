/** Calls the public API: typed by the server's contracts, with the rider's token and idempotency keys. */
import { v7 } from 'uuid';
import type { Reply, Request as Arguments } from './contract';
import { newTraceparent } from './trace';
import { Failure, failureFrom } from './failure';
import { routes, type RouteName } from './routes';

/** Where tokens come from: `forceFresh` after the server has refused the last one. */
export type AccessTokens = (forceFresh: boolean) => Promise<string | undefined>;

export interface CallOptions {
  /** The same key on a repeated attempt makes it count once; a new one is made without it. */
  idempotencyKey?: string;
  accept?: string;
  signal?: AbortSignal;
}

interface LooseRequest {
  params?: Record<string, string>;
  query?: Record<string, unknown>;
  body?: unknown;
}

/** Fills the braces of a path and appends the query; lists repeat their name. */
export function addressOf(path: string, { params = {}, query = {} }: LooseRequest): string {
  const filled = path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? ''));
  const search = new URLSearchParams();
  for (const [name, value] of Object.entries(query)) {
    for (const one of Array.isArray(value) ? value : [value]) if (one !== undefined) search.append(name, String(one));
  }
  const text = search.toString();
  return text ? `${filled}?${text}` : filled;
}

export interface Api {
  /** @throws Failure */
  call<Name extends RouteName>(name: Name, request: Arguments<Name>, options?: CallOptions): Promise<Reply<Name>>;
  /** The answer as it came, for streams and files. @throws Failure */
  open<Name extends RouteName>(name: Name, request: Arguments<Name>, options?: CallOptions): Promise<Response>;
  /** @param photo as the platform's FormData takes it @throws Failure */
  uploadPhoto(form: FormData): Promise<Reply<'uploadPhoto'>>;
}

/** @param origin without a slash at the end; empty for the page's own */
export function createApi(origin: string, tokens: AccessTokens, fetchFrom: typeof fetch = (...given) => fetch(...given)): Api {
  async function send(name: RouteName, request: LooseRequest, options: CallOptions, form?: FormData): Promise<Response> {
    const [method, path] = routes[name];
    // One tap, one trace: a second attempt belongs to the same.
    const traceparent = newTraceparent();
    const idempotencyKey = options.idempotencyKey ?? (method === 'POST' ? v7() : undefined);
    const attempt = async (forceFresh: boolean): Promise<Response> => {
      const token = await tokens(forceFresh);
      const headers: Record<string, string> = { accept: options.accept ?? 'application/json', traceparent };
      if (token) headers['authorization'] = `Bearer ${token}`;
      if (idempotencyKey) headers['idempotency-key'] = idempotencyKey;
      if (request.body !== undefined) headers['content-type'] = 'application/json';
      const body = form ?? (request.body === undefined ? undefined : JSON.stringify(request.body));
      try {
        return await fetchFrom(`${origin}${addressOf(path, request)}`, { method, headers, body: body ?? null, signal: options.signal ?? null, credentials: 'omit' });
      } catch (error) {
        if (options.signal?.aborted) throw error;
        throw new Failure('offline');
      }
    };
    let response = await attempt(false);
    if (response.status === 401 && (await tokens(false))) response = await attempt(true);
    if (!response.ok) throw await failureFrom(response);
    return response;
  }

  return {
    call: async (name, request, options = {}) => {
      const response = await send(name, request as LooseRequest, options);
      return (response.status === 204 ? undefined : await response.json()) as Reply<typeof name>;
    },
    open: (name, request, options = {}) => send(name, request as LooseRequest, options),
    uploadPhoto: async (form) => (await (await send('uploadPhoto', {}, {}, form)).json()) as Reply<'uploadPhoto'>,
  };
}
