/** The network connection of one vehicle: MQTT over TLS with its own certificate, made anew when it breaks. */
import { isIP } from 'node:net';
import { connect as connectTls, type TLSSocket } from 'node:tls';
import { X509Certificate } from 'node:crypto';
import { type IClientOptions, MqttClient } from 'mqtt';
import type { Identity } from '../storage/port.ts';

/** Who knows whether something that counts from one moment to another, Unix milliseconds, may be believed now. */
export type Validity = (fromMs: number, toMs: number) => boolean;

/** What OpenSSL says when nothing is wrong but the time, by the clock of the machine. */
const ofTheTime: readonly unknown[] = ['CERT_NOT_YET_VALID', 'CERT_HAS_EXPIRED'];
const serverAuthentication = '1.3.6.1.5.5.7.3.1';
const usualPort = 8883;

/**
 * With a machine whose clock begins at 1970 no certificate is valid yet, and a vehicle that does not connect never hears what time
 * it is. So the dates are judged by what the agent knows of the time, and everything else as ever. The broker's certificate is signed by the authority itself.
 */
function isBrokerOf(authorityPem: string, host: string, shown: X509Certificate | undefined, validity: Validity): boolean {
  const authority = new X509Certificate(authorityPem);
  const namesHost = isIP(host) ? shown?.checkIP(host) : shown?.checkHost(host, { subject: 'never' });
  return shown !== undefined && authority.ca && shown.checkIssued(authority) && shown.verify(authority.publicKey) && namesHost !== undefined && (shown.keyUsage ?? []).includes(serverAuthentication)
    && [authority, shown].every(({ validFrom, validTo }) => validity(Date.parse(validFrom), Date.parse(validTo)));
}

/** TLS with the vehicle's certificate; ends with an error when the broker is not the platform's. */
function openTls({ brokerUrl, certificatePem, privateKeyPem, authorityPem }: Identity, validity: Validity): TLSSocket {
  const { hostname, port } = new URL(brokerUrl);
  const host = hostname.replace(/^\[|\]$/g, '');
  const socket = connectTls({ host, port: Number(port || usualPort), servername: isIP(host) ? '' : host, cert: certificatePem, key: privateKeyPem, ca: authorityPem, rejectUnauthorized: false });
  socket.once('secureConnect', () => {
    if (socket.authorized) return;
    const reason: unknown = socket.authorizationError;
    if (ofTheTime.includes(reason) && isBrokerOf(authorityPem, host, socket.getPeerX509Certificate(), validity)) return;
    socket.destroy(Object.assign(new Error(`this is not the platform's broker: ${String(reason)}`), { code: 'ERR_NOT_THE_BROKER' }));
  });
  return socket;
}

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

/** Connects; what becomes of it, its events tell. */
export function openClient(identity: Identity, clientId: string, validity: Validity): MqttClient {
  const options: IClientOptions = {
    clientId,
    // We connect anew ourselves: what was not acknowledged is on the disk, in order, and is sent from there.
    clean: true, reconnectPeriod: 0, resubscribe: false, queueQoSZero: false,
    keepalive: keepAliveSeconds, reschedulePings: true, connectTimeout: connectTimeoutMs, protocolVersion: 4,
  };
  return new MqttClient(() => openTls(identity, validity), options);
}

export interface LinkOptions {
  identity: Identity;
  /** Topics to hear. */
  subscriptions: readonly string[];
  random: () => number;
  validity: Validity;
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
    const { events, subscriptions, validity } = this.#options;
    const client = openClient(this.#identity, this.#identity.vehicleId, validity);
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
    client.on('message', (topic, payload) => {
      if (this.#client === client) events.message(topic, payload);
    });
    client.on('error', (error) => {
      if (this.#client === client && isRefusal(error)) events.refused();
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

/** Its listeners stay: one of them is its own, and ends the wait for a connection that is not there yet, which keeps a process alive. */
function letGo(client: MqttClient): void {
  client.on('error', () => undefined);
  client.end(true);
}
