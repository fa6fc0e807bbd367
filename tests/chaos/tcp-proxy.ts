/** A stretch of network between two programs that delays, holds back, cuts and refuses. */
import { once } from 'node:events';
import { createConnection, createServer, type Server, type Socket } from 'node:net';
import type { Random } from '../../simulator/randomness.ts';

export interface Weather {
  /** Added to everything, in both directions. */
  delayMs?: number;
  /** Added on top, evenly up to this. */
  jitterMs?: number;
  /** Nothing gets through any more; what was sent arrives when the weather changes. */
  isStalled?: boolean;
  /** The part of connections, 0 to 1, that is cut each second. */
  cutsPerSecond?: number;
  /** New connections are refused, and those that are open are cut. */
  isDown?: boolean;
}

interface Chunk {
  bytes: Buffer;
  dueAtMs: number;
}

/** One direction of a connection: chunks leave in the order in which they came. */
class Pipe {
  readonly #from: Socket;
  readonly #to: Socket;
  readonly #waiting: Chunk[] = [];
  #timer: NodeJS.Timeout | undefined;
  #isEnding = false;

  constructor(from: Socket, to: Socket, weather: () => Weather, random: Random) {
    this.#from = from;
    this.#to = to;
    from.on('data', (bytes: Buffer) => {
      const { delayMs = 0, jitterMs = 0 } = weather();
      this.#waiting.push({ bytes, dueAtMs: performance.now() + delayMs + jitterMs * random() });
      this.pump(weather());
    });
    from.on('end', () => {
      this.#isEnding = true;
      this.pump(weather());
    });
    to.on('drain', () => from.resume());
    from.on('close', () => clearTimeout(this.#timer));
  }

  /** Sends what is due. */
  pump(weather: Weather): void {
    clearTimeout(this.#timer);
    if (weather.isStalled || this.#to.destroyed) return;
    for (let next = this.#waiting[0]; next; next = this.#waiting[0]) {
      const inMs = next.dueAtMs - performance.now();
      if (inMs > 0) {
        this.#timer = setTimeout(() => this.pump(weather), inMs);
        return;
      }
      this.#waiting.shift();
      if (!this.#to.write(next.bytes)) this.#from.pause();
    }
    if (this.#isEnding) this.#to.end();
  }
}

interface Connection {
  sockets: readonly [Socket, Socket];
  pipes: readonly [Pipe, Pipe];
}

const tickMs = 250;

export class TcpProxy {
  readonly #server: Server;
  readonly #random: Random;
  readonly #connections = new Set<Connection>();
  readonly #cutting: NodeJS.Timeout;
  #target: { host: string; port: number };
  #weather: Weather = {};

  private constructor(server: Server, target: { host: string; port: number }, random: Random) {
    this.#server = server;
    this.#target = target;
    this.#random = random;
    server.on('connection', (socket) => this.#connect(socket));
    this.#cutting = setInterval(() => this.#cutSome(), tickMs);
  }

  /** Listens on 127.0.0.1. @param port 0 takes a free one */
  static async open({ targetPort, targetHost = '127.0.0.1', port = 0, random }: { targetPort: number; targetHost?: string; port?: number; random: Random }): Promise<TcpProxy> {
    const server = createServer({ allowHalfOpen: true, noDelay: true });
    server.listen(port, '127.0.0.1');
    await once(server, 'listening');
    return new TcpProxy(server, { host: targetHost, port: targetPort }, random);
  }

  get port(): number {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the proxy is closed');
    return address.port;
  }

  get connections(): number {
    return this.#connections.size;
  }

  /** What stands behind it has moved. */
  leadTo(targetPort: number): void {
    this.#target = { ...this.#target, port: targetPort };
  }

  /** From now on; without anything the network is as it should be. */
  change(weather: Weather = {}): void {
    this.#weather = weather;
    if (weather.isDown) this.cutAll();
    for (const { pipes } of this.#connections) for (const pipe of pipes) pipe.pump(weather);
  }

  cutAll(): void {
    for (const connection of this.#connections) this.#cut(connection);
  }

  #cut({ sockets }: Connection): void {
    for (const socket of sockets) socket.resetAndDestroy();
  }

  #cutSome(): void {
    const { cutsPerSecond = 0 } = this.#weather;
    if (cutsPerSecond === 0) return;
    for (const connection of this.#connections) if (this.#random() < (cutsPerSecond * tickMs) / 1000) this.#cut(connection);
  }

  #connect(near: Socket): void {
    if (this.#weather.isDown) {
      near.on('error', () => near.destroy());
      near.resetAndDestroy();
      return;
    }
    const far = createConnection({ ...this.#target, allowHalfOpen: true, noDelay: true });
    const weather = () => this.#weather;
    const connection: Connection = { sockets: [near, far], pipes: [new Pipe(near, far, weather, this.#random), new Pipe(far, near, weather, this.#random)] };
    this.#connections.add(connection);
    const gone = (): void => {
      this.#connections.delete(connection);
      near.destroy();
      far.destroy();
    };
    for (const socket of connection.sockets) {
      // A side that breaks breaks the other: that is all there is to an error here.
      socket.on('error', gone);
      socket.on('close', gone);
    }
  }

  async close(): Promise<void> {
    clearInterval(this.#cutting);
    this.cutAll();
    this.#server.close();
    await once(this.#server, 'close');
  }
}
