import { once } from 'node:events';
import { createServer } from 'node:net';

/** A TCP port of the loopback address that is free now; somebody else may take it before it is used. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  server.close();
  if (address === null || typeof address === 'string') throw new Error('no TCP port is free');
  return address.port;
}
