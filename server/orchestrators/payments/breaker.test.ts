import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { manualClock } from '../../infra/clock/system.ts';
import { openLmdbKeyValueStore } from '../../infra/kv/lmdb.ts';
import type { KeyValueStore, KeyValueTable } from '../../infra/kv/port.ts';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { eventually } from '../../program/testing.ts';
import { SharedBreaker } from './breaker.ts';
import { admission, type BreakerRecord, stateOf, withFailure, withProbe } from './domain/breaker.ts';
import { MethodRefused, type PaymentProvider, ProviderDown } from './port.ts';
import { GuardedProvider } from './resilience.ts';

const timeoutMs = 2_000;
const limits = { breakAfterFailures: 5, halfOpenAfterMs: 5_000, probeForMs: timeoutMs + 1_000 };

/** What the guarded provider does next. */
class PlayedProvider {
  calls = 0;
  next: () => Promise<string> = async () => 'done';
  readonly provider = { name: 'stripe', close: async () => undefined } as unknown as PaymentProvider;
  readonly call = (): Promise<string> => {
    this.calls += 1;
    return this.next();
  };
}
const down = async (): Promise<never> => {
  throw new ProviderDown('as if');
};

let folder: string;
let clock: ReturnType<typeof manualClock>;
/** Two processes: each with a store of its own on the same data. */
let stores: KeyValueStore[];
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'breaker-'));
  clock = manualClock(1_800_000_000_000);
  stores = await Promise.all([1, 2].map(() => openLmdbKeyValueStore({ folder, clock })));
});
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()));
  await rm(folder, { recursive: true });
});

const recordsOf = (process: number): KeyValueTable<BreakerRecord> => {
  const store = stores[process];
  if (!store) throw new Error(`there is no process ${process}`);
  return store.table<BreakerRecord>('payment-breakers');
};

function guard(process: number, played: PlayedProvider, records: KeyValueTable<BreakerRecord> = recordsOf(process)) {
  const breaker = new SharedBreaker({ ...limits, name: 'stripe', records, clock, logger: pinoLogger('silent') });
  const guarded = new GuardedProvider(played.provider, breaker, { timeoutMs });
  return { breaker, run: () => guarded.run(played.call) };
}

describe('one process', () => {
  test('PAYMENTS-ORCHESTRATOR-08: a provider that fails five times in a row is left alone for five seconds, then tried with one call', async () => {
    const played = new PlayedProvider();
    const { breaker, run } = guard(0, played);
    played.next = down;
    // Each call is tried twice.
    for (const _call of [1, 2, 3]) await expect(run()).rejects.toBeInstanceOf(ProviderDown);
    expect([breaker.state, played.calls]).toEqual(['open', 5]);
    clock.advance(4_999);
    await expect(run()).rejects.toBeInstanceOf(ProviderDown);
    expect([breaker.state, played.calls]).toEqual(['open', 5]);
    clock.advance(1);
    expect(breaker.state).toBe('half-open');
    // Still down: one call has found out.
    await expect(run()).rejects.toBeInstanceOf(ProviderDown);
    expect([breaker.state, played.calls]).toEqual(['open', 6]);
    clock.advance(5_000);
    played.next = async () => 'done';
    expect(await run()).toBe('done');
    expect([breaker.state, played.calls]).toEqual(['closed', 7]);
    expect(await recordsOf(0).list()).toEqual([]);
  });

  test('PAYMENTS-ORCHESTRATOR-08: a success or a refused card in between begins the count again', async () => {
    const played = new PlayedProvider();
    const { breaker, run } = guard(0, played);
    for (const between of [async () => 'done', async () => { throw new MethodRefused('as if'); }]) {
      played.next = down;
      for (const _call of [1, 2]) await expect(run()).rejects.toBeInstanceOf(ProviderDown);
      played.next = between;
      await run().catch((error: unknown) => expect(error).toBeInstanceOf(MethodRefused));
    }
    expect(breaker.state).toBe('closed');
  });

  test('PAYMENTS-ORCHESTRATOR-08: what takes too long is a failure, and is not tried again', async () => {
    const played = new PlayedProvider();
    const { run } = guard(0, played);
    played.next = () => new Promise(() => undefined);
    await expect(run()).rejects.not.toBeInstanceOf(ProviderDown);
    expect(played.calls).toBe(1);
    expect((await recordsOf(0).get('stripe'))?.value).toEqual({ failures: 1 });
  });
});

