import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DeleteTableCommand, DescribeTimeToLiveCommand, DynamoDBClient, ScanCommand } from '@aws-sdk/client-dynamodb';
import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { awsSettings } from '../../../tools/engines/aws.ts';
import { dynamodb } from '../../../tools/engines/dynamodb.ts';
import { type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { manualClock, systemClock } from '../clock/system.ts';
import { freePort } from '../free-port.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../testing/fault-proxy.ts';
import { keyValueConformance, type KeyValueStoreUnderTest } from './conformance.ts';
import { openDynamoKeyValueStore } from './dynamodb.ts';
import type { KeyValueStore, KeyValueTable } from './port.ts';

let folder: string;
let engine: RunningEngine;
let url: string;
let client: DynamoDBClient;

beforeAll(async () => {
  Object.assign(process.env, awsSettings);
  folder = await mkdtemp(join(tmpdir(), 'dynamodb-'));
  await dynamodb.install();
  engine = await startEngine(dynamodb, { folder, port: await freePort() });
  url = engine.settings['MOBILITY_DYNAMODB_URL'] ?? '';
  client = new DynamoDBClient({ endpoint: url });
});
afterAll(async () => {
  client.destroy();
  await engine.stop();
  await rm(folder, { recursive: true });
});

async function open(): Promise<KeyValueStoreUnderTest> {
  const tableName = `test-${v7()}`;
  const clock = manualClock(1_800_000_000_000);
  const openStore = () => openDynamoKeyValueStore({ url, tableName, clock });
  const opened: KeyValueStoreUnderTest = {
    store: await openStore(), location: JSON.stringify({ url, tableName }), clock,
    async reopen() {
      await opened.store.close();
      opened.store = await openStore();
      return opened.store;
    },
    async cleanUp() {
      await opened.store.close();
      await client.send(new DeleteTableCommand({ TableName: tableName }));
    },
  };
  return opened;
}

/** Some at a time: the engine flushes each write to a disk that it shares. */
async function inTurns(keys: readonly string[], write: (key: string, index: number) => Promise<unknown>): Promise<void> {
  for (let begin = 0; begin < keys.length; begin += 10) await Promise.all(keys.slice(begin, begin + 10).map((key, index) => write(key, begin + index)));
}

keyValueConformance('on DynamoDB', { open, module: new URL('./dynamodb-under-test.ts', import.meta.url) });

test('many processes that start together make one table, and what expires has a time to live', async () => {
  const tableName = `test-${v7()}`;
  const stores = await Promise.all(Array.from({ length: 6 }, () => openDynamoKeyValueStore({ url, tableName, clock: systemClock() })));
  const written = await Promise.all(stores.map((store, index) => store.table<number>('things').put('one', index, { condition: { absent: true } })));
  expect(written.filter((version) => version !== undefined)).toHaveLength(1);
  expect((await client.send(new DescribeTimeToLiveCommand({ TableName: tableName }))).TimeToLiveDescription).toMatchObject({ AttributeName: 'ttl', TimeToLiveStatus: 'ENABLED' });
  const expiresAtMs = Date.now() + 5_000;
  await stores[0]?.table<number>('things').put('two', 2, { expiresAtMs });
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: tableName }));
  // A day longer, so that a version does not come again from a machine whose clock is behind.
  expect(Number(items.find((item) => item['key']?.S === 'two')?.['ttl']?.N)).toBe(Math.ceil(expiresAtMs / 1000) + 24 * 3600);
  await Promise.all(stores.map((store) => store.close()));
});

test('keys in order lie in all eight partitions of a table', async () => {
  const { store, location, cleanUp } = await open();
  await inTurns(Array.from({ length: 200 }, (_, number) => `2026-11-27T10:00:00.${String(number).padStart(3, '0')}`), (key) => store.table<number>('things').put(key, 0));
  const { Items: items = [] } = await client.send(new ScanCommand({ TableName: (JSON.parse(location) as { tableName: string }).tableName }));
  const counts = Object.values(Object.groupBy(items, (item) => item['partition']?.S ?? '')).map((group) => group?.length ?? 0);
  expect(counts).toHaveLength(8);
  expect(Math.max(...counts)).toBeLessThan(50);
  await cleanUp();
});

