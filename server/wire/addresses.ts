/** The addresses of a module that runs in several processes: which one is asked next, and which are left alone for now. */

const firstPauseMs = 100;
const longestPauseMs = 2_000;

interface Address {
  url: string;
  inFlight: number;
  failures: number;
  /** Not asked before, unless no other is left. */
  awayUntilMs: number;
}

export class Addresses {
  readonly #addresses: readonly Address[];
  readonly #nowMs: () => number;
  /** Since when none of them has answered. */
  #absentSinceMs: number | undefined;
  #turn = 0;

  constructor(urls: readonly string[], nowMs: () => number = () => performance.now()) {
    this.#addresses = urls.map((url) => ({ url, inFlight: 0, failures: 0, awayUntilMs: 0 }));
    this.#nowMs = nowMs;
  }

  get count(): number {
    return this.#addresses.length;
  }

  /** For how long nobody has answered; 0 while somebody does. */
  get absentMs(): number {
    return this.#absentSinceMs === undefined ? 0 : this.#nowMs() - this.#absentSinceMs;
  }

  /** How long until an address may be asked; 0 when one may be now. */
  get pauseMs(): number {
    return Math.max(0, Math.min(...this.#addresses.map(({ awayUntilMs }) => awayUntilMs)) - this.#nowMs());
  }

  /** The one with the least to do, in turns among equals. @returns undefined while all are left alone */
  take(): { url: string; done(): void } | undefined {
    const nowMs = this.#nowMs();
    this.#turn += 1;
    let chosen: Address | undefined;
    for (let index = 0; index < this.#addresses.length; index++) {
      const address = this.#addresses[(index + this.#turn) % this.#addresses.length];
      if (address && address.awayUntilMs <= nowMs && (!chosen || address.inFlight < chosen.inFlight)) chosen = address;
    }
    if (!chosen) return undefined;
    const taken = chosen;
    taken.inFlight += 1;
    return { url: taken.url, done: () => void (taken.inFlight -= 1) };
  }

  /** It has answered. */
  answered(url: string): void {
    this.#absentSinceMs = undefined;
    const address = this.#of(url);
    if (address) Object.assign(address, { failures: 0, awayUntilMs: 0 });
  }

  /** It refused the connection, is starting or stopping: left alone for a while that grows. */
  away(url: string): void {
    const address = this.#of(url);
    if (!address) return;
    const nowMs = this.#nowMs();
    // Calls that were on their way together fail together: one failure.
    if (address.awayUntilMs > nowMs) return;
    address.failures += 1;
    address.awayUntilMs = nowMs + Math.min(longestPauseMs, firstPauseMs * 2 ** (address.failures - 1));
    if (this.#addresses.every(({ failures }) => failures > 0)) this.#absentSinceMs ??= nowMs;
  }

  /** It still answers, and has said that it will stop: others are asked from now on. */
  stopping(url: string): void {
    const address = this.#of(url);
    if (address && this.#addresses.length > 1) address.awayUntilMs = Math.max(address.awayUntilMs, this.#nowMs() + longestPauseMs);
  }

  #of(url: string): Address | undefined {
    return this.#addresses.find((address) => address.url === url);
  }
}
