/** What a broker counts: cheap to count, taken away now and then by whoever adds it up. */
import type { Clock } from '../infra/clock/port.ts';

export interface Sample {
  reason: string;
  topic: string;
  vehicleId: string;
  at: string;
  payloadBase64: string;
}

/** What has happened since the last time it was taken. */
export interface Counted {
  received: Record<string, number>;
  refused: Record<string, number>;
  dropped: Record<string, number>;
  samples: Sample[];
}

const sampledBytes = 256;
export const samplesPerReason = 3;

export class Tally {
  readonly #clock: Clock;
  #counted: Counted = { received: {}, refused: {}, dropped: {}, samples: [] };

  constructor(clock: Clock) {
    this.#clock = clock;
  }

  received(route: string, count = 1): void {
    this.#counted.received[route] = (this.#counted.received[route] ?? 0) + count;
  }

  refused(reason: string): void {
    this.#counted.refused[reason] = (this.#counted.refused[reason] ?? 0) + 1;
  }

  /** Keeps the beginning of the last few of each reason, to look at. */
  dropped(reason: string, topic: string, vehicleId: string, payload: Uint8Array): void {
    const { dropped, samples } = this.#counted;
    dropped[reason] = (dropped[reason] ?? 0) + 1;
    const payloadBase64 = Buffer.from(payload.subarray(0, sampledBytes)).toString('base64');
    this.#counted.samples = lastOfEachReason([...samples, { reason, topic, vehicleId, at: this.#clock.now().toISOString(), payloadBase64 }]);
  }

  take(): Counted {
    const counted = this.#counted;
    this.#counted = { received: {}, refused: {}, dropped: {}, samples: [] };
    return counted;
  }
}

/** @param samples the oldest first */
export function lastOfEachReason(samples: readonly Sample[]): Sample[] {
  const kept = new Map<string, number>();
  return samples.toReversed().filter(({ reason }) => {
    const count = (kept.get(reason) ?? 0) + 1;
    kept.set(reason, count);
    return count <= samplesPerReason;
  }).toReversed();
}
