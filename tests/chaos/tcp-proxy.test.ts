/** The proxy does what it says: a chaos run with a proxy that lets everything through would prove nothing. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { seededRandom } from '../../simulator/randomness.ts';
import { eventually } from '../../server/program/testing.ts';
import { TcpProxy } from './tcp-proxy.ts';

let server: Server;
let proxy: TcpProxy;
let client: Socket;
let heard: string;

/** Also when it breaks. */
const closing = (socket: Socket): Promise<unknown> => new Promise((resolve) => socket.once('close', resolve));

/** Connects; what comes back is gathered in `heard`. */
async function connect(): Promise<Socket> {
  const socket = createConnection(proxy.port, '127.0.0.1');
  socket.on('error', () => socket.destroy());
  socket.on('data', (bytes: Buffer) => (heard += bytes.toString()));
  await once(socket, 'connect');
  return socket;
}

beforeEach(async () => {
  heard = '';
  server = createServer((socket) => {
    socket.on('error', () => socket.destroy());
    socket.pipe(socket);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  proxy = await TcpProxy.open({ targetPort: (server.address() as { port: number }).port, random: seededRandom(1) });
  client = await connect();
});
afterEach(async () => {
  client.destroy();
  await proxy.close();
  server.close();
});

test('lets everything through, in order', async () => {
  const lines = Array.from({ length: 2000 }, (_, number) => `line ${number}\n`).join('');
  client.write(lines);
  await eventually(async () => heard === lines);
});

test('delays in both directions', async () => {
  proxy.change({ delayMs: 60 });
  const begun = performance.now();
  client.write('x');
  await eventually(async () => heard === 'x');
  expect(performance.now() - begun).toBeGreaterThanOrEqual(118);
});

test('holds back while it stalls, and loses nothing', async () => {
  proxy.change({ isStalled: true });
  client.write('kept');
  const probe = await connect();
  probe.destroy();
  expect(heard).toBe('');
  proxy.change();
  await eventually(async () => heard === 'kept');
});

test('cuts what is open and refuses what is new while it is down', async () => {
  const closed = closing(client);
  proxy.change({ isDown: true });
  await closed;
  const refused = createConnection(proxy.port, '127.0.0.1');
  refused.on('error', () => refused.destroy());
  await closing(refused);
  proxy.change();
  client = await connect();
  client.write('again');
  await eventually(async () => heard === 'again');
});

test('cuts some, as often as it is told', async () => {
  proxy.change({ cutsPerSecond: 4 });
  await closing(client);
  expect(client.destroyed).toBe(true);
});
