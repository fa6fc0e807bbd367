import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setTimeout as pause } from 'node:timers/promises';
import { Agent } from 'undici';
import { afterEach, expect, test } from 'vitest';
import { freePort } from '../infra/free-port.ts';
import { Addresses } from './addresses.ts';
import { RawReply } from './contract.ts';
import { withDeadline } from './deadline.ts';
import type { Dispatch } from './dispatch.ts';
import { peerHeader, remoteDispatch, type RemoteOptions } from './remote.ts';

const servers: Server[] = [];
const agents: Agent[] = [];
afterEach(async () => {
  await Promise.all(agents.splice(0).map((agent) => agent.destroy()));
  for (const server of servers.splice(0)) {
    server.closeAllConnections();
    server.close();
  }
});

type Answerer = (request: IncomingMessage, response: ServerResponse) => void;
const json = (body: unknown, headers: Record<string, string> = {}, status = 200): Answerer => (_request, response) => void response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(body));
/** Reads the request and hangs up. */
const lost: Answerer = (request) => void request.resume().on('end', () => request.socket.destroy());

async function peer(answer: Answerer, port = 0): Promise<{ url: string; calls: IncomingMessage[]; close(): void }> {
  const calls: IncomingMessage[] = [];
  const server = createServer((request, response) => {
    calls.push(request);
    answer(request, response);
  });
  servers.push(server);
  await once(server.listen(port, '127.0.0.1'), 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, calls,
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

const absent = async (): Promise<string> => `http://127.0.0.1:${await freePort()}`;

function dispatchTo(urls: readonly string[], options: Partial<RemoteOptions> = {}): Dispatch {
  const dispatcher = new Agent({ connections: 4, pipelining: 1 });
  agents.push(dispatcher);
  return remoteDispatch('vault', urls, { headersFor: async () => ({}), dispatcher, ...options });
}

test('calls are spread over the processes of a module', async () => {
  const [a, b] = [await peer(json({})), await peer(json({}))];
  const dispatch = dispatchTo([a.url, b.url]);
  for (let count = 0; count < 10; count++) await dispatch('look', {}, {});
  expect([a.calls.length, b.calls.length]).toEqual([5, 5]);
});

test('a process that is busy is given less', async () => {
  const held: ServerResponse[] = [];
  const slow = await peer((_request, response) => void held.push(response));
  const quick = await peer(json({}));
  const dispatch = dispatchTo([slow.url, quick.url]);
  const waiting = [dispatch('look', {}, {}), dispatch('look', {}, {})];
  await expect.poll(() => held.length).toBe(1);
  for (let count = 0; count < 6; count++) await dispatch('look', {}, {});
  expect(slow.calls).toHaveLength(1);
  held[0]?.writeHead(200).end('{}');
  await Promise.all(waiting);
});

test('an address that refuses connections is left alone, and asked again later', async () => {
  const port = await freePort();
  const there = await peer(json({ by: 'there' }));
  const dispatch = dispatchTo([`http://127.0.0.1:${port}`, there.url]);
  for (let count = 0; count < 4; count++) expect(await dispatch('open', {}, {})).toMatchObject({ json: { by: 'there' } });
  const back = await peer(json({ by: 'back' }), port);
  await expect.poll(async () => (await dispatch('open', {}, {})) as { json?: unknown }).toMatchObject({ json: { by: 'back' } });
  expect(back.calls.length).toBeGreaterThan(0);
});

test('a module that is being started again is waited for: the only address comes back', async () => {
  const port = await freePort();
  const dispatch = dispatchTo([`http://127.0.0.1:${port}`]);
  const answer = dispatch('open', {}, {});
  await pause(150);
  await peer(json({ by: 'back' }), port);
  expect(await answer).toMatchObject({ json: { by: 'back' } });
});

test('a module that has been away for long is not waited for', async () => {
  const dispatch = dispatchTo([await absent()], { patienceMs: 100 });
  await expect(dispatch('open', {}, {})).rejects.toMatchObject({ code: 'unavailable' });
  const beganAt = performance.now();
  await expect(dispatch('open', {}, {})).rejects.toMatchObject({ code: 'unavailable' });
  expect(performance.now() - beganAt).toBeLessThan(2_000);
});

test('who stops waits for nobody', async () => {
  const stopping = new AbortController();
  const dispatch = dispatchTo([await absent()], { stopping: stopping.signal });
  const waiting = dispatch('open', {}, {});
  stopping.abort();
  await expect(waiting).rejects.toMatchObject({ code: 'unavailable' });
});

test('a call that was not taken is asked elsewhere, whatever it is', async () => {
  const stops = await peer(json({ code: 'unavailable' }, { [peerHeader.notTaken]: '1' }, 503));
  const there = await peer(json({ by: 'there' }));
  const dispatch = dispatchTo([stops.url, there.url]);
  for (let count = 0; count < 4; count++) expect(await dispatch('open', {}, {})).toMatchObject({ json: { by: 'there' } });
  expect(stops.calls.length).toBeLessThanOrEqual(2);
});

test('a process that says that it will stop is asked no more while there is another', async () => {
  const stops = await peer(json({ by: 'stops' }, { [peerHeader.stopping]: '1' }));
  const there = await peer(json({ by: 'there' }));
  const dispatch = dispatchTo([stops.url, there.url]);
  for (let count = 0; count < 8; count++) await dispatch('open', {}, {});
  expect(stops.calls).toHaveLength(1);
  const alone = dispatchTo([stops.url]);
  for (let count = 0; count < 3; count++) expect(await alone('open', {}, {})).toMatchObject({ json: { by: 'stops' } });
});

test.each([
  ['reading and setting', { repeatable: true }],
  ['what carries an idempotency key', { idempotencyKey: 'k' }],
])('a connection that is lost before the answer: %s is asked again elsewhere', async (_what, options) => {
  const dies = await peer(lost);
  const there = await peer(json({ by: 'there' }));
  const dispatch = dispatchTo([dies.url, there.url]);
  for (let count = 0; count < 4; count++) expect(await dispatch('open', {}, options)).toMatchObject({ json: { by: 'there' } });
  expect(dies.calls.length).toBeGreaterThan(0);
});

test('a connection that is lost before the answer: anything else may have been done and is never asked twice', async () => {
  const [one, other] = [await peer(lost), await peer(lost)];
  await expect(dispatchTo([one.url, other.url])('open', {}, {})).rejects.toMatchObject({ code: 'unavailable' });
  expect(one.calls.length + other.calls.length).toBe(1);
});

test('a refusal is the answer and is never asked again', async () => {
  const refuses = await peer((_request, response) => void response.writeHead(503, { 'content-type': 'application/problem+json' }).end(JSON.stringify({ code: 'payment-provider-down' })));
  await expect(dispatchTo([refuses.url, refuses.url])('open', {}, { repeatable: true })).rejects.toMatchObject({ code: 'payment-provider-down' });
  expect(refuses.calls).toHaveLength(1);
});

test('no answer in time is never asked again, and the time is that of who asked first', async () => {
  const silent = await peer(() => undefined);
  const dispatch = dispatchTo([silent.url, silent.url]);
  await expect(dispatch('open', {}, { timeoutMs: 60, repeatable: true })).rejects.toMatchObject({ code: 'timeout' });
  const beganAt = performance.now();
  await expect(withDeadline(80, () => dispatch('open', {}, { timeoutMs: 60_000 }))).rejects.toMatchObject({ code: 'timeout' });
  expect(performance.now() - beganAt).toBeLessThan(10_000);
  expect(silent.calls).toHaveLength(2);
  expect(Number(silent.calls[1]?.headers[peerHeader.deadline])).toBeLessThanOrEqual(80);
});

test('a stream lasts as long as its reader wants, beyond the time for an answer, and ends with the caller', async () => {
  let open: ServerResponse | undefined;
  const streams = await peer((_request, response) => {
    open = response.writeHead(200, { 'content-type': 'text/event-stream', [peerHeader.raw]: '{"cache-control":"no-cache"}' });
    open.write('first');
  });
  const gone = new AbortController();
  const answer = await dispatchTo([streams.url])('watch', {}, { timeoutMs: 100, signal: gone.signal });
  if (!(answer instanceof RawReply) || typeof answer.body === 'string') throw new Error('no stream');
  const chunks = (answer.body as AsyncIterable<Uint8Array>)[Symbol.asyncIterator]();
  expect(String(Buffer.from((await chunks.next()).value as Uint8Array))).toBe('first');
  await pause(200);
  open?.write('later');
  expect(String(Buffer.from((await chunks.next()).value as Uint8Array))).toBe('later');
  const closed = once(open as ServerResponse, 'close');
  gone.abort();
  await closed;
  await expect(chunks.next()).rejects.toThrow();
});

test('addresses that fail are left alone for ever longer, and together tell for how long nobody is there', () => {
  let nowMs = 1_000;
  const addresses = new Addresses(['a', 'b'], () => nowMs);
  addresses.away('a');
  expect([addresses.take()?.url, addresses.absentMs]).toEqual(['b', 0]);
  addresses.away('b');
  expect([addresses.take(), addresses.pauseMs]).toEqual([undefined, 100]);
  nowMs += 100;
  addresses.away('a');
  expect(addresses.pauseMs).toBe(0);
  addresses.away('b');
  expect([addresses.pauseMs, addresses.absentMs]).toEqual([200, 100]);
  addresses.answered('b');
  expect([addresses.take()?.url, addresses.absentMs, addresses.pauseMs]).toEqual(['b', 0, 0]);
});
