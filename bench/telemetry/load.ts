/**
 * Vehicles as light as can be: raw TLS sockets with client certificates, MQTT PUBLISH packets made before and patched with time and
 * sequence. A process of its own; told what to do by messages from the benchmark, and counts what was acknowledged.
 */
import { connect as connectTls, createSecureContext, type TLSSocket } from 'node:tls';
import { encodeTelemetry, type TelemetryRecord } from '../../edge/protocol/telemetry.ts';

export interface LoadVehicle {
  vehicleId: string;
  certificatePem: string;
}

export interface LoadSetup {
  host: string;
  port: number;
  authorityPem: string;
  keyPem: string;
  vehicles: LoadVehicle[];
}

export interface LoadRun {
  seconds: number;
  recordsEach: number;
  /** Of each connection. Without it each sends its next message as soon as the last was acknowledged. */
  messagesPerSecond?: number;
}

export interface LoadResult {
  messagesSent: number;
  recordsSent: number;
  recordsAcknowledged: number;
  seconds: number;
  /** Of PUBLISH to PUBACK: the record survives a power cut. */
  acknowledgedP50Ms: number;
  acknowledgedP99Ms: number;
  cpuSeconds: number;
}

/** An overlong varint keeps its length, so that numbers can be written over. */
const sequenceBytes = 6;
const timeBytes = 6;
const connectingAtOnce = 32;
const inFlight = 2;
/** One in five is ridden. */
const riddenOf = 5;

interface Connection {
  vehicleId: string;
  socket: TLSSocket;
  sequence: number;
  packetId: number;
  frame: Buffer;
  packetIdAt: number;
  sequenceAt: number;
  timeAt: number;
  /** Of the newest record that was sent. */
  newestMs: number;
  sentAtMs: number[];
  waiting: number;
}

const messageOf = (type: string, error?: unknown): Error => new Error(`${type}: ${error instanceof Error ? error.message : String(error)}`);

function remainingLength(length: number): number[] {
  const bytes: number[] = [];
  for (let rest = length; ; rest = Math.floor(rest / 128)) {
    if (rest < 128) return [...bytes, rest];
    bytes.push((rest % 128) | 0x80);
  }
}

function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  const length = Buffer.alloc(2);
  length.writeUInt16BE(bytes.length);
  return Buffer.concat([length, bytes]);
}

function packet(type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.of(type), Buffer.from(remainingLength(body.length)), body]);
}

const connectPacket = (vehicleId: string): Buffer => packet(0x10, text('MQTT'), Buffer.of(4, 2, 0, 0), text(vehicleId));

function writeVarint(frame: Buffer, at: number, bytes: number, value: number): void {
  let rest = value;
  for (let index = 0; index < bytes; index++) {
    frame[at + index] = (rest % 128) | (index < bytes - 1 ? 0x80 : 0);
    rest = Math.floor(rest / 128);
  }
}

/** A way out and back, with the unrest of a receiver, so that the next message goes on where the last began. */
function recordsOf(vehicle: number, count: number, spacingMs: number): TelemetryRecord[] {
  const ridden = vehicle % riddenOf === 0;
  return Array.from({ length: count }, (_, index) => {
    const away = ridden ? Math.min(index, count - 1 - index) * 3e-5 : 0;
    const unrest = () => Math.round(Math.random() * 20) / 1e7;
    return {
      sequence: index, timeMs: index * spacingMs + 1, latitudeDegrees: 50.05 + (vehicle % 100) * 1e-3 + away + unrest(), longitudeDegrees: 8.6 + Math.floor(vehicle / 100) * 1e-3 + unrest(),
      speedMetresPerSecond: ridden ? 4 + Math.random() : 0, headingDegrees: ridden ? 10 + Math.round(Math.random() * 5) : 0, accuracyMetres: 3 + Math.round(Math.random() * 10) / 10, batteryPercent: 80,
      odometerMetres: 100_000 + (ridden ? index * 3 : 0), peakAccelerationG: 1 + Math.round(Math.random() * 200) / 1000, locked: !ridden, pluggedIn: false, disabled: false, clockUnsure: false,
    };
  });
}

