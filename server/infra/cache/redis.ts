/** A cache on Redis, shared by processes. While Redis is away this process goes on alone; see the promises of the port. */
import { createClient, defineScript, type CommandParser } from 'redis';
import type { Clock } from '../clock/port.ts';
import type { Logger, Metrics } from '../observability/port.ts';
import { memoryCache } from './memory.ts';
import type { Cache } from './port.ts';

/** A command that takes longer is given up. */
const commandWithinMs = 200;
/** After a command that failed, Redis is left alone for so long; then one command tries. */
const pauseMs = 1_000;
/** A connection on which nothing came for so long, in spite of pings, is dead: a new one is made. */
const silentForMs = 5_000;
const pingEveryMs = 1_500;
const greatestReconnectDelayMs = 2_000;
const firstConnectionWithinMs = 1_000;
/** Redis refuses lifetimes beyond what it can add to its clock; a hundred years are for ever. */
const greatestLifetimeMs = 100 * 366 * 24 * 3_600_000;

/**
 * One step on the server, in which no time passes, so no counter can be left without an expiry.
 * Returns nothing when the value is no number.
 */
const incrementScript = `
local before = redis.call('GET', KEYS[1])
if not before then
  redis.call('SET', KEYS[1], ARGV[1], 'PX', ARGV[2])
  return { ARGV[1], tonumber(ARGV[2]) }
end
if not string.find(before, '^%-?[%d.]+[eE]?[+%-]?%d*$') then return {} end
local whole = string.find(before, '^%-?%d+$') and string.find(ARGV[1], '^%-?%d+$')
local value = redis.call(whole and 'INCRBY' or 'INCRBYFLOAT', KEYS[1], ARGV[1])
local left = redis.call('PTTL', KEYS[1])
if left < 0 then
  left = tonumber(ARGV[2])
  redis.call('PEXPIRE', KEYS[1], ARGV[2])
end
return { tostring(value), left }`;

const increment = defineScript({
  SCRIPT: incrementScript,
  NUMBER_OF_KEYS: 1,
  parseCommand(parser: CommandParser, key: string, by: number, lifetimeMs: number) {
    parser.pushKey(key);
    parser.push(String(by), String(lifetimeMs));
  },
  transformReply(reply: unknown): { value: number; expiresInMs: number } | undefined {
    const [value, expiresInMs] = reply as [string, number] | [];
    return value === undefined || expiresInMs === undefined ? undefined : { value: Number(value), expiresInMs: Math.max(1, expiresInMs) };
  },
});

function connect(options: { url: string; prefix: string }) {
  return createClient({
    url: options.url,
    keyPrefix: options.prefix,
    scripts: { increment },
    // Nothing waits for a connection, and nothing is sent later than it was asked for.
    disableOfflineQueue: true,
    pingInterval: pingEveryMs,
    // Commands that our user need not be allowed.
    disableClientInfo: true,
    maintNotifications: 'disabled',
    socket: {
      connectTimeout: silentForMs, socketTimeout: silentForMs,
      reconnectStrategy: (retries: number) => Math.min(greatestReconnectDelayMs, 50 * 2 ** Math.min(retries, 10)) * (0.5 + Math.random() / 2),
    },
  });
}
type Client = ReturnType<typeof connect>;

const away = Symbol('Redis is away');

/** Asks Redis, or says at once that it is away. */
class Asking {
  readonly #client: Client;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  /** Since the last answer a command has failed. */
  #failing = false;
  #pausedUntilMs = 0;

