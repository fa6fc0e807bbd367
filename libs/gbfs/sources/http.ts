/** Feeds over HTTP, politely: one after the other, with a deadline, a size limit and few retries; private addresses only when allowed. */
import { lookup, type LookupAddress } from 'node:dns';
import { isIP } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent, fetch, type Response } from 'undici';
import { GbfsError } from '../finding.ts';
import { isReservedAddress } from './addresses.ts';

export interface HttpOptions {
  /** For each request, its body included. Default 15 s. */
  timeoutMs?: number;
  /** Of one feed, after decompression. Default 64 MiB. */
  maximumBytes?: number;
  /** After a network fault, a timeout, 429 or 5xx. Default 2. */
  retries?: number;
  /** Default 500 ms, doubled each time; `Retry-After` counts when it is longer, up to 30 s. */
  retryDelayMs?: number;
  /** Loopback, private and link-local addresses may be called. Default false: the URL may come from a stranger. */
  allowPrivateAddresses?: boolean;
  /** Sent to the origin of the discovery URL only: API keys. */
  headers?: Record<string, string>;
  userAgent?: string;
}

export interface Fetched { url: string; text: string }
export interface FeedFetcher { fetchText(url: string): Promise<Fetched>; close(): Promise<void> }

const maximumRedirects = 5;
const longestRetryMs = 30_000;

/** A fault that may pass: worth another attempt. */
class Passing extends Error {
  readonly retryAfterMs: number;
  constructor(message: string, retryAfterMs = 0, options?: ErrorOptions) {
    super(message, options);
    this.retryAfterMs = retryAfterMs;
  }
}

/** @param origin of the discovery URL: `headers` go nowhere else */
export function httpFetcher(origin: string, options: HttpOptions = {}): FeedFetcher {
  const { timeoutMs = 15_000, maximumBytes = 64 * 1024 * 1024, retries = 2, retryDelayMs = 500, allowPrivateAddresses = false } = options;
  const agent = new Agent({ connect: { lookup: allowPrivateAddresses ? undefined : publicLookup, timeout: timeoutMs } });

  async function attempt(address: string): Promise<Fetched> {
    const signal = AbortSignal.timeout(timeoutMs);
    let url = checkedUrl(address, allowPrivateAddresses);
    for (let redirects = 0; ; redirects += 1) {
      const response = await fetch(url, {
        dispatcher: agent, redirect: 'manual', signal,
        headers: { accept: 'application/json', 'user-agent': options.userAgent ?? 'mobility-gbfs/0.1', ...(url.origin === origin ? options.headers : {}) },
      });
      const target = response.status >= 300 && response.status < 400 ? response.headers.get('location') : null;
      if (target === null) return { url: url.href, text: await bodyText(response, url, maximumBytes) };
      await response.body?.cancel();
      if (redirects >= maximumRedirects) throw new GbfsError('too-many-redirects', `${address} redirects more than ${maximumRedirects} times`);
      url = checkedUrl(new URL(target, url).href, allowPrivateAddresses);
    }
  }

  async function fetchText(address: string): Promise<Fetched> {
    for (let failures = 0; ; failures += 1) {
      try {
        return await attempt(address);
      } catch (error) {
        const fault = classified(error, address, timeoutMs);
        if (!(fault instanceof Passing)) throw fault;
        if (failures >= retries) throw new GbfsError('unreachable', fault.message, { cause: error });
        await pause(Math.min(longestRetryMs, Math.max(fault.retryAfterMs, retryDelayMs * 2 ** failures)));
      }
    }
  }

  return { fetchText, close: () => agent.close() };
}

function checkedUrl(text: string, allowPrivateAddresses: boolean): URL {
  const url = URL.parse(text);
  if (!url) throw new GbfsError('url-invalid', `"${text.slice(0, 200)}" is no URL`);
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new GbfsError('url-not-allowed', `${url.href.slice(0, 200)} is neither http nor https`);
  const host = url.hostname.replace(/^\[|\]$/g, '');
  if (!allowPrivateAddresses && isIP(host) !== 0 && isReservedAddress(host)) throw new GbfsError('address-not-allowed', `${url.hostname} is a private address, which is not allowed here`);
  return url;
}

type LookupCallback = (error: NodeJS.ErrnoException | null, address: string | LookupAddress[], family?: number) => void;

/** Resolves and refuses in one step, so that a name cannot point elsewhere between check and use. */
function publicLookup(hostname: string, options: { all?: boolean | undefined; family?: number | 'IPv4' | 'IPv6' | undefined }, callback: LookupCallback): void {
  lookup(hostname, { ...options, all: true }, (error, addresses) => {
    if (error) return callback(error, []);
    const [first] = addresses;
    if (!first || addresses.some(({ address }) => isReservedAddress(address)))
      return callback(Object.assign(new Error(`${hostname} leads to a private address, which is not allowed here`), { code: 'EPRIVATE' }), []);
    return options.all ? callback(null, addresses) : callback(null, first.address, first.family);
  });
}

async function bodyText(response: Response, url: URL, maximumBytes: number): Promise<string> {
  if (response.status === 429 || response.status >= 500) {
    await response.body?.cancel();
    throw new Passing(`${url.href} answers ${response.status}`, retryAfterMs(response.headers.get('retry-after')));
  }
  if (!response.ok) {
    await response.body?.cancel();
    throw new GbfsError('http-status', `${url.href} answers ${response.status}`);
  }
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of (response.body ?? []) as AsyncIterable<Uint8Array>) {
    bytes += part.byteLength;
    if (bytes > maximumBytes) throw new GbfsError('too-large', `${url.href} is larger than ${maximumBytes} bytes`);
    parts.push(part);
  }
  return new TextDecoder().decode(Buffer.concat(parts));
}

function retryAfterMs(header: string | null): number {
  const seconds = Number(header ?? 0);
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 0;
}

function classified(error: unknown, address: string, timeoutMs: number): Error {
  if (error instanceof Passing || error instanceof GbfsError) return error;
  const cause: unknown = error instanceof Error && error.cause !== undefined ? error.cause : error;
  const code = cause instanceof Error && 'code' in cause ? String(cause.code) : '';
  const message = cause instanceof Error ? cause.message : String(cause);
  if (code === 'EPRIVATE') return new GbfsError('address-not-allowed', message, { cause: error });
  if (error instanceof Error && error.name === 'TimeoutError') return new Passing(`${address} did not answer within ${timeoutMs} ms`, 0, { cause: error });
  return new Passing(`${address} cannot be reached: ${message || code}`, 0, { cause: error });
}