/** Records of a message are so far apart that the next message begins after them; as fast as it goes, a millisecond. */
const spacingOf = ({ recordsEach, messagesPerSecond }: LoadRun): number => (messagesPerSecond === undefined ? 1 : Math.max(1, Math.floor(1000 / messagesPerSecond / recordsEach)));

/** Fields 1 and 2 are taken out of the batch and put before it, with numbers of a fixed length. */
function prepare(connection: Connection, vehicle: number, run: LoadRun): void {
  const { recordsEach } = run;
  const spacingMs = spacingOf(run);
  const plain = encodeTelemetry({ bootCount: 1, records: recordsOf(vehicle, recordsEach, spacingMs) }, { deflate: false });
  // Envelope: tag and length, then the batch, which begins with its first time (tag and one byte): the first sequence is 0 and left out.
  let at = 1;
  while ((plain[at++] ?? 0) >= 0x80);
  const columns = Buffer.from(plain).subarray(at + 2);
  const head = Buffer.concat([Buffer.of(0x08), Buffer.alloc(sequenceBytes), Buffer.of(0x10), Buffer.alloc(timeBytes)]);
  const batch = Buffer.concat([head, columns]);
  const payload = Buffer.concat([Buffer.of(0x0a), Buffer.from(remainingLength(batch.length)), batch]);
  const topic = text(`vehicles/${connection.vehicleId}/telemetry`);
  connection.frame = packet(0x32, topic, Buffer.alloc(2), payload);
  const batchAt = connection.frame.length - batch.length;
  connection.packetIdAt = connection.frame.length - payload.length - 2;
  connection.sequenceAt = batchAt + 1;
  connection.timeAt = batchAt + 1 + sequenceBytes + 1;
}

function open(setup: LoadSetup, { vehicleId, certificatePem }: LoadVehicle): Promise<Connection> {
  return new Promise((resolve, reject) => {
    const secureContext = createSecureContext({ key: setup.keyPem, cert: certificatePem, ca: setup.authorityPem });
    const socket = connectTls({ host: setup.host, port: setup.port, secureContext, servername: 'localhost', checkServerIdentity: () => undefined }, () => socket.write(connectPacket(vehicleId)));
    socket.setNoDelay(true);
    const fail = (error: unknown) => reject(messageOf(vehicleId, error));
    socket.once('error', fail);
    socket.once('close', () => fail('closed'));
    socket.once('data', (bytes) => {
      if (bytes[0] !== 0x20 || bytes[3] !== 0) return fail(`refused with ${bytes.toString('hex')}`);
      resolve({ vehicleId, socket, sequence: 1, packetId: 0, frame: Buffer.alloc(0), packetIdAt: 0, sequenceAt: 0, timeAt: 0, newestMs: 0, sentAtMs: [], waiting: 0 });
    });
  });
}

async function openAll(setup: LoadSetup): Promise<Connection[]> {
  const connections: Connection[] = [];
  let next = 0;
  await Promise.all(Array.from({ length: connectingAtOnce }, async () => {
    for (let vehicle = setup.vehicles[next++]; vehicle; vehicle = setup.vehicles[next++]) connections.push(await open(setup, vehicle));
  }));
  return connections;
}

class Run {
  readonly #connections: readonly Connection[];
  readonly #run: LoadRun;
  readonly #latenciesMs: number[] = [];
  #messagesSent = 0;
  #acknowledged = 0;
  #sending = true;
  #settled: (() => void) | undefined;

  constructor(connections: readonly Connection[], run: LoadRun) {
    this.#connections = connections;
    this.#run = run;
  }

