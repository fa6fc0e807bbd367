/** A process full of vehicles that do nothing but be connected: raw TLS sockets, a CONNECT each, no library that would cost more than the broker. */
import { connect, createSecureContext, type SecureContext, type TLSSocket } from 'node:tls';
import { CertificatePress, type LoadAuthority, vehicleNameOf } from './certificates.ts';

export interface ClientsStart {
  authority: LoadAuthority;
  /** Vehicles from, without the last. */
  from: number;
  to: number;
}
export interface ClientsRun {
  port: number;
  kind: 'bare' | 'broker';
}
export interface ClientsResult {
  connected: number;
  resumed: number;
  seconds: number;
}

const inFlight = 48;
/** A pair of addresses has some 28,000 ports: vehicles dial several addresses of this machine. */
const perAddress = 20_000;
const keepAliveSeconds = 1_200;
const retries = 5;

let start: ClientsStart | undefined;
let contexts: (SecureContext | undefined)[] = [];
let sockets: (TLSSocket | undefined)[] = [];
let sessions: (Buffer | undefined)[] = [];

function connectPacket(name: string): Buffer {
  const id = Buffer.from(name);
  const body = Buffer.concat([Buffer.from([0, 4]), Buffer.from('MQTT'), Buffer.from([4, 2, keepAliveSeconds >> 8, keepAliveSeconds & 0xff, 0, id.length]), id]);
  return Buffer.concat([Buffer.from([0x10, body.length]), body]);
}

/** @returns whether the session was resumed */
function open({ port, kind }: ClientsRun, index: number): Promise<boolean> {
  const vehicle = (start?.from ?? 0) + index;
  return new Promise((resolve, reject) => {
    const session = sessions[index];
    const socket = connect({ host: `127.0.0.${1 + Math.floor(vehicle / perAddress)}`, servername: 'localhost', port, secureContext: contexts[index], ...(session && { session }) });
    socket.once('error', reject);
    socket.once('close', () => reject(new Error('closed')));
    socket.once('session', (given: Buffer) => (sessions[index] = given));
    if (kind === 'broker') socket.once('secureConnect', () => socket.write(connectPacket(vehicleNameOf(vehicle))));
    // CONNACK with code 0; the bare server greets with a byte.
    socket.once('data', (bytes: Buffer) => {
      if (kind === 'broker' && bytes[3] !== 0) return reject(new Error(`refused with ${bytes[3]}`));
      socket.removeAllListeners('close');
      sockets[index] = socket;
      resolve(socket.isSessionReused());
    });
  });
}

async function openWithRetries(run: ClientsRun, index: number): Promise<boolean> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await open(run, index);
    } catch (error) {
      if (attempt === retries) throw error;
    }
  }
}

async function connectAll(run: ClientsRun): Promise<ClientsResult> {
  const count = contexts.length;
  const begun = performance.now();
  let next = 0;
  let resumed = 0;
  let connected = 0;
  const lane = async () => {
    while (next < count) {
      const index = next++;
      try {
        if (await openWithRetries(run, index)) resumed += 1;
        connected += 1;
      } catch (error) {
        process.stderr.write(`${vehicleNameOf(index)}: ${String(error)}\n`);
      }
    }
  };
  await Promise.all(Array.from({ length: inFlight }, lane));
  return { connected, resumed, seconds: (performance.now() - begun) / 1000 };
}

function prepare(given: ClientsStart): void {
  start = given;
  const press = new CertificatePress(given.authority);
  const { authorityPem, deviceKeyPem } = given.authority;
  contexts = Array.from({ length: given.to - given.from }, (_, index) => createSecureContext({ ca: authorityPem, key: deviceKeyPem, cert: press.pem(given.from + index) }));
  sockets = [];
  sessions = [];
}

function disconnectAll({ forget }: { forget: boolean }): void {
  for (const socket of sockets) socket?.destroy();
  sockets = [];
  if (forget) sessions = [];
}

process.on('message', (message: { prepare?: ClientsStart; connect?: ClientsRun; disconnect?: { forget: boolean } }) => {
  const work = async () => {
    if (message.prepare) prepare(message.prepare);
    if (message.disconnect) disconnectAll(message.disconnect);
    process.send?.(message.connect ? await connectAll(message.connect) : {});
  };
  work().catch((error: unknown) => {
    process.stderr.write(`${String(error)}\n`);
    process.exit(1);
  });
});
