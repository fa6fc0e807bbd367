/** Sends what waits in the storage, in order, a few at a time, until it was acknowledged. */
import type { AgentStorage, MessageKind, StoredMessage } from '../storage/port.ts';

export interface OutboxOptions {
  kind: MessageKind;
  topic: string;
  storage: AgentStorage;
  isConnected(): boolean;
  publish(topic: string, payload: string): Promise<void>;
  onTrouble(trouble: string, error: unknown): void;
}

const mostInFlight = 20;

/** Messages are on the disk; what is here is their numbers. What is not acknowledged when the connection breaks is sent again, from the oldest. */
export class Outbox {
  readonly #options: OutboxOptions;
  readonly #unsent: number[];
  /** What a full disk did not take, by number. */
  readonly #held = new Map<number, string>();
  #inFlight = 0;

  constructor(options: OutboxOptions) {
    this.#options = options;
    this.#unsent = options.storage.unsent(options.kind);
  }

  get waiting(): number {
    return this.#unsent.length;
  }

  /** The message is in the storage already. */
  add(sequence: number): void {
    this.#unsent.push(sequence);
    this.send();
  }

  /** The disk did not take the message: it waits in memory, and leaves from there. */
  hold(sequence: number, json: string): void {
    this.#held.set(sequence, json);
    this.add(sequence);
  }

  /** The disk takes messages again: those that waited in memory first. @param write throws when it does not */
  keepHeld(write: (message: StoredMessage) => void): void {
    for (const [sequence, json] of this.#held) {
      write({ kind: this.#options.kind, sequence, json });
      this.#held.delete(sequence);
    }
  }

  /** The connection is gone, and with it whatever was under way. */
  disconnected(): void {
    this.#inFlight = 0;
  }

  send(): void {
    const { isConnected, storage, kind, topic, publish } = this.#options;
    while (isConnected() && this.#inFlight < Math.min(mostInFlight, this.#unsent.length)) {
      const sequence = this.#unsent[this.#inFlight];
      const json = sequence === undefined ? undefined : (this.#held.get(sequence) ?? storage.message(kind, sequence));
      if (sequence === undefined || json === undefined) throw new Error(`${kind} message ${sequence} is not on the disk`);
      this.#inFlight += 1;
      publish(topic, json).then(
        () => this.#acknowledged(sequence),
        // The connection is gone; `disconnected` starts again from the oldest.
        () => undefined,
      );
    }
  }

  #acknowledged(sequence: number): void {
    const index = this.#unsent.indexOf(sequence);
    if (index < 0) return;
    this.#unsent.splice(index, 1);
    const { storage, kind, onTrouble } = this.#options;
    try {
      if (!this.#held.delete(sequence)) storage.forget(kind, sequence);
    } catch (error) {
      // Sent once more after the next start; the platform knows its number.
      onTrouble('what was acknowledged cannot be forgotten', error);
    }
    this.#inFlight = Math.max(0, this.#inFlight - 1);
    this.send();
  }
}
