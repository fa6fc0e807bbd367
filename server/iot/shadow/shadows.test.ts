import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemClock } from '../../infra/clock/system.ts';
import { openLmdbKeyValueStore } from '../../infra/kv/lmdb.ts';
import type { KeyValueStore } from '../../infra/kv/port.ts';
import { pinoLogger } from '../../infra/observability/pino.ts';
import { Shadows } from './shadows.ts';

let folder: string;
let kv: KeyValueStore;
let shadows: Shadows;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'shadows-'));
  kv = await openLmdbKeyValueStore({ folder, clock: systemClock() });
  shadows = new Shadows({ kv, clock: systemClock(), logger: pinoLogger('silent') });
});
afterAll(async () => {
  await kv.close();
  await rm(folder, { recursive: true, force: true });
});

type Said = Record<string, unknown>;

async function ask(thing: string, operation: string, request: unknown, name?: string, service = shadows): Promise<{ topics: string[]; first: Said }> {
  const topic = `$aws/things/${thing}/shadow/${name === undefined ? '' : `name/${name}/`}${operation}`;
  const messages = await service.handle(thing, topic, Buffer.from(typeof request === 'string' ? request : JSON.stringify(request)));
  const [first] = messages ?? [];
  return { topics: (messages ?? []).map((message) => message.topic.slice(topic.length + 1)), first: first ? (JSON.parse(Buffer.from(first.payload).toString()) as Said) : {} };
}

test('IOT-50: the token of the asker comes back, accepted or rejected', async () => {
  expect((await ask('tokens', 'get', { clientToken: 't-1' })).first).toMatchObject({ code: 404, clientToken: 't-1' });
  expect((await ask('tokens', 'update', { state: { reported: { a: 1 } }, clientToken: 't-2' })).first).toMatchObject({ version: 1, clientToken: 't-2' });
  expect((await ask('tokens', 'delete', '')).first).toMatchObject({ version: 1 });
  expect((await ask('tokens', 'delete', '')).first).toMatchObject({ code: 404 });
});

test('IOT-54: what is no update is rejected with its reason, and changes nothing', async () => {
  await ask('strict', 'update', { state: { reported: { a: 1 } } });
  let deep: unknown = 1;
  for (let level = 0; level < 9; level++) deep = { deep };
  const wrong: [unknown, number][] = [
    ['{', 400], [{ state: {}, clientToken: 1 }, 400], [`{"state":{"reported":{"a":${'['.repeat(3000)}${']'.repeat(3000)}}}}`, 400], ['[]', 400], ['null', 400], [{ state: 1 }, 400], [{ state: { other: {} } }, 400], [{}, 400], [{ state: { reported: [] } }, 400], [{ state: { reported: { deep } } }, 400],
    [{ state: { reported: { text: 'x'.repeat(8 * 1024) } } }, 413], ['x'.repeat(20_000), 413], [{ state: { reported: {} }, version: 7 }, 409],
  ];
  for (const [request, code] of wrong) expect({ request, ...(await ask('strict', 'update', request)).first }).toMatchObject({ request, code });
  expect((await ask('strict', 'update', { state: {} }, 'no.name')).first).toMatchObject({ code: 400 });
  expect(await shadows.get('strict')).toMatchObject({ version: 1, state: { reported: { a: 1 } } });
});

test('IOT-54: a shadow that grew piece by piece is not larger than it may be', async () => {
  for (let piece = 0; piece < 7; piece++) await ask('large', 'update', { state: { reported: { [`piece${piece}`]: 'x'.repeat(1100) } } });
  expect((await ask('large', 'update', { state: { reported: { last: 'x'.repeat(1100) } } })).first).toMatchObject({ code: 413 });
});

test('IOT-53: a delta follows an update exactly when something is wanted that is not so', async () => {
  expect((await ask('delta', 'update', { state: { reported: { a: 1 } } })).topics).toEqual(['accepted', 'documents']);
  expect((await ask('delta', 'update', { state: { desired: { a: 2 } } })).topics).toEqual(['accepted', 'delta', 'documents']);
  expect((await ask('delta', 'update', { state: { reported: { a: 2 } } })).topics).toEqual(['accepted', 'documents']);
});

test('IOT-55: a thousand changes at once, through two services: each has a version of its own and none is lost', async () => {
  const other = new Shadows({ kv, clock: systemClock(), logger: pinoLogger('silent') });
  const answers = await Promise.all(Array.from({ length: 1000 }, (_, index) => ask('crowd', 'update', { state: { reported: { [`key${index % 50}`]: index } } }, undefined, index % 2 === 0 ? shadows : other)));
  expect(answers.map(({ first }) => first['version'] as number).toSorted((a, b) => a - b)).toEqual(Array.from({ length: 1000 }, (_, index) => index + 1));
  expect(Object.keys((await shadows.get('crowd')).state.reported ?? {})).toHaveLength(50);
});

test('IOT-56: topics of another thing, and topics that are none, are not answered', () => {
  for (const topic of ['$aws/things/other/shadow/get', '$aws/things/me/shadow/steal', '$aws/things/me/shadow/name/get', 'vehicles/me/state']) expect(shadows.handle('me', topic, Buffer.alloc(0))).toBeUndefined();
});
