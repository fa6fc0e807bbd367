/**
 * Stands for the street, as HTTP on this machine: the radio link between a phone and the vehicle in front of it (Bluetooth LE, NFC), and
 * what happens to a vehicle there.
 */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { SimulatedVehicle } from './vehicle.ts';

export interface NearField {
  url: string;
  close(): Promise<void>;
}

const largestBodyBytes = 8 * 1024;
const drainedBytes = 1024 * 1024;
const path = /^\/near-field\/vehicles\/([^/]+)\/(token|crash|tamper)$/;

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.byteLength;
    if (size > drainedBytes) throw new Error('nobody sends so much over the near field');
    // Read to its end all the same: to leave earlier would cut the connection before the answer.
    if (size <= largestBodyBytes) chunks.push(chunk);
  }
  if (size > largestBodyBytes) return undefined;
  return Buffer.concat(chunks).toString();
}

function tokenOf(body: string): string | undefined {
  try {
    const value: unknown = JSON.parse(body);
    return typeof value === 'object' && value !== null && 'token' in value && typeof value.token === 'string' ? value.token : undefined;
  } catch {
    return undefined;
  }
}

const headers = {
  // Any page may speak: so may any phone in the street. The token is what counts.
  'access-control-allow-origin': '*', 'access-control-allow-methods': 'POST', 'access-control-allow-headers': 'content-type', 'access-control-allow-private-network': 'true',
  'cache-control': 'no-store',
};

function answer(response: ServerResponse, status: number, value?: unknown): void {
  response.writeHead(status, { ...headers, ...(value !== undefined && { 'content-type': status < 400 ? 'application/json' : 'application/problem+json' }) });
  response.end(value === undefined ? undefined : JSON.stringify(value));
}

const refuse = (response: ServerResponse, status: number, code: string, title: string): void => answer(response, status, { type: 'about:blank', status, code, title });

function vehicleNamed(encoded: string, vehicleOf: (id: string) => SimulatedVehicle | undefined): SimulatedVehicle | undefined {
  try {
    return vehicleOf(decodeURIComponent(encoded));
  } catch (error) {
    if (!(error instanceof URIError)) throw error;
    return undefined;
  }
}

async function serve(request: IncomingMessage, response: ServerResponse, vehicleOf: (id: string) => SimulatedVehicle | undefined): Promise<void> {
  if (request.method === 'OPTIONS') return answer(response, 204);
  const [, named, what] = path.exec(new URL(request.url ?? '/', 'http://near-field').pathname) ?? [];
  if (named === undefined) return refuse(response, 404, 'not-found', 'There is no such thing');
  if (request.method !== 'POST') return refuse(response, 405, 'method-not-allowed', 'Only POST');
  const body = await readBody(request);
  if (body === undefined) return refuse(response, 413, 'payload-too-large', `At most ${largestBodyBytes} bytes`);
  const vehicle = vehicleNamed(named, vehicleOf);
  if (what !== 'token') {
    if (!vehicle) return refuse(response, 404, 'not-found', 'This vehicle is not near');
    if (what === 'crash') vehicle.crash();
    else vehicle.tamper();
    return answer(response, 202, { vehicleId: vehicle.id });
  }
  const token = tokenOf(body);
  if (token === undefined) return refuse(response, 400, 'invalid-request', 'The body has to be { "token": "…" }');
  if (!vehicle) return refuse(response, 404, 'not-found', 'This vehicle is not near');
  const verdict = await vehicle.presentToken(token);
  if (verdict.accepted) answer(response, 200, { accepted: true, vehicleId: vehicle.id, bookingId: verdict.bookingId });
  else refuse(response, 403, verdict.reason, 'The vehicle does not open');
}

/** @param port 0 takes a free one */
export async function openNearField(vehicleOf: (id: string) => SimulatedVehicle | undefined, { host = '127.0.0.1', port = 0 }: { host?: string; port?: number } = {}): Promise<NearField> {
  const server = createServer((request, response) => {
    serve(request, response, vehicleOf).catch((error: unknown) => {
      if (!response.headersSent && !response.destroyed) refuse(response, 500, 'internal', error instanceof Error ? error.message : String(error));
      else response.destroy();
    });
  });
  server.listen(port, host);
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the near field has no port');
  return {
    url: `http://${host}:${address.port}`,
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