  constructor(client: Client, logger: Logger, metrics: Metrics) {
    this.#client = client;
    this.#logger = logger;
    this.#metrics = metrics;
    client.on('error', (error: unknown) => this.#failed(error));
    client.on('ready', () => {
      this.#pausedUntilMs = 0;
    });
  }

  async ask<Result>(work: (client: Client) => Promise<Result>): Promise<Result | typeof away> {
    const nowMs = performance.now();
    if (!this.#client.isReady || nowMs < this.#pausedUntilMs) return this.#away();
    // One tries; whoever comes while it does takes Redis for away.
    if (this.#failing) this.#pausedUntilMs = nowMs + pauseMs;
    try {
      const result = await within(commandWithinMs, work(this.#client));
      this.#answered();
      return result;
    } catch (error) {
      this.#failed(error);
      return this.#away();
    }
  }

  #answered(): void {
    this.#pausedUntilMs = 0;
    if (!this.#failing) return;
    this.#failing = false;
    this.#logger.info({}, 'Redis answers again: the cache is shared');
  }

  #failed(error: unknown): void {
    this.#pausedUntilMs = performance.now() + pauseMs;
    if (!this.#failing) this.#logger.warn({ error }, 'Redis is away: each process counts and caches for itself');
    this.#failing = true;
  }

  #away(): typeof away {
    this.#metrics.count('cache_away_total', 'Calls of the cache that found Redis away');
    return away;
  }
}

/** @throws Error when the work takes longer; what it comes to then is nobody's concern any more */
async function within<Result>(timeoutMs: number, work: Promise<Result>): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    // An answer may lie in the socket when it was this process that stood still: one turn lets it in.
    timer = setTimeout(() => setImmediate(() => reject(new Error(`Redis has not answered within ${timeoutMs} ms`))), timeoutMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

class RedisCache implements Cache {
  readonly #client: Client;
  readonly #asking: Asking;
  /** Counts while Redis is away. */
  readonly #alone: Cache;

  constructor(client: Client, asking: Asking, alone: Cache) {
    this.#client = client;
    this.#asking = asking;
    this.#alone = alone;
  }

  async get<Value>(key: string): Promise<Value | undefined> {
    const json = await this.#asking.ask((client) => client.get(key));
    return json === away || json === null ? undefined : (JSON.parse(json) as Value);
  }

  async set(key: string, value: unknown, lifetimeMs: number): Promise<void> {
    const json = JSON.stringify(value) as string | undefined;
    if (json === undefined) throw new TypeError('a value that is kept in the cache must be JSON');
    const PX = wholeLifetime(lifetimeMs);
    await this.#asking.ask((client) => client.set(key, json, { expiration: { type: 'PX', value: PX } }));
  }

  async delete(key: string): Promise<void> {
    await this.#asking.ask((client) => client.del(key));
  }

  async increment(key: string, by: number, lifetimeMs: number): Promise<{ value: number; expiresInMs: number }> {
    const lifetime = wholeLifetime(lifetimeMs);
    const answer = await this.#asking.ask((client) => client.increment(key, by, lifetime));
    if (answer === away) return this.#alone.increment(key, by, lifetimeMs);
    if (answer === undefined) throw new TypeError(`the value of ${key} is not a counter`);
    return answer;
  }

  async close(): Promise<void> {
    this.#client.destroy();
    await this.#alone.close();
  }
}

/** Redis takes whole milliseconds. */
function wholeLifetime(lifetimeMs: number): number {
  if (!(lifetimeMs > 0)) throw new RangeError(`a lifetime must be more than 0 ms, not ${lifetimeMs}`);
  return Math.min(greatestLifetimeMs, Math.ceil(lifetimeMs));
}

/**
 * A cache on Redis. It opens also when Redis is away, and connects when it comes.
 * @param options.url `redis://` or `rediss://`, with user and password
 * @param options.prefix stands before every key
 * @param options.clock of the counters while Redis is away; Redis itself goes by its own
 */
export async function openRedisCache(options: { url: string; prefix: string; clock: Clock; logger: Logger; metrics: Metrics }): Promise<Cache> {
  const client = connect(options);
  const asking = new Asking(client, options.logger, options.metrics);
  const connected = client.connect().catch((error: unknown) => options.logger.debug({ error }, 'the connection to Redis was given up'));
  await within(firstConnectionWithinMs, connected).catch((error: unknown) => options.logger.warn({ error }, 'the program starts without Redis and connects when it is there'));
  return new RedisCache(client, asking, memoryCache({ clock: options.clock }));
}
