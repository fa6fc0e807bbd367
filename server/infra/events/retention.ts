/** Removes by itself, in rounds, what every group has handled and is older than its topic keeps. */

const leastPauseMs = 100;
const mostPauseMs = 60_000;

export class Retention {
  readonly #retentionMs: Readonly<Record<string, number>>;
  readonly #trim: (topic: string, olderThanMs: number) => Promise<unknown>;
  readonly #onFailure: (error: unknown) => void;
  readonly #timer: NodeJS.Timeout | undefined;
  #round: Promise<void> | undefined;
  #stopped = false;

  /**
   * @param retentionMs of the topics that are trimmed; the others keep what they have
   * @param onFailure told when a round could not be finished; the next one tries again
   */
  constructor(retentionMs: Readonly<Record<string, number>>, trim: (topic: string, olderThanMs: number) => Promise<unknown>, onFailure: (error: unknown) => void) {
    this.#retentionMs = retentionMs;
    this.#trim = trim;
    this.#onFailure = onFailure;
    const shortestMs = Math.min(...Object.values(retentionMs));
    if (shortestMs < Number.POSITIVE_INFINITY) this.#timer = setInterval(() => this.#begin(), Math.max(leastPauseMs, Math.min(mostPauseMs, shortestMs / 4))).unref();
  }

  /** One round at a time. */
  #begin(): void {
    this.#round ??= this.#trimAll()
      .catch(this.#onFailure)
      .finally(() => (this.#round = undefined));
  }

  async #trimAll(): Promise<void> {
    for (const [topic, olderThanMs] of Object.entries(this.#retentionMs)) if (!this.#stopped) await this.#trim(topic, olderThanMs);
  }

  /** Begins nothing more. Resolves when the topic in hand is done. */
  async stop(): Promise<void> {
    this.#stopped = true;
    clearInterval(this.#timer);
    await this.#round;
  }
}
