/** The network connection of one vehicle: MQTT over TLS with its own certificate, made anew when it breaks. */
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { Identity } from '../storage/port.ts';

export interface LinkEvents {
  /** Connected, and every subscription confirmed. */
  connected(): void;
  disconnected(): void;
  message(topic: string, payload: Uint8Array): void;
  /** The platform does not take this certificate (any more). */
  refused(): void;
}

const firstPauseMs = 200;
const longestPauseMs = 30_000;
const connectTimeoutMs = 15_000;
const keepAliveSeconds = 60;
/** MQTT 3.1.1: bad user name or password, not authorised. */
const refusalCodes: readonly unknown[] = [4, 5];
/** Alerts of TLS by which a server says that it is the certificate that it does not like. */
const isRefusal = (error: Error): boolean => {
  const code: unknown = 'code' in error ? error.code : undefined;
  return refusalCodes.includes(code) || /^ERR_SSL_.*(?:CERTIFICATE|UNKNOWN_CA)/.test(String(code));
};

export function connectionOptions(identity: Identity, clientId: string): IClientOptions {
  return {
    clientId, cert: identity.certificatePem, key: identity.privateKeyPem, ca: identity.authorityPem,
    // We connect anew ourselves: what was not acknowledged is on the disk, in order, and is sent from there.
    clean: true, reconnectPeriod: 0, resubscribe: false, queueQoSZero: false,
    keepalive: keepAliveSeconds, reschedulePings: true, connectTimeout: connectTimeoutMs, protocolVersion: 4,
  };
}

export interface LinkOptions {
  identity: Identity;
  /** Topics to hear. */
  subscriptions: readonly string[];
  random: () => number;
  events: LinkEvents;
}

export class DeviceLink {
  readonly #options: LinkOptions;
  #identity: Identity;
  #client: MqttClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #wanted = false;
  #isListening = false;
  #failures = 0;

  constructor(options: LinkOptions) {
    this.#options = options;
    this.#identity = options.identity;
  }

  /** Connected, and listening to commands. */
  get isConnected(): boolean {
    return this.#isListening && this.#client?.connected === true;
  }

  /** Connects, and again whenever the connection is lost, with growing pauses. */
  connect(identity = this.#identity): void {
    this.#identity = identity;
    this.#wanted = true;
    if (!this.#client && !this.#retry) this.#open();
  }

  /** Cuts the connection at once, as a tunnel does. */
  disconnect(): void {
    this.#wanted = false;
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const client = this.#client;
    this.#client = undefined;
    this.#isListening = false;
    if (!client) return;
    letGo(client);
    this.#options.events.disconnected();
  }

  /** Resolves when the broker has acknowledged. @throws when the connection was lost before */
  async publish(topic: string, payload: string | Uint8Array): Promise<void> {
    if (!this.#client) throw new Error('not connected');
    await this.#client.publishAsync(topic, typeof payload === 'string' ? payload : Buffer.from(payload.buffer, payload.byteOffset, payload.byteLength), { qos: 1 });
  }

  #open(): void {
    const { events, subscriptions } = this.#options;
    const client = mqtt.connect(this.#identity.brokerUrl, connectionOptions(this.#identity, this.#identity.vehicleId));
    this.#client = client;
    this.#isListening = false;
    client.on('connect', () => {
      client.subscribeAsync([...subscriptions], { qos: 1 }).then(
        () => {
          if (this.#client !== client) return;
          this.#failures = 0;
          this.#isListening = true;
          events.connected();
        },
        () => client.end(true),
      );
    });
    client.on('message', (topic, payload) => events.message(topic, payload));
    client.on('error', (error) => {
      if (isRefusal(error)) events.refused();
    });
    client.on('close', () => this.#closed(client));
  }

  #closed(client: MqttClient): void {
    if (this.#client !== client) return;
    this.#client = undefined;
    this.#isListening = false;
    letGo(client);
    this.#options.events.disconnected();
    this.#failures += 1;
    if (!this.#wanted) return;
    const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 10)) * (0.5 + this.#options.random());
    this.#retry = setTimeout(() => {
      this.#retry = undefined;
      if (this.#wanted) this.#open();
    }, pauseMs);
  }
}

function letGo(client: MqttClient): void {
  client.removeAllListeners();
  client.on('error', () => undefined);
  client.end(true);
}
