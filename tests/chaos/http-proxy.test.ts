/** The engines' own clients understand what the proxy says in their place. */
import { createServer } from 'node:http';
import { once } from 'node:events';
import { expect, test } from 'vitest';
import { seededRandom } from '../../simulator/randomness.ts';
import { openDynamoKeyValueStore } from '../../server/infra/kv/dynamodb.ts';
import { systemClock } from '../../server/infra/clock/system.ts';
import { openHttpProxy, slowDown, throttled } from './http-proxy.ts';

test('lets through what it is not told to refuse, refuses a share, and counts', async () => {
  const server = createServer((request, response) => {
    response.setHeader('x-path', request.url ?? '');
    request.pipe(response);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const proxy = await openHttpProxy((server.address() as { port: number }).port, seededRandom(3));
  const ask = () => fetch(`http://127.0.0.1:${proxy.port}/a?b=c`, { method: 'POST', body: 'what was sent' });
  const answer = await ask();
  expect([answer.headers.get('x-path'), await answer.text()]).toEqual(['/a?b=c', 'what was sent']);
  proxy.refuse(0.5, slowDown);
  const statuses = await Promise.all(Array.from({ length: 40 }, async () => (await ask()).status));
  expect(new Set(statuses)).toEqual(new Set([200, 503]));
  expect(proxy.refused()).toBe(statuses.filter((status) => status === 503).length);
  proxy.refuse(0, slowDown);
  expect((await ask()).status).toBe(200);
  await proxy.close();
  server.close();
});

test('a table that is throttled without end is unavailable to whoever asks, and the cause is named', async () => {
  const proxy = await openHttpProxy(9, seededRandom(3));
  proxy.refuse(1, throttled);
  process.env['AWS_ACCESS_KEY_ID'] ??= 'of-a-test';
  process.env['AWS_SECRET_ACCESS_KEY'] ??= 'of-a-test';
  process.env['AWS_REGION'] ??= 'eu-central-1';
  await expect((async () => {
    const store = await openDynamoKeyValueStore({ tableName: 'any', url: `http://127.0.0.1:${proxy.port}`, clock: systemClock() });
    await store.table('things').get('one');
  })()).rejects.toMatchObject({ code: 'unavailable', cause: { name: 'ProvisionedThroughputExceededException' } });
  expect(proxy.refused()).toBeGreaterThan(0);
  await proxy.close();
}, 60_000);