describe('two processes', () => {
  test('PAYMENTS-ORCHESTRATOR-11: failures that two processes meet open the breaker of both', async () => {
    const played = new PlayedProvider();
    const [one, other] = [guard(0, played), guard(1, played)];
    played.next = down;
    await expect(one.run()).rejects.toBeInstanceOf(ProviderDown);
    await expect(other.run()).rejects.toBeInstanceOf(ProviderDown);
    await expect(one.run()).rejects.toBeInstanceOf(ProviderDown);
    expect(played.calls).toBe(5);
    await eventually(async () => (await other.breaker.currentState()) === 'open');
    await expect(other.run()).rejects.toBeInstanceOf(ProviderDown);
    expect(played.calls).toBe(5);
  });

  test('PAYMENTS-ORCHESTRATOR-11: of two processes one tries whether the provider works again, and both go by what it finds', async () => {
    const played = new PlayedProvider();
    const [one, other] = [guard(0, played), guard(1, played)];
    played.next = down;
    for (const _call of [1, 2, 3]) await expect(one.run()).rejects.toBeInstanceOf(ProviderDown);
    clock.advance(5_000);
    await eventually(async () => (await other.breaker.currentState()) === 'half-open');
    let answer: (value: string) => void = () => undefined;
    played.next = () => new Promise((resolve) => {
      answer = resolve;
    });
    const before = played.calls;
    const outcomes = [one, other, one, other].map(({ run }) => run().then(() => 'answered', (error: unknown) => (error instanceof ProviderDown ? 'refused' : 'failed')));
    await eventually(async () => played.calls === before + 1);
    answer('done');
    expect((await Promise.all(outcomes)).toSorted()).toEqual(['answered', 'refused', 'refused', 'refused']);
    expect(played.calls).toBe(before + 1);
    await eventually(async () => (await one.breaker.currentState()) === 'closed' && (await other.breaker.currentState()) === 'closed');
  });

  test('PAYMENTS-ORCHESTRATOR-11: when the process that tries is killed, another one tries', async () => {
    const played = new PlayedProvider();
    const [one, other] = [guard(0, played), guard(1, played)];
    played.next = down;
    for (const _call of [1, 2, 3]) await expect(one.run()).rejects.toBeInstanceOf(ProviderDown);
    clock.advance(5_000);
    // It may try, and is never heard of again.
    expect(await one.breaker.admit()).toBe('probe');
    expect(await other.breaker.admit()).toBe('refuse');
    clock.advance(limits.probeForMs);
    await eventually(async () => (await other.breaker.admit()) === 'probe');
  });

  test('PAYMENTS-ORCHESTRATOR-11: while the store of the breakers is away or hangs, each process goes by its own, and payments go on', async () => {
    const away = Object.assign(Object.create(recordsOf(0)) as KeyValueTable<BreakerRecord>, { get: down });
    const hung = Object.assign(Object.create(recordsOf(0)) as KeyValueTable<BreakerRecord>, { get: () => new Promise(() => undefined) });
    for (const records of [away, hung]) {
      const played = new PlayedProvider();
      const { breaker, run } = guard(0, played, records);
      const begun = performance.now();
      expect(await run()).toBe('done');
      expect(performance.now() - begun).toBeLessThan(1_500);
      played.next = down;
      for (const _call of [1, 2, 3]) await expect(run()).rejects.toBeInstanceOf(ProviderDown);
      expect([breaker.state, played.calls]).toEqual(['open', 6]);
    }
  });
});

describe('the record', () => {
  test('PAYMENTS-ORCHESTRATOR-08: however failures come, nobody calls before the time is over, and one call at a time tries', () => {
    const step = fc.oneof(fc.constant('failure' as const), fc.constant('probe' as const), fc.nat({ max: 8_000 }));
    fc.assert(fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      let record: BreakerRecord | undefined;
      let nowMs = 0;
      let openedAtMs: number | undefined;
      let probing = false;
      for (const each of steps) {
        if (typeof each === 'number') nowMs += each;
        else if (each === 'probe' && record && admission(record, nowMs) === 'probe') {
          record = withProbe(record, nowMs, limits);
          probing = true;
          expect(admission(record, nowMs)).toBe('refuse');
        } else if (each === 'failure') {
          const before = stateOf(record, nowMs);
          record = withFailure(record, nowMs, limits, probing);
          if (probing || (before === 'closed' && record.failures >= limits.breakAfterFailures)) openedAtMs = nowMs;
          probing = false;
        }
        if (openedAtMs !== undefined && nowMs < openedAtMs + limits.halfOpenAfterMs) expect(admission(record, nowMs)).toBe('refuse');
        if ((record?.failures ?? 0) < limits.breakAfterFailures) expect(admission(record, nowMs)).toBe('call');
      }
    }));
  });
});
