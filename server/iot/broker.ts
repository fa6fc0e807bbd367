/** The MQTT broker: Aedes behind a TCP listener, with our policy. */
import { once } from 'node:events';
import { createServer, type Server, type Socket } from 'node:net';
import { Aedes, type AuthenticateError, type Client } from 'aedes';
import type { Clock } from '../infra/clock/port.ts';
import type { Logger, Metrics } from '../infra/observability/port.ts';
import { Allowance, isDeviceName, longestSecretBytes, maximumPacketBytes, mayPublish, maySubscribe, PacketSizeGuard, reportAllowance } from './domain/policy.ts';
import { topics } from '../../edge/protocol/topics.ts';

export interface BrokerOptions {
  host: string;
  /** Tried first; another free one is taken when somebody has it. 0 takes any. */
  port: number;
  clock: Clock;
  logger: Logger;
  metrics: Metrics;
  /** Whether this secret opens the account of this vehicle. */
  authenticate(vehicleId: string, secret: Uint8Array): Promise<boolean>;
  /** Resolves when the report is safe; only then the vehicle is told so. */
  accept(vehicleId: string, payload: Uint8Array): Promise<void>;
}

export interface Broker {
  port: number;
  /** @returns whether the vehicle is connected now */
  deliver(vehicleId: string, message: unknown): Promise<boolean>;
  retainUnlockKeys(keys: unknown): Promise<void>;
  disconnect(vehicleId: string): void;
  close(): Promise<void>;
}

const connectTimeoutMs = 10_000;
const maximumConnections = 60_000;
const badCredentials = 4;
const serverUnavailable = 3;

const refusal = (returnCode: number, message: string): AuthenticateError => Object.assign(new Error(message), { returnCode });

/** Ends a connection whose next packet is too large, before the parser collects it. */
function limitPackets(socket: Socket, onRefused: () => void): void {
  const guard = new PacketSizeGuard(maximumPacketBytes);
  const read = socket.read.bind(socket);
  // Aedes pulls from the socket; looking at what it pulls costs no copy and no second stream for each vehicle.
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!(chunk instanceof Uint8Array) || guard.accepts(chunk)) return chunk;
    onRefused();
    socket.destroy();
    return null;
  };
}

async function listen(server: Server, host: string, port: number, logger: Logger): Promise<number> {
  server.listen(port, host);
  try {
    await once(server, 'listening');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error;
    logger.warn({ port }, 'the MQTT port is taken; another one is used');
    server.listen(0, host);
    await once(server, 'listening');
  }
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('the MQTT broker has no port');
  return address.port;
}

async function createAedes(options: BrokerOptions): Promise<Aedes> {
  const { metrics, logger, clock } = options;
  const allowances = new WeakMap<Client, Allowance>();
  const mayGoOn = (client: Client): boolean => {
    const allowance = allowances.get(client) ?? new Allowance(reportAllowance, clock.nowMs());
    allowances.set(client, allowance);
    return allowance.take(clock.nowMs());
  };
  const refused = (reason: string) => metrics.count('iot_refused_total', 'What the broker refused', { reason });
  return Aedes.createBroker({
    connectTimeout: connectTimeoutMs,
    preConnect(_client, packet, callback) {
      // No session outlives its connection: reports are kept by the vehicle, commands by the vehicle service.
      packet.clean = true;
      delete packet.will;
      const named = isDeviceName(packet.clientId, packet.username);
      if (!named) refused('name');
      callback(named ? null : new Error('client id and user name must be the id of a vehicle'), named);
    },
    authenticate(client, _userName, password, done) {
      if (!password || password.byteLength > longestSecretBytes) {
        refused('credentials');
        return done(refusal(badCredentials, 'no secret'), false);
      }
      options.authenticate(client.id, password).then(
        (known) => {
          if (!known) refused('credentials');
          done(known ? null : refusal(badCredentials, 'wrong secret'), known);
        },
        (error: unknown) => {
          logger.error({ error, vehicleId: client.id }, 'credentials of a vehicle cannot be checked');
          done(refusal(serverUnavailable, 'try again'), false);
        },
      );
    },
    authorizePublish(client, packet, callback) {
      if (!client || packet.qos === 2 || !mayPublish(client.id, packet.topic)) {
        refused('publish');
        return callback(new Error('a vehicle publishes its own state only, with quality of service 0 or 1'));
      }
      if (!mayGoOn(client)) {
        refused('flood');
        return callback(new Error('more reports than a vehicle has to say'));
      }
      packet.retain = false;
      const payload = typeof packet.payload === 'string' ? Buffer.from(packet.payload) : packet.payload;
      // Aedes acknowledges after this callback: at quality of service 1 "acknowledged" means "kept".
      options.accept(client.id, payload).then(() => callback(null), (error: unknown) => {
        logger.error({ error, vehicleId: client.id }, 'a report cannot be kept; the vehicle will send it again');
        callback(new Error('the report cannot be kept now'));
      });
    },
    authorizeSubscribe(client, subscription, callback) {
      const allowed = maySubscribe(client.id, subscription.topic);
      if (!allowed) refused('subscribe');
      callback(null, allowed ? subscription : null);
    },
  });
}

/** Starts listening. @throws when the address cannot be used */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const { logger, metrics } = options;
  const aedes = await createAedes(options);
  const clients = new Map<string, Client>();
  aedes.on('client', (client) => clients.set(client.id, client));
  aedes.on('clientDisconnect', (client) => {
    // After a take-over the id belongs to the newer connection.
    if (clients.get(client.id) === client) clients.delete(client.id);
  });
  aedes.on('clientError', (client, error) => logger.debug({ vehicleId: client.id, error: error.message }, 'a vehicle connection failed'));
  aedes.on('connectionError', (_client, error) => logger.debug({ error: error.message }, 'a connection failed before it was a vehicle'));
  metrics.gauge('iot_connected_vehicles', 'Vehicles that are connected now', () => clients.size);

  const server = createServer((socket) => {
    socket.setNoDelay(true);
    limitPackets(socket, () => metrics.count('iot_refused_total', 'What the broker refused', { reason: 'packet-size' }));
    aedes.handle(socket);
  });
  server.maxConnections = maximumConnections;
  const port = await listen(server, options.host, options.port, logger);

  const publish = (topic: string, message: unknown, retain: boolean): Promise<void> =>
    new Promise((resolve, reject) => {
      const packet = { cmd: 'publish', topic, payload: Buffer.from(JSON.stringify(message)), qos: 1, retain, dup: false } as const;
      aedes.publish(packet, (error) => (error ? reject(error) : resolve()));
    });

  return {
    port,
    async deliver(vehicleId, message) {
      if (!clients.has(vehicleId)) return false;
      // Not awaited: a vehicle that is slow to acknowledge must not hold up the caller. State is the proof.
      publish(topics.commands(vehicleId), message, false).catch((error: unknown) => logger.debug({ error, vehicleId }, 'a command was not delivered'));
      return true;
    },
    retainUnlockKeys: (keys) => publish(topics.unlockKeys, keys, true),
    disconnect: (vehicleId) => clients.get(vehicleId)?.close(),
    async close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      await new Promise<void>((resolve) => aedes.close(() => resolve()));
      await closed;
    },
  };
}
