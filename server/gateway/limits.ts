/** How many requests one user, or one address without a token, may make in a minute. */
import type { Cache } from '../infra/cache/port.ts';
import { Problem } from '../wire/problem.ts';

const windowMs = 60_000;
const windowSeconds = windowMs / 1000;

/** The headers of draft-ietf-httpapi-ratelimit-headers. */
export interface LimitState {
  policy: string;
  limit: string;
}

export interface Limiter {
  /**
   * Counts one request.
   * @param key a user's id or a client's address
   * @throws Problem `too-many-requests`
   */
  take(kind: 'user' | 'client', key: string): Promise<LimitState>;
}

export class LimitExceeded extends Problem {
  readonly state: LimitState;
  constructor(state: LimitState, retryAfterSeconds: number) {
    super('too-many-requests', `At most ${state.policy} in ${windowSeconds} seconds`, { retryAfterSeconds });
    this.state = state;
  }
}

/** Counts in windows of a minute in the cache, so that processes that share a cache share their limits. */
export function openLimiter(cache: Cache, perMinute: { user: number; client: number }): Limiter {
  const policies = { user: `"user";q=${perMinute.user};w=${windowSeconds}`, client: `"client";q=${perMinute.client};w=${windowSeconds}` };
  return {
    async take(kind, key) {
      const { value, expiresInMs } = await cache.increment(`limit:${kind}:${key}`, 1, windowMs);
      const resetSeconds = Math.ceil(expiresInMs / 1000);
      const state = { policy: policies[kind], limit: `"${kind}";r=${Math.max(0, perMinute[kind] - value)};t=${resetSeconds}` };
      if (value > perMinute[kind]) throw new LimitExceeded(state, resetSeconds);
      return state;
    },
  };
}

/** An IPv6 network of 64 bits is one client: whoever has one address of it has them all. */
export function clientKey(address: string): string {
  if (!address.includes(':')) return address;
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address);
  if (mapped?.[1]) return mapped[1];
  const [head = '', tail] = address.split('%')[0]?.split('::') ?? [];
  const left = head.split(':').filter(Boolean);
  const right = tail === undefined ? [] : tail.split(':').filter(Boolean);
  const groups = tail === undefined ? left : [...left, ...Array<string>(Math.max(0, 8 - left.length - right.length)).fill('0'), ...right];
  return groups.slice(0, 4).map((group) => Number.parseInt(group, 16).toString(16)).join(':');
}
