/** The TLS listener: who has no certificate of ours does not get in, and a crowd outside does not hold up those inside. */
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import type { Logger } from '../infra/observability/port.ts';
import type { Identity } from './domain/policy.ts';

/** What the listener shows and believes. */
export interface TlsMaterial {
  keyPem: string;
  certificatePem: string;
  authorityPem: string;
  /** 48 bytes with which session tickets are sealed, the same in every process: whoever comes back to another one resumes as well. */
  ticketKeys: Uint8Array;
}

/** Whom a certificate of our authority was made out to. Whether it is still good is for the registry to say. */
export interface Peer extends Identity {
  certificateId: string;
}

export interface DoorOptions {
  host: string;
  /** Tried first; another free one is taken when somebody has it. 0 takes any. */
  port: number;
  /** Other processes listen on the same port. */
  shared: boolean;
  material: TlsMaterial;
  logger: Logger;
  onConnection(socket: TLSSocket, peer: Peer): void;
  onRefused(reason: string): void;
}

export interface Door {
  port: number;
  /** For connections from now on. */
  show(material: TlsMaterial): void;
  /** Stops listening; resolves when the last connection is gone. */
  close(): Promise<void>;
}

/** How many may be in the middle of their handshake; the others wait, accepted but unread. */
const handshakesAtOnce = 256;
/** How many are begun before those who are connected get their turn: each costs about a millisecond. */
const handshakesPerTurn = 8;
const handshakeTimeoutMs = 10_000;
const resumableForSeconds = 86_400;
/** Files that the process needs besides its connections. */
const reservedFiles = 1_000;
const backlog = 8_192;

/** The kernel's limit of open files, without those that the process needs itself. */
function maximumConnections(): number {
  const limits = readFileSync('/proc/self/limits', 'utf8');
  const files = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 1_024);
  return Math.max(files - reservedFiles, Math.floor(files / 2));
}

/** Begins handshakes in the order of arrival, a few at a time. */
export class HandshakeQueue {
  readonly #begin: (socket: Socket) => void;
  #waiting: Socket[] = [];
  #inFlight = 0;
  #scheduled = false;

  constructor(begin: (socket: Socket) => void) {
    this.#begin = begin;
  }

  add(socket: Socket): void {
    this.#waiting.push(socket);
    this.#schedule();
  }

  /** One has come to its end, good or bad. */
  ended(): void {
    this.#inFlight -= 1;
    this.#schedule();
  }

  clear(): void {
    for (const socket of this.#waiting.splice(0)) socket.destroy();
  }

  #schedule(): void {
    if (this.#scheduled || this.#waiting.length === 0 || this.#inFlight >= handshakesAtOnce) return;
    this.#scheduled = true;
    setImmediate(() => {
      this.#scheduled = false;
      const begun = this.#waiting.splice(0, Math.min(handshakesPerTurn, handshakesAtOnce - this.#inFlight));
      for (const socket of begun) {
        if (socket.destroyed) continue;
        this.#inFlight += 1;
        this.#begin(socket);
      }
      this.#schedule();
    });
  }
}

async function listen(server: Server, options: DoorOptions): Promise<number> {
  const { host, port, shared, logger } = options;
  server.listen({ host, port, backlog, reusePort: shared });
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    logger.warn({ port }, 'the MQTT port is taken; another one is used');
    server.listen({ host, port: 0, backlog, reusePort: shared });
    await once(server, 'listening');
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the MQTT broker has no port');
  return address.port;
}

/** The distinguished name is ours: the authority has written it. */
function peerOf(socket: TLSSocket): Peer | undefined {
  const certificate = socket.getPeerX509Certificate();
  if (!certificate) return undefined;
  const name = /^CN=(.*)$/m.exec(certificate.subject)?.[1];
  const kind = /^OU=(claim|device)$/m.exec(certificate.subject)?.[1] as Identity['kind'] | undefined;
  if (name === undefined || kind === undefined) return undefined;
  return { kind, name, certificateId: certificate.fingerprint256.replaceAll(':', '').toLowerCase() };
}

const isUntrusted = (socket: TLSSocket): boolean => Boolean(socket.authorizationError);

/** Starts listening. @throws when the address cannot be used */
export async function openDoor(options: DoorOptions): Promise<Door> {
  const { material, onConnection, onRefused, logger } = options;
  const tls = createTlsServer({
    key: material.keyPem, cert: material.certificatePem, ca: material.authorityPem, ticketKeys: Buffer.from(material.ticketKeys),
    requestCert: true, rejectUnauthorized: true, minVersion: 'TLSv1.2', sessionIdContext: 'mqtt', sessionTimeout: resumableForSeconds, handshakeTimeout: handshakeTimeoutMs,
  });
  // The handle reads only when its handshake begins.
  const server = createServer({ pauseOnConnect: true, noDelay: true }, (socket) => queue.add(socket));
  const queue = new HandshakeQueue((socket) => tls.emit('connection', socket));
  server.maxConnections = maximumConnections();
  server.on('drop', () => onRefused('full'));
  tls.on('secureConnection', (socket) => {
    queue.ended();
    const peer = peerOf(socket);
    if (peer) return onConnection(socket, peer);
    onRefused('certificate');
    socket.destroy();
  });
  tls.on('tlsClientError', (error, socket) => {
    queue.ended();
    onRefused(isUntrusted(socket) ? 'certificate' : 'handshake');
    logger.debug({ error: error.message, reason: socket.authorizationError }, 'a handshake failed');
    socket.destroy();
  });
  const port = await listen(server, options);
  return {
    port,
    show({ keyPem, certificatePem, authorityPem, ticketKeys }) {
      tls.setSecureContext({ key: keyPem, cert: certificatePem, ca: authorityPem, ticketKeys: Buffer.from(ticketKeys), minVersion: 'TLSv1.2', sessionIdContext: 'mqtt', sessionTimeout: resumableForSeconds });
    },
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      queue.clear();
      await closed;
    },
  };
}
