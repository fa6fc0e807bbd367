/** Who may say and hear what on the broker, and which frames are too large to be read. */
import { VehicleId } from '../../services/vehicle/contract.ts';
import { topics } from '../../../edge/protocol/topics.ts';

/** A state report is about 500 bytes; a full list of command results about 4 KB. */
export const maximumReportBytes = 8 * 1024;
/** Larger MQTT packets end the connection before they are held in memory. */
export const maximumPacketBytes = 16 * 1024;
export const longestSecretBytes = 200;

/** A device may publish its own state only. */
export const mayPublish = (clientId: string, topic: string): boolean => topic === topics.state(clientId);

/** A device may hear its own commands and the public keys. Wildcards are no topic of ours, so they are refused. */
export const maySubscribe = (clientId: string, topic: string): boolean => topic === topics.commands(clientId) || topic === topics.unlockKeys;

/** Client id and user name are both the vehicle's id. */
export const isDeviceName = (clientId: string, userName: string | undefined): boolean => clientId === userName && VehicleId.safeParse(clientId).success;

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

/** What a vehicle has to say after a day without a network fits into the burst; a ride needs a report every few seconds. */
export const reportAllowance = { burst: 5_000, perSecond: 20 } as const;

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
