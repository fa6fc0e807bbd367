import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { requiredProgram } from '../../../tools/engines/debian.ts';
import { run, type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { redis } from '../../../tools/engines/redis.ts';
import { systemClock } from '../clock/system.ts';
import { freePort } from '../free-port.ts';
import { pinoLogger } from '../observability/pino.ts';
import { prometheusMetrics } from '../observability/prometheus.ts';
import { cacheConformance } from './conformance.ts';
import type { Cache } from './port.ts';
import { openRedisCache } from './redis.ts';

/** What the program needs of Redis, and nothing else; as in the README of infra. */
const leastPrivilege = 'resetkeys ~mobility:* resetchannels -@all +get +set +del +evalsha +eval +incrby +incrbyfloat +pttl +pexpire +ping +hello +auth';

const clock = systemClock();
let folder: string;
let engine: RunningEngine;
let url: string;

const open = (options: { url: string; prefix: string }): Promise<Cache> => openRedisCache({ ...options, clock, logger: pinoLogger('silent'), metrics: prometheusMetrics() });
const command = (...words: string[]): Promise<string> => run(requiredProgram('redis-cli'), ['-p', String(engine.place.port), ...words]);

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'redis-'));
  engine = await startEngine(redis, { folder, port: await freePort() });
  url = engine.settings['MOBILITY_REDIS_URL'] ?? '';
});
afterAll(async () => {
  await engine.stop();
  await rm(folder, { recursive: true });
});

const allow = async (): Promise<void> => expect(await command('ACL', 'SETUSER', 'mobility', 'on', '>secret', ...leastPrivilege.split(' '))).toBe('OK\n');

/** Redis goes by the real time. */
const passed = (byMs: number): Promise<void> => new Promise((resume) => setTimeout(resume, byMs));

cacheConformance('on Redis, as a user who may do no more than it needs', async () => {
  await allow();
  const cache = await open({ url: url.replace('//', '//mobility:secret@'), prefix: `mobility:${v7()}:` });
  return { cache, pass: passed, cleanUp: () => cache.close() };
});

test('the least-privileged user may do nothing else, and touch no other keys', async () => {
  await allow();
  const as = (...words: string[]): Promise<string> => command('--user', 'mobility', '--pass', 'secret', '--no-auth-warning', ...words);
  for (const forbidden of [['FLUSHALL'], ['KEYS', '*'], ['CONFIG', 'GET', '*'], ['GET', 'others'], ['EVAL', "return redis.call('FLUSHALL')", '0']]) expect((await as(...forbidden)).toLowerCase()).toMatch(/noperm|acl|permission|can.t run/);
  expect(await as('SET', 'mobility:one', '1')).toContain('OK');
});

describe('what happens to Redis', () => {
  let one: Cache;
  let other: Cache;
  beforeEach(async () => {
    const prefix = `${v7()}:`;
    [one, other] = await Promise.all([open({ url, prefix }), open({ url, prefix })]);
  });
  afterEach(async () => {
    await Promise.all([one.close(), other.close()]);
  });

  /** All of them at once; how long the slowest took. */
  const timed = async (calls: readonly Promise<unknown>[]): Promise<number> => {
    const begun = performance.now();
    await Promise.all(calls);
    return performance.now() - begun;
  };
  const valueOf = async (cache: Cache): Promise<number> => (await cache.increment('hits', 1, 60_000)).value;
  const shared = async (): Promise<void> => {
    const mark = v7();
    await expect.poll(async () => {
      await one.set(mark, mark, 60_000);
      return other.get(mark);
    }, { timeout: 15_000 }).toBe(mark);
  };

  test('processes share what they count', async () => {
    const counted = await Promise.all(Array.from({ length: 200 }, (_, index) => valueOf(index % 2 ? one : other)));
    expect(counted.toSorted((a, b) => a - b)).toEqual(Array.from({ length: 200 }, (_, index) => index + 1));
    // Halves are counted, too, and a number that was set can be counted on.
    expect((await one.increment('halves', 0.5, 60_000)).value).toBe(0.5);
    expect((await other.increment('halves', 1, 60_000)).value).toBe(1.5);
    await one.set('seven', 7, 60_000);
    expect((await other.increment('seven', 1, 60_000)).value).toBe(8);
  });

  test('a counter that somebody has robbed of its expiry gets one', async () => {
    const prefix = `${v7()}:`;
    const cache = await open({ url, prefix });
    await command('SET', `${prefix}hits`, '5');
    expect(await cache.increment('hits', 1, 60_000)).toEqual({ value: 6, expiresInMs: 60_000 });
    expect(Number(await command('PTTL', `${prefix}hits`))).toBeGreaterThan(50_000);
    await cache.close();
  });

  test('flushed: it has forgotten, and counts from 0', async () => {
    await one.set('text', 'text', 60_000);
    expect(await valueOf(one)).toBe(1);
    await command('FLUSHALL');
    expect(await one.get('text')).toBeUndefined();
    expect(await valueOf(other)).toBe(1);
    await command('SCRIPT', 'FLUSH');
    expect(await valueOf(one)).toBe(2);
  });

  test('hung: nothing waits for it, each process counts alone, and it is shared again afterwards', async () => {
    await one.set('text', 'text', 60_000);
    await valueOf(one);
    await valueOf(other);
    engine.pause();
    try {
      expect(await timed([one.get('text'), other.get('text'), valueOf(one), valueOf(other)])).toBeLessThan(500);
      // From now on not even a part of that.
      expect(await timed(Array.from({ length: 500 }, () => one.get('text')))).toBeLessThan(100);
      expect(await one.get('text')).toBeUndefined();
      await one.set('text', 'other', 60_000);
      await one.delete('text');
      expect(await valueOf(one)).toBe(2);
      expect(await valueOf(other)).toBe(2);
    } finally {
      engine.resume();
    }
    await shared();
    // What had been sent when it hung was done late; what came after was dropped.
    expect(await one.get('text')).toBe('text');
    expect(await valueOf(one)).toBeGreaterThan(2);
  });

  test('hung for so long that connections are given up: it comes back all the same', async () => {
    engine.pause();
    try {
      const until = performance.now() + 7_000;
      while (performance.now() < until) expect(await timed([one.get('text')])).toBeLessThan(500);
    } finally {
      engine.resume();
    }
    await shared();
  });

  test('killed and started again: the program goes on, and it is shared again', async () => {
    await one.set('text', 'text', 60_000);
    expect(await valueOf(one)).toBe(1);
    await engine.kill();
    expect(await timed(Array.from({ length: 100 }, () => one.get('text')))).toBeLessThan(500);
    expect(await valueOf(one)).toBe(1);
    expect(await valueOf(one)).toBe(2);
    await expect(one.increment('hits', 1, -1)).rejects.toThrow(RangeError);
    engine = await engine.restart();
    await shared();
    expect(await one.get('text')).toBeUndefined();
    expect(await valueOf(one)).toBe(1);
    expect(await valueOf(other)).toBe(2);
  });

  test('away at the start: the program starts without it and finds it', async () => {
    await engine.stop();
    const begun = performance.now();
    const early = await open({ url, prefix: `${v7()}:` });
    expect(performance.now() - begun).toBeLessThan(3_000);
    expect((await early.increment('hits', 1, 60_000)).value).toBe(1);
    engine = await engine.restart();
    await expect.poll(async () => {
      await early.set('text', 'text', 60_000);
      return early.get('text');
    }, { timeout: 15_000 }).toBe('text');
    await early.close();
  });
});