test('a version does not come again, also when the deleted item is long gone', async () => {
  const { store, clock, location, cleanUp } = await open();
  const table = store.table<string>('things');
  const before = await table.put('one', 'a');
  await table.delete('one');
  const { tableName } = JSON.parse(location) as { tableName: string };
  await client.send(new DeleteTableCommand({ TableName: tableName }));
  clock.advance(24 * 3_600_000);
  const again = await openDynamoKeyValueStore({ url, tableName, clock });
  expect(await again.table<string>('things').put('one', 'b')).toBeGreaterThan(Number(before));
  await again.close();
  await cleanUp();
});

describe('what happens to DynamoDB', () => {
  let proxy: FaultProxy;
  let store: KeyValueStore;
  let table: KeyValueTable<number>;
  let underTest: KeyValueStoreUnderTest;
  beforeEach(async () => {
    underTest = await open();
    proxy = await startFaultProxy(url);
    store = await openDynamoKeyValueStore({ url: proxy.url, tableName: (JSON.parse(underTest.location) as { tableName: string }).tableName, clock: systemClock() });
    table = store.table<number>('things');
    proxy.behave(() => ({ kind: 'pass' }));
  });
  afterEach(async () => {
    await store.close();
    await proxy.close();
    await underTest.cleanUp();
  });

  const refused = (name: string, status: number): Fault => ({ kind: 'answer', status, contentType: 'application/x-amz-json-1.0', body: JSON.stringify({ __type: `com.amazonaws.dynamodb.v20120810#${name}`, message: 'as if' }) });
  const throttled = refused('ProvisionedThroughputExceededException', 400);
  const first = (times: number, fault: Fault) => (_: unknown, count: number): Fault => (count <= times ? fault : { kind: 'pass' });

  test('it sends what the README says it needs the right to, and nothing else', async () => {
    const sent = new Set<string>();
    proxy.behave((incoming) => {
      sent.add(String(incoming.headers['x-amz-target']).replace(/^.*\./, ''));
      return { kind: 'pass' };
    });
    await table.put('one', 1, { condition: { absent: true }, expiresAtMs: Date.now() + 60_000 });
    await table.get('one');
    await table.getMany(['one']);
    await table.list({ prefix: 'o' });
    await table.delete('one');
    expect([...sent].toSorted()).toEqual(['BatchGetItem', 'GetItem', 'Query', 'UpdateItem']);
    sent.clear();
    await (await openDynamoKeyValueStore({ url: proxy.url, tableName: `test-${v7()}`, clock: systemClock() })).close();
    expect([...sent].toSorted()).toEqual(['CreateTable', 'DescribeTable', 'UpdateTimeToLive']);
  });

  test('who may neither look at the table nor make it uses it, or is told', async () => {
    const denied = refused('AccessDeniedException', 400);
    const { tableName } = JSON.parse(underTest.location) as { tableName: string };
    proxy.behave((incoming) => (/DescribeTable|CreateTable/.test(String(incoming.headers['x-amz-target'])) ? denied : { kind: 'pass' }));
    const confined = await openDynamoKeyValueStore({ url: proxy.url, tableName, clock: systemClock() });
    expect(await confined.table<number>('things').put('one', 1)).toBeTypeOf('number');
    await confined.close();
    proxy.behave((incoming) => (String(incoming.headers['x-amz-target']).endsWith('CreateTable') ? denied : { kind: 'pass' }));
    await expect(openDynamoKeyValueStore({ url: proxy.url, tableName: `test-${v7()}`, clock: systemClock() })).rejects.toThrow('is not there, and we may not make it');
  });

  test('throttled for a moment: nobody notices', async () => {
    proxy.behave(first(2, throttled));
    const version = await table.put('one', 1, { condition: { absent: true } });
    expect(version).toBeTypeOf('number');
    expect(proxy.requests).toBe(3);
    proxy.behave(first(2, refused('InternalServerError', 500)));
    expect(await table.get('one')).toEqual({ key: 'one', value: 1, version });
    expect(proxy.requests).toBe(3);
  });

  test('throttled for good: a clear error, nothing written, and it goes on when there is room', async () => {
    proxy.behave(() => throttled);
    await expect(table.put('one', 1)).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('DynamoDB takes no more requests at the moment') as string });
    await expect(table.get('one')).rejects.toMatchObject({ code: 'unavailable' });
    await expect(table.getMany(['one'])).rejects.toMatchObject({ code: 'unavailable' });
    await expect(table.list()).rejects.toMatchObject({ code: 'unavailable' });
    await expect(table.delete('one')).rejects.toMatchObject({ code: 'unavailable' });
    proxy.behave(() => ({ kind: 'pass' }));
    expect(await table.get('one')).toBeUndefined();
    expect(await table.put('one', 1)).toBeTypeOf('number');
  });

  test('the budget of retries ends: what fails all the time is not asked four times each', async () => {
    proxy.behave(() => refused('InternalServerError', 500));
    await Promise.allSettled(Array.from({ length: 200 }, () => table.get('one')));
    expect(proxy.requests).toBeLessThan(400);
  });

  test('an answer that was lost: a write with a condition is made once, and known to be', async () => {
    const before = await table.put('one', 1);
    proxy.behave(first(1, { kind: 'lose-answer' }));
    const version = await table.put('one', 2, { condition: { version: Number(before) } });
    expect(proxy.requests).toBe(2);
    expect(await table.get('one')).toEqual({ key: 'one', value: 2, version });
    proxy.behave(first(1, { kind: 'lose-answer' }));
    expect(await table.put('two', 1, { condition: { absent: true } })).toBeTypeOf('number');
    proxy.behave(first(1, { kind: 'lose-answer' }));
    expect(await table.delete('one', { condition: { version: Number(version) } })).toBe(true);
    expect(await table.get('one')).toBeUndefined();
  });

  test('an answer that was lost, and somebody wrote since: nobody claims to know', async () => {
    const before = await table.put('one', 1);
    const other = (await underTest.reopen()).table<number>('things');
    proxy.behave(async (_, count) => {
      if (count === 1) return { kind: 'lose-answer' };
      if (count === 2) await other.put('one', 3);
      return { kind: 'pass' };
    });
    await expect(table.put('one', 2, { condition: { version: Number(before) } })).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('has not said whether things one was written') as string });
    expect((await other.get('one'))?.value).toBe(3);
  });

  test('a batch that DynamoDB answers in parts comes whole', async () => {
    const keys = Array.from({ length: 250 }, (_, index) => `key-${index}`);
    await inTurns(keys, (key, index) => table.put(key, index));
    // Larger than the 16 MB that one answer holds.
    const large = store.table<string>('large');
    await inTurns(keys.slice(0, 60), (key, index) => large.put(key, String(index).padEnd(300_000, 'x')));
    expect((await table.getMany(keys)).map((item) => item?.value)).toEqual(keys.map((_, index) => index));
    const found = await large.getMany(keys);
    expect(found.filter((item) => item !== undefined).map(({ key, value }) => [key, value.length])).toEqual(keys.slice(0, 60).map((key) => [key, 300_000]));
    expect((await large.list()).length).toBe(60);
  });

  test('hung: a clear error in time, and it goes on afterwards', async () => {
    await table.put('one', 1);
    engine.pause();
    const begun = performance.now();
    try {
      await expect(table.get('one')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('DynamoDB does not answer') as string });
      expect(performance.now() - begun).toBeLessThan(30_000);
    } finally {
      engine.resume();
    }
    await expect.poll(async () => (await table.get('one').catch(() => undefined))?.value, { timeout: 20_000 }).toBe(1);
  });

  test('killed in the middle of writes and started again: what was resolved is there', async () => {
    const resolved: number[] = [];
    let stopped = false;
    const writing = (async () => {
      for (let number = 0; !stopped; number++) {
        await table.put(`key-${number}`, number).then(() => resolved.push(number), () => undefined);
      }
    })();
    await expect.poll(() => resolved.length, { interval: 5, timeout: 30_000 }).toBeGreaterThan(50);
    await engine.kill();
    stopped = true;
    await writing;
    engine = await engine.restart();
    const items = await table.getMany(resolved.map((number) => `key-${number}`));
    expect(items.map((item) => item?.value)).toEqual(resolved);
    expect(await table.put('after', 1)).toBeTypeOf('number');
  });
});
