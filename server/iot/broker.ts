/**
 * The MQTT broker: Aedes behind a TLS listener, with our policy. It runs in the module's process or in
 * several of their own; whatever needs the registry it asks of its core.
 */
import type { Socket } from 'node:net';
import { Aedes, type AedesPublishPacket, type AuthenticateError, type Client, type PublishPacket } from 'aedes';
import type { Clock } from '../infra/clock/port.ts';
import type { EventLog } from '../infra/events/port.ts';
import type { Logger, Tracer } from '../infra/observability/port.ts';
import { topics } from '../../edge/protocol/topics.ts';
import { type Door, type DoorOptions, openDoor, type Peer, type TlsMaterial } from './door.ts';
import { Allowance, certificateAllowance, type Identity, isCertificateTopic, isMeantBy, isVehicleId, maximumPacketBytes, maximumSubscriptions, maySubscribe, PacketSizeGuard, publishAllowance, routeOf } from './domain/policy.ts';
import { Intake } from './intake.ts';
import { type Counted, Tally } from './tally.ts';
import type { ThingMessage } from './thing-messages.ts';

/** `unavailable`: it cannot be said now. */
export type Admission = 'accepted' | 'unknown' | 'pending' | 'inactive' | 'revoked' | 'expired' | 'unavailable';

/** What a broker asks of the core. Connections have numbers, each broker its own. */
export interface BrokerCore {
  /** Whether this certificate opens a connection; from now on it may be told to end. */
  admit(connection: number, peer: Peer): Promise<Admission>;
  /** A request on `$aws/…`: what to answer, to the asker alone. Undefined: nobody serves that topic. */
  request(connection: number, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[] | undefined>;
  closed(connection: number): void;
}

/** What the core asks of a broker. */
export interface Broker {
  port: number;
  /** Writes to a connection what it has subscribed to; the rest, and what is for nobody, is left out. */
  send(connection: number, messages: readonly ThingMessage[]): void;
  end(connection: number): void;
  /** For those who are connected, and whoever subscribes later. */
  retainUnlockKeys(payload: Uint8Array): void;
  show(material: TlsMaterial): void;
  takeCounted(): Promise<Counted>;
  /** Ends all connections; resolves when what they published is safe. */
  close(): Promise<void>;
}

export interface BrokerOptions extends Pick<DoorOptions, 'host' | 'port' | 'shared' | 'material' | 'logger'> {
  core: BrokerCore;
  clock: Clock;
  logger: Logger;
  tracer: Tracer;
  events: EventLog;
  unlockKeys: Uint8Array;
}

interface Session extends Identity {
  connection: number;
  client: Client;
  allowance: Allowance;
  /** Made at the first request for a certificate. */
  certificateAllowance?: Allowance;
  /** Filter → quality of service. */
  subscriptions: Map<string, 0 | 1>;
}

const connectTimeoutMs = 10_000;
/** As AWS IoT Core: silence is noticed after one and a half of it. */
const longestKeepAliveSeconds = 1_200;
const serverUnavailable = 3;
const notAuthorised = 5;

const refusal = (returnCode: number, message: string): AuthenticateError => Object.assign(new Error(message), { returnCode });
const bytesOf = (payload: string | Buffer): Uint8Array => (typeof payload === 'string' ? Buffer.from(payload) : payload);

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

/**
 * What vehicles publish has been taken by the time Aedes would hand it on, and what goes down is written to the
 * one connection that it is for. So there are no subscribers to look for, which is most of what a message costs.
 */
class PointToPoint extends Aedes {
  override publish(_packet: PublishPacket, ...more: unknown[]): void {
    const done = more.at(-1);
    if (typeof done === 'function') done();
  }

  override subscribe(_topic: string, _deliver: (packet: AedesPublishPacket, callback: () => void) => void, callback: () => void): void {
    callback();
  }

  override unsubscribe(_topic: string, _deliver: (packet: AedesPublishPacket, callback: () => void) => void, callback?: () => void): void {
    callback?.();
  }
}

class DeviceBroker implements Broker {
  port = 0;
  readonly #core: BrokerCore;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #tally: Tally;
  readonly #intake: Intake;
  readonly #aedes: Aedes;
  readonly #peers = new WeakMap<object, Peer>();
  readonly #sessions = new WeakMap<Client, Session>();
  readonly #byConnection = new Map<number, Session>();
  #unlockKeys: Uint8Array;
  #door: Door | undefined;
  #lastConnection = 0;

