import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { v7 } from 'uuid';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { awsSettings } from '../../../tools/engines/aws.ts';
import { type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { s3 } from '../../../tools/engines/s3.ts';
import { freePort } from '../free-port.ts';
import { type Fault, type FaultProxy, startFaultProxy } from '../testing/fault-proxy.ts';
import { blobsConformance, type BlobsUnderTest } from './conformance.ts';
import type { Blobs } from './port.ts';
import { openS3Blobs } from './s3.ts';

let folder: string;
let engine: RunningEngine;
let url: string;

beforeAll(async () => {
  Object.assign(process.env, awsSettings);
  folder = await mkdtemp(join(tmpdir(), 's3-'));
  await s3.install();
  engine = await startEngine(s3, { folder, port: await freePort() });
  url = engine.settings['MOBILITY_S3_URL'] ?? '';
});
afterAll(async () => {
  await engine.stop();
  await rm(folder, { recursive: true });
});

async function open(): Promise<BlobsUnderTest> {
  const bucket = `test-${v7()}`;
  const opened: BlobsUnderTest = {
    blobs: await openS3Blobs({ url, bucket }), location: JSON.stringify({ url, bucket }),
    async reopen() {
      await opened.blobs.close();
      opened.blobs = await openS3Blobs({ url, bucket });
      return opened.blobs;
    },
    cleanUp: () => opened.blobs.close(),
  };
  return opened;
}

blobsConformance('on S3', { open, module: new URL('./s3-under-test.ts', import.meta.url) });

const bytes = (text: string): Uint8Array => Buffer.from(text);
const textOf = (found: { bytes: Uint8Array } | undefined): string | undefined => found && Buffer.from(found.bytes).toString();

test('many processes that start together make one bucket', async () => {
  const bucket = `test-${v7()}`;
  const stores = await Promise.all(Array.from({ length: 6 }, () => openS3Blobs({ url, bucket })));
  expect((await Promise.all(stores.map((store) => store.putIfAbsent('one', bytes('x'), 'text/plain')))).filter(Boolean)).toHaveLength(1);
  await Promise.all(stores.map((store) => store.close()));
});

test('a list is longer than what S3 tells at a time', async () => {
  const { blobs, cleanUp } = await open();
  const keys = Array.from({ length: 1_050 }, (_, index) => `many/${String(index).padStart(5, '0')}`);
  for (let begin = 0; begin < keys.length; begin += 50) await Promise.all(keys.slice(begin, begin + 50).map((key) => blobs.putIfAbsent(key, bytes('x'), 'text/plain')));
  expect((await blobs.list('many/', { limit: 2_000 })).map(({ key }) => key)).toEqual(keys);
  expect((await blobs.list('many/', { limit: 1_020 })).length).toBe(1_020);
  expect((await blobs.list('many/')).length).toBe(1_000);
  await cleanUp();
});

describe('what happens to S3', () => {
  let proxy: FaultProxy;
  let blobs: Blobs;
  let direct: BlobsUnderTest;
  beforeEach(async () => {
    direct = await open();
    proxy = await startFaultProxy(url);
    blobs = await openS3Blobs({ url: proxy.url, bucket: (JSON.parse(direct.location) as { bucket: string }).bucket });
    proxy.behave(() => ({ kind: 'pass' }));
  });
  afterEach(async () => {
    await blobs.close();
    await proxy.close();
    await direct.cleanUp();
  });

  const refused = (status: number, code: string): Fault => ({ kind: 'answer', status, contentType: 'application/xml', body: `<?xml version="1.0" encoding="UTF-8"?><Error><Code>${code}</Code><Message>as if</Message></Error>` });
  const slowDown = refused(503, 'SlowDown');
  const first = (times: number, fault: Fault) => (_: unknown, count: number): Fault => (count <= times ? fault : { kind: 'pass' });

  test('it sends what the README says it needs the right to, and nothing else', async () => {
    const sent = new Set<string>();
    proxy.behave((incoming) => {
      const { pathname } = new URL(incoming.url ?? '/', proxy.url);
      sent.add(`${incoming.method} ${pathname.split('/').filter(Boolean).length === 1 ? 'bucket' : 'object'}`);
      return { kind: 'pass' };
    });
    await blobs.putIfAbsent('one', bytes('x'), 'text/plain');
    await blobs.get('one');
    await blobs.get('one', { first: 0, last: 0 });
    await blobs.head('one');
    await blobs.list('o');
    await blobs.delete('one');
    // GetObject is for HEAD, too; ListBucket is GET of the bucket.
    expect([...sent].toSorted()).toEqual(['DELETE object', 'GET bucket', 'GET object', 'HEAD object', 'PUT object']);
    sent.clear();
    await (await openS3Blobs({ url: proxy.url, bucket: `test-${v7()}` })).close();
    expect([...sent].toSorted()).toEqual(['HEAD bucket', 'PUT bucket']);
  });

  test('who may neither look at the bucket nor make it uses it, or is told', async () => {
    const { bucket } = JSON.parse(direct.location) as { bucket: string };
    const ofBucket = (incoming: { url?: string | undefined }): boolean => new URL(incoming.url ?? '/', proxy.url).pathname.split('/').filter(Boolean).length === 1;
    proxy.behave((incoming) => (ofBucket(incoming) ? refused(403, 'AccessDenied') : { kind: 'pass' }));
    const confined = await openS3Blobs({ url: proxy.url, bucket });
    expect(await confined.putIfAbsent('one', bytes('x'), 'text/plain')).toBe(true);
    await confined.close();
    proxy.behave((incoming) => (incoming.method === 'PUT' ? refused(403, 'AccessDenied') : { kind: 'pass' }));
    await expect(openS3Blobs({ url: proxy.url, bucket: `test-${v7()}` })).rejects.toThrow('is not there, and we may not make it');
  });

  test('busy for a moment: nobody notices', async () => {
    proxy.behave(first(2, slowDown));
    expect(await blobs.putIfAbsent('one', bytes('first'), 'text/plain')).toBe(true);
    proxy.behave(first(2, refused(500, 'InternalError')));
    expect(textOf(await blobs.get('one'))).toBe('first');
    expect(proxy.requests).toBe(3);
  });

  test('two at the same moment: S3 wants to be asked again', async () => {
    proxy.behave(first(2, refused(409, 'ConditionalRequestConflict')));
    expect(await blobs.putIfAbsent('one', bytes('first'), 'text/plain')).toBe(true);
    expect(await blobs.putIfAbsent('one', bytes('second'), 'text/plain')).toBe(false);
    proxy.behave(() => refused(409, 'ConditionalRequestConflict'));
    await expect(blobs.putIfAbsent('two', bytes('first'), 'text/plain')).rejects.toMatchObject({ code: 'unavailable' });
  });

  test('busy for good: a clear error, nothing kept, and it goes on when there is room', async () => {
    proxy.behave(() => slowDown);
    await expect(blobs.putIfAbsent('one', bytes('x'), 'text/plain')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('S3 takes no more requests') as string });
    for (const call of [() => blobs.get('one'), () => blobs.list(''), () => blobs.delete('one')]) await expect(call()).rejects.toMatchObject({ code: 'unavailable' });
    proxy.behave(() => ({ kind: 'pass' }));
    expect(await blobs.list('')).toEqual([]);
    expect(await blobs.putIfAbsent('one', bytes('x'), 'text/plain')).toBe(true);
  });

  test('an answer that was lost: the object is ours, and known to be', async () => {
    proxy.behave(first(1, { kind: 'lose-answer' }));
    expect(await blobs.putIfAbsent('one', bytes('first'), 'text/plain')).toBe(true);
    expect(proxy.requests).toBeGreaterThan(1);
    expect(textOf(await blobs.get('one'))).toBe('first');
    // The same when the object is another's.
    proxy.behave(first(1, { kind: 'lose-answer' }));
    expect(await blobs.putIfAbsent('one', bytes('second'), 'text/plain')).toBe(false);
  });

  test('damaged on its way, or cut off: an error, never an object', async () => {
    await blobs.putIfAbsent('one', bytes('0123456789'), 'text/plain');
    const isRead = (incoming: { method?: string | undefined }) => incoming.method === 'GET';
    proxy.behave((incoming) => ({ kind: isRead(incoming) ? 'corrupt' : 'pass' }));
    await expect(blobs.get('one')).rejects.toThrow();
    proxy.behave((incoming) => ({ kind: isRead(incoming) ? 'cut-answer' : 'pass' }));
    await expect(blobs.get('one')).rejects.toMatchObject({ code: 'unavailable' });
    proxy.behave(first(1, { kind: 'cut-answer' }));
    expect(textOf(await blobs.get('one'))).toBe('0123456789');
  });

  test('killed in the middle of puts and started again: whole or not at all, and what was resolved is there', async () => {
    const resolved: number[] = [];
    let stopped = false;
    const body = (number: number): Uint8Array => Buffer.alloc(200_000, number % 256);
    const writing = (async () => {
      for (let number = 0; !stopped; number++) await blobs.putIfAbsent(`photos/${number}`, body(number), 'image/jpeg').then(() => resolved.push(number), () => undefined);
    })();
    await expect.poll(() => resolved.length, { interval: 5, timeout: 30_000 }).toBeGreaterThan(20);
    await engine.kill();
    stopped = true;
    await writing;
    engine = await engine.restart();
    const found = await blobs.list('photos/');
    expect(found.map(({ key }) => key)).toEqual(expect.arrayContaining(resolved.map((number) => `photos/${number}`)));
    for (const { key } of found) expect(Buffer.from((await blobs.get(key))?.bytes ?? []).equals(Buffer.from(body(Number(key.slice('photos/'.length)))))).toBe(true);
  });

  test('hung: a clear error in time, and it goes on afterwards', async () => {
    await blobs.putIfAbsent('one', bytes('x'), 'text/plain');
    engine.pause();
    try {
      const begun = performance.now();
      await expect(blobs.head('one')).rejects.toMatchObject({ code: 'unavailable', message: expect.stringContaining('S3 does not answer') as string });
      expect(performance.now() - begun).toBeLessThan(45_000);
    } finally {
      engine.resume();
    }
    await expect.poll(async () => textOf(await blobs.get('one').catch(() => undefined)), { timeout: 20_000 }).toBe('x');
  });
});
