/** The network connection of one vehicle: MQTT with its own credentials, made anew when it breaks. */
import mqtt, { type MqttClient } from 'mqtt';
import { topics } from '../edge/protocol/topics.ts';
import type { DeviceCredentials } from './storage.ts';

export interface LinkEvents {
  connected(): void;
  disconnected(): void;
  message(topic: string, payload: Uint8Array): void;
  /** The broker does not know these credentials (any more). */
  refused(): void;
}

const firstPauseMs = 200;
const longestPauseMs = 30_000;
const connectTimeoutMs = 10_000;
const keepAliveSeconds = 60;
const badCredentials: readonly unknown[] = [4, 5];

export class DeviceLink {
  readonly #events: LinkEvents;
  readonly #random: () => number;
  #credentials: DeviceCredentials;
  #client: MqttClient | undefined;
  #retry: NodeJS.Timeout | undefined;
  #wanted = false;
  #isListening = false;
  #failures = 0;

  constructor(credentials: DeviceCredentials, random: () => number, events: LinkEvents) {
    this.#credentials = credentials;
    this.#random = random;
    this.#events = events;
  }

  /** Connected, and listening to commands. */
  get isConnected(): boolean {
    return this.#isListening && this.#client?.connected === true;
  }

  /** Connects, and again whenever the connection is lost, with growing pauses. */
  connect(credentials = this.#credentials): void {
    this.#credentials = credentials;
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
    if (!client) return;
    client.removeAllListeners();
    client.on('error', () => undefined);
    client.end(true);
    this.#events.disconnected();
  }

  /** Resolves when the broker has acknowledged. @throws when the connection was lost before */
  async publish(topic: string, payload: string): Promise<void> {
    if (!this.#client) throw new Error('not connected');
    await this.#client.publishAsync(topic, payload, { qos: 1 });
  }

  #open(): void {
    const { brokerUrl, clientId, userName, password } = this.#credentials;
    const client = mqtt.connect(brokerUrl, {
      // We connect anew ourselves: what was not acknowledged is on the disk, in order, and is sent from there.
      clientId, username: userName, password, clean: true, reconnectPeriod: 0, resubscribe: false, queueQoSZero: false,
      keepalive: keepAliveSeconds, reschedulePings: true, connectTimeout: connectTimeoutMs, protocolVersion: 4,
    });
    this.#client = client;
    this.#isListening = false;
    client.on('connect', () => {
      this.#failures = 0;
      client.subscribeAsync([topics.commands(clientId), topics.unlockKeys], { qos: 1 }).then(
        () => {
          if (this.#client !== client) return;
          this.#isListening = true;
          this.#events.connected();
        },
        () => client.end(true),
      );
    });
    client.on('message', (topic, payload) => this.#events.message(topic, payload));
    client.on('error', (error) => {
      if ('code' in error && badCredentials.includes(error.code)) this.#events.refused();
    });
    client.on('close', () => {
      if (this.#client !== client) return;
      this.#client = undefined;
      client.removeAllListeners();
      client.on('error', () => undefined);
      client.end(true);
      this.#events.disconnected();
      this.#failures += 1;
      if (!this.#wanted) return;
      const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(this.#failures - 1, 10)) * (0.5 + this.#random());
      this.#retry = setTimeout(() => {
        this.#retry = undefined;
        if (this.#wanted) this.#open();
      }, pauseMs);
    });
  }
}
