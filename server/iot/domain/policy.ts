/** Who may say and hear what on the broker, and which frames are too large to be read. */
import { provisioningTemplate, topics } from '../../../edge/protocol/topics.ts';
import { VehicleId } from '../../services/vehicle/contract.ts';

/** Larger MQTT packets end the connection before they are held in memory: the largest message of 64 KiB, its topic and its header. */
export const maximumPacketBytes = 66 * 1024;
/** As AWS IoT Core: a connection has at most so many subscriptions. */
export const maximumSubscriptions = 50;

/** Who the certificate of a connection says it is. */
export interface Identity {
  kind: 'claim' | 'device';
  /** Of a device: its vehicle's id. */
  name: string;
}

/** What a message is, by its topic. */
export type Route = 'telemetry' | 'state' | 'alerts' | 'request';

/** The platform makes the key pair as well. */
export const createCertificateTopic = '$aws/certificates/create/json';
export const registerTopic = topics.registerThing(provisioningTemplate);
const provisioningTopics: readonly string[] = [topics.createCertificateFromCsr, createCertificateTopic, registerTopic];

/**
 * What this one may publish: a device on its own topics, a claim asks for a certificate, and nothing else.
 * @returns undefined for every other topic
 */
export function routeOf({ kind, name }: Identity, topic: string): Route | undefined {
  if (provisioningTopics.includes(topic)) return 'request';
  if (kind === 'claim') return undefined;
  if (topic.startsWith('vehicles/') && topic.startsWith(name, 9)) {
    // No string is made: this is asked for every message.
    const rest = topic.length - 9 - name.length;
    if (rest === 10 && topic.endsWith('/telemetry')) return 'telemetry';
    if (rest === 6 && topic.endsWith('/state')) return 'state';
    if (rest === 7 && topic.endsWith('/alerts')) return 'alerts';
    return undefined;
  }
  return topic.startsWith('$aws/things/') && topic.startsWith(`${name}/`, 12) ? 'request' : undefined;
}

const isAnswerFilter = (filter: string): boolean => provisioningTopics.some((topic) => ['/accepted', '/rejected', '/+'].some((end) => filter === topic + end));

/** What this one may hear: answers to its own requests; a device also its commands, the unlock keys, and whatever is below its own thing. */
export function maySubscribe({ kind, name }: Identity, filter: string): boolean {
  if (isAnswerFilter(filter)) return true;
  if (kind === 'claim') return false;
  return filter === topics.commands(name) || filter === topics.unlockKeys || (filter.startsWith(`$aws/things/${name}/`) && filter.length > 13 + name.length);
}

/** Whether a topic is meant by a filter, whose levels may be `+`, and the last one `#`. */
export function isMeantBy(filter: string, topic: string): boolean {
  if (filter === topic) return true;
  if (!filter.includes('+') && !filter.endsWith('#')) return false;
  const wanted = filter.split('/');
  const levels = topic.split('/');
  for (const [index, level] of wanted.entries()) {
    if (level === '#') return true;
    if (index >= levels.length || (level !== '+' && level !== levels[index])) return false;
  }
  return wanted.length === levels.length;
}

export const isVehicleId = (name: string): boolean => VehicleId.safeParse(name).success;

/**
 * Follows the packets of one connection by their fixed headers and says when one announces more than
 * `maximumBytes`: MQTT allows 256 MB, and a parser would collect them.
 */
export class PacketSizeGuard {
  readonly #maximumBytes: number;
  /** Bytes of the packet in hand that are still to come; 0 at a packet's first byte. */
  #remaining = 0;
  #inLength = false;
  #length = 0;
  #shift = 0;

  constructor(maximumBytes: number) {
    this.#maximumBytes = maximumBytes;
  }

  /** @returns false when a packet is too large or its length is malformed; the connection is then of no more use */
  accepts(chunk: Uint8Array): boolean {
    let offset = 0;
    while (offset < chunk.length) {
      if (this.#remaining > 0) {
        const taken = Math.min(this.#remaining, chunk.length - offset);
        this.#remaining -= taken;
        offset += taken;
      } else if (!this.#inLength) {
        this.#inLength = true;
        this.#length = 0;
        this.#shift = 0;
        offset += 1;
      } else {
        const byte = chunk[offset] ?? 0;
        offset += 1;
        this.#length += (byte & 0x7f) * 2 ** this.#shift;
        this.#shift += 7;
        if (this.#length > this.#maximumBytes || this.#shift > 28) return false;
        if (byte < 0x80) {
          this.#inLength = false;
          this.#remaining = this.#length;
        }
      }
    }
    return true;
  }
}

/** What a vehicle has to say after a day without a network fits into the burst; the rate is what AWS IoT Core allows a connection. */
export const publishAllowance = { burst: 5_000, perSecond: 100 } as const;

/** A certificate costs a signature and a row; a device needs one in years. */
export const certificateAllowance = { burst: 20, perSecond: 0.1 } as const;
export const isCertificateTopic = (topic: string): boolean => topic === topics.createCertificateFromCsr || topic === createCertificateTopic;

/** How much one connection may still publish: a bucket that fills with time. */
export class Allowance {
  readonly #burst: number;
  readonly #perSecond: number;
  #left: number;
  #filledAtMs: number;

  constructor({ burst, perSecond }: { burst: number; perSecond: number }, nowMs: number) {
    this.#burst = burst;
    this.#perSecond = perSecond;
    this.#left = burst;
    this.#filledAtMs = nowMs;
  }

  /** @returns false when it is used up */
  take(nowMs: number): boolean {
    this.#left = Math.min(this.#burst, this.#left + (Math.max(0, nowMs - this.#filledAtMs) / 1000) * this.#perSecond);
    this.#filledAtMs = nowMs;
    if (this.#left < 1) return false;
    this.#left -= 1;
    return true;
  }
}