  #send(connection: Connection): void {
    const { frame } = connection;
    const nowMs = Date.now();
    const { recordsEach } = this.#run;
    const spanMs = (recordsEach - 1) * spacingOf(this.#run);
    connection.packetId = (connection.packetId % 65_535) + 1;
    frame.writeUInt16BE(connection.packetId, connection.packetIdAt);
    writeVarint(frame, connection.sequenceAt, sequenceBytes, connection.sequence);
    // The newest record was made just now; the clock of a vehicle does not go back.
    const firstMs = Math.max(nowMs - spanMs, connection.newestMs + 1);
    connection.newestMs = firstMs + spanMs;
    writeVarint(frame, connection.timeAt, timeBytes, firstMs);
    connection.sequence += recordsEach;
    connection.sentAtMs.push(performance.now());
    connection.socket.write(Buffer.from(frame));
    this.#messagesSent++;
  }

  /** All that comes is PUBACK: four bytes each. */
  #hear(connection: Connection, bytes: number): void {
    connection.waiting += bytes;
    for (; connection.waiting >= 4; connection.waiting -= 4) {
      this.#acknowledged++;
      const sentAtMs = connection.sentAtMs.shift();
      if (sentAtMs !== undefined && this.#latenciesMs.length < 2_000_000) this.#latenciesMs.push(performance.now() - sentAtMs);
      if (this.#sending && this.#run.messagesPerSecond === undefined) this.#send(connection);
    }
    if (!this.#sending && this.#acknowledged === this.#messagesSent) this.#settled?.();
  }

  async #atRate(messagesPerSecond: number): Promise<void> {
    const { seconds } = this.#run;
    const beganMs = performance.now();
    const perSecond = this.#connections.length * messagesPerSecond;
    for (let sent = 0; sent < perSecond * seconds; ) {
      const due = Math.min(perSecond * seconds, Math.floor(((performance.now() - beganMs) / 1000) * perSecond));
      for (; sent < due; sent++) {
        const connection = this.#connections[sent % this.#connections.length];
        if (connection) this.#send(connection);
      }
      await new Promise((resume) => setTimeout(resume, 5));
    }
  }

  async result(): Promise<LoadResult> {
    const cpu = process.cpuUsage();
    this.#connections.forEach((connection, index) => {
      prepare(connection, index, this.#run);
      connection.socket.removeAllListeners('data');
      connection.socket.on('data', (bytes: Buffer) => this.#hear(connection, bytes.length));
    });
    const beganMs = performance.now();
    if (this.#run.messagesPerSecond !== undefined) {
      await this.#atRate(this.#run.messagesPerSecond);
    } else {
      for (const connection of this.#connections) for (let count = 0; count < inFlight; count++) this.#send(connection);
      await new Promise((resume) => setTimeout(resume, this.#run.seconds * 1000));
    }
    const settled = new Promise<void>((resolve) => (this.#settled = resolve));
    this.#sending = false;
    if (this.#acknowledged < this.#messagesSent) await Promise.race([settled, new Promise((resume) => setTimeout(resume, 30_000))]);
    const { user, system } = process.cpuUsage(cpu);
    const sorted = this.#latenciesMs.sort((a, b) => a - b);
    const { recordsEach } = this.#run;
    return {
      messagesSent: this.#messagesSent, recordsSent: this.#messagesSent * recordsEach, recordsAcknowledged: this.#acknowledged * recordsEach, seconds: (performance.now() - beganMs) / 1000,
      acknowledgedP50Ms: Math.round(sorted[Math.floor(sorted.length / 2)] ?? 0), acknowledgedP99Ms: Math.round(sorted[Math.floor(sorted.length * 0.99)] ?? 0), cpuSeconds: (user + system) / 1e6,
    };
  }
}

let connections: Connection[] = [];
process.on('message', (message: { setup?: LoadSetup; run?: LoadRun }) => {
  const answer = async () => {
    if (message.setup) {
      connections = await openAll(message.setup);
      return { connected: connections.length };
    }
    return message.run ? { result: await new Run(connections, message.run).result() } : {};
  };
  answer().then((value) => process.send?.(value), (error: unknown) => process.send?.({ error: error instanceof Error ? error.message : String(error) }));
});
process.on('disconnect', () => process.exit(0));
