/** Stands between an adapter and an engine that speaks HTTP, and does to requests what networks and busy services do. */
import { createServer, type IncomingMessage, request, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

/** What happens to a request. `pass` unless told otherwise. */
export type Fault =
  | { kind: 'pass' }
  /** Answered in the engine's place; the engine hears nothing. */
  | { kind: 'answer'; status: number; contentType: string; body: string }
  /** The engine carries it out, and its answer is lost with the connection. */
  | { kind: 'lose-answer' }
  /** Nobody answers. */
  | { kind: 'hang' }
  /** The body of the answer has one byte that is not what the engine sent. */
  | { kind: 'corrupt' }
  /** The connection breaks in the middle of the answer's body. */
  | { kind: 'cut-answer' };

type Decide = (incoming: IncomingMessage, count: number) => Fault | Promise<Fault>;

export interface FaultProxy {
  url: string;
  /** Requests so far. */
  readonly requests: number;
  /** Decides for each request from now on. */
  behave(decide: Decide): void;
  close(): Promise<void>;
}

async function bodyOf(stream: NodeJS.ReadableStream): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

async function forward(engine: URL, incoming: IncomingMessage, response: ServerResponse, fault: Fault): Promise<void> {
  const body = await bodyOf(incoming);
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const outgoing = request({ host: engine.hostname, port: engine.port, method: incoming.method, path: incoming.url, headers: incoming.headers }, resolve);
    outgoing.on('error', reject);
    outgoing.end(body);
  });
  const answered = await bodyOf(answer);
  if (fault.kind === 'lose-answer') return void response.destroy();
  if (fault.kind === 'corrupt' && answered.length > 0) answered[0] = (answered[0] ?? 0) ^ 1;
  response.writeHead(answer.statusCode ?? 502, answer.rawHeaders);
  if (fault.kind !== 'cut-answer') return void response.end(answered);
  response.write(answered.subarray(0, answered.length / 2));
  setImmediate(() => response.destroy());
}

/** @param engineUrl where requests go on to */
export async function startFaultProxy(engineUrl: string): Promise<FaultProxy> {
  const engine = new URL(engineUrl);
  let requests = 0;
  let decide: Decide = () => ({ kind: 'pass' });
  const treat = async (incoming: IncomingMessage, response: ServerResponse): Promise<void> => {
    const fault = await decide(incoming, ++requests);
    if (fault.kind === 'hang') return void incoming.resume();
    if (fault.kind === 'answer') {
      incoming.resume();
      return void response.writeHead(fault.status, { 'content-type': fault.contentType }).end(fault.body);
    }
    return forward(engine, incoming, response, fault);
  };
  const server = createServer((incoming, response) => {
    treat(incoming, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get requests() {
      return requests;
    },
    behave(next) {
      decide = next;
      requests = 0;
    },
    close: () => new Promise((resolve) => {
      server.close(() => resolve());
      server.closeAllConnections();
    }),
  };
}