  constructor({ core, clock, logger, tracer, events, unlockKeys }: BrokerOptions) {
    this.#core = core;
    this.#clock = clock;
    this.#logger = logger;
    this.#unlockKeys = unlockKeys;
    this.#tally = new Tally(clock);
    this.#intake = new Intake({ events, clock, logger, tracer, tally: this.#tally });
    this.#aedes = this.#createAedes();
  }

  async open(options: BrokerOptions): Promise<void> {
    await this.#aedes.listen();
    this.#door = await openDoor({
      ...options,
      onConnection: (socket, peer) => {
        limitPackets(socket, () => this.#tally.refused('packet-size'));
        this.#peers.set(socket, peer);
        this.#aedes.handle(socket);
      },
      onRefused: (reason) => this.#tally.refused(reason),
    });
    this.port = this.#door.port;
  }

  #createAedes(): Aedes {
    const aedes = new PointToPoint({
      connectTimeout: connectTimeoutMs,
      preConnect: (client, packet, callback) => {
        const peer = this.#peers.get(client.conn);
        // No session outlives its connection: reports are kept by the vehicle, commands by the vehicle service.
        packet.clean = true;
        delete packet.will;
        packet.keepalive = Math.min(packet.keepalive || longestKeepAliveSeconds, longestKeepAliveSeconds);
        const named = peer !== undefined && (isVehicleId(packet.clientId) && (peer.kind === 'claim' || packet.clientId === peer.name));
        if (!named) {
          this.#tally.refused('name');
          return callback(new Error('the client id must be the common name of the certificate'), false);
        }
        const session = this.#openSession(client, peer, packet.clientId);
        // Many devices come with one claim: none of them may take the place of a vehicle, whose ids have no slash.
        if (peer.kind === 'claim') packet.clientId = `claim/${session.connection}/${packet.clientId}`;
        callback(null, true);
      },
      authenticate: (client, _userName, _password, done) => this.#authenticate(client, done),
      authorizePublish: (client, packet, callback) => this.#publish(client, packet, callback),
      authorizeSubscribe: (client, subscription, callback) => {
        const session = this.#sessions.get(client);
        const allowed = session !== undefined && maySubscribe(session, subscription.topic) && session.subscriptions.size < maximumSubscriptions;
        if (!allowed) {
          this.#tally.refused('subscribe');
          return callback(null, null);
        }
        subscription.qos = subscription.qos === 0 ? 0 : 1;
        session.subscriptions.set(subscription.topic, subscription.qos);
        callback(null, subscription);
      },
    });
    aedes.on('subscribe', (subscriptions, client) => {
      const session = this.#sessions.get(client);
      if (session && subscriptions.some(({ topic }) => topic === topics.unlockKeys)) this.#write(session, { topic: topics.unlockKeys, payload: this.#unlockKeys }, true);
    });
    aedes.on('unsubscribe', (filters, client) => {
      for (const filter of filters) this.#sessions.get(client)?.subscriptions.delete(filter);
    });
    aedes.on('clientError', (client, error) => this.#logger.debug({ client: client.id, error: error.message }, 'a connection failed'));
    aedes.on('connectionError', (_client, error) => this.#logger.debug({ error: error.message }, 'a connection failed before it was a vehicle'));
    return aedes;
  }

  #openSession(client: Client, peer: Peer, clientId: string): Session {
    const connection = ++this.#lastConnection;
    const session: Session = {
      kind: peer.kind, name: peer.kind === 'device' ? peer.name : clientId, connection, client, subscriptions: new Map(),
      allowance: new Allowance(publishAllowance, this.#clock.nowMs()),
    };
    this.#sessions.set(client, session);
    this.#byConnection.set(connection, session);
    client.conn.once('close', () => {
      this.#byConnection.delete(connection);
      this.#core.closed(connection);
    });
    return session;
  }

  #authenticate(client: Client, done: (error: AuthenticateError | null, success: boolean | null) => void): void {
    const session = this.#sessions.get(client);
    const peer = this.#peers.get(client.conn);
    if (!session || !peer) return done(refusal(notAuthorised, 'no certificate'), false);
    // A claim's devices are told apart by their client ids.
    this.#core.admit(session.connection, { ...peer, name: session.name }).then(
      (admission) => {
        if (admission === 'accepted') return done(null, true);
        this.#tally.refused(admission);
        done(refusal(admission === 'unavailable' ? serverUnavailable : notAuthorised, `the certificate is ${admission}`), false);
      },
      (error: unknown) => {
        this.#logger.error({ error, client: session.name }, 'a certificate cannot be checked');
        done(refusal(serverUnavailable, 'try again'), false);
      },
    );
  }

  #publish(client: Client | null, packet: PublishPacket, callback: (error?: Error | null) => void): void {
    const session = client ? this.#sessions.get(client) : undefined;
    const route = session && packet.qos !== 2 ? routeOf(session, packet.topic) : undefined;
    if (!session || !route) {
      this.#tally.refused('publish');
      return callback(new Error('a device publishes on its own topics only, with quality of service 0 or 1'));
    }
    if (!this.#mayGoOn(session, packet.topic)) {
      this.#tally.refused('flood');
      return callback(new Error('more messages than a vehicle has to say'));
    }
    packet.retain = false;
    // Aedes acknowledges after the callback: at quality of service 1 "acknowledged" means "kept", or "answered".
    if (route === 'request') this.#request(session, packet.topic, bytesOf(packet.payload), callback);
    else this.#intake.accept(route, session.name, bytesOf(packet.payload), callback);
  }

  #mayGoOn(session: Session, topic: string): boolean {
    const nowMs = this.#clock.nowMs();
    if (!session.allowance.take(nowMs)) return false;
    if (!isCertificateTopic(topic)) return true;
    session.certificateAllowance ??= new Allowance(certificateAllowance, nowMs);
    return session.certificateAllowance.take(nowMs);
  }

  #request(session: Session, topic: string, payload: Uint8Array, callback: (error?: Error | null) => void): void {
    this.#tally.received('request');
    this.#core.request(session.connection, topic, payload).then(
      (answers) => {
        if (!answers) this.#tally.dropped('no-such-topic', topic, session.name, payload);
        for (const answer of answers ?? []) this.#write(session, answer, false);
        callback();
      },
      (error: unknown) => {
        this.#logger.error({ error, topic }, 'a request of a device cannot be answered; it will ask again');
        callback(new Error('the request cannot be answered now'));
      },
    );
  }

  #write(session: Session, { topic, payload }: ThingMessage, retain: boolean): void {
    let granted: 0 | 1 | undefined;
    for (const [filter, qos] of session.subscriptions) if (isMeantBy(filter, topic)) granted = qos === 1 ? 1 : (granted ?? 0);
    if (granted === undefined) return;
    session.client.publish({ cmd: 'publish', topic, payload: Buffer.from(payload), qos: granted, retain, dup: false }, (error) => {
      if (error) this.#logger.debug({ error: error.message, client: session.name, topic }, 'a message was not delivered');
    });
  }

  send(connection: number, messages: readonly ThingMessage[]): void {
    const session = this.#byConnection.get(connection);
    if (session) for (const message of messages) this.#write(session, message, false);
  }

  end(connection: number): void {
    this.#byConnection.get(connection)?.client.close();
  }

  retainUnlockKeys(payload: Uint8Array): void {
    this.#unlockKeys = payload;
    for (const session of this.#byConnection.values()) this.#write(session, { topic: topics.unlockKeys, payload }, false);
  }

  show(material: TlsMaterial): void {
    this.#door?.show(material);
  }

  async takeCounted(): Promise<Counted> {
    return this.#tally.take();
  }

  async close(): Promise<void> {
    const closed = this.#door?.close();
    await new Promise<void>((resolve) => this.#aedes.close(() => resolve()));
    for (const { client } of this.#byConnection.values()) client.conn.destroy();
    await closed;
    await this.#intake.settled();
  }
}

/** Starts listening. @throws when the address cannot be used */
export async function openBroker(options: BrokerOptions): Promise<Broker> {
  const broker = new DeviceBroker(options);
  await broker.open(options);
  return broker;
}
