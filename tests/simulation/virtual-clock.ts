/** Time that moves only when it is told to, and takes with it what modules do again and again. */
import type { ModuleClock } from '../../server/infra/clock/port.ts';

interface Loop {
  pauseMs: number;
  dueAtMs: number;
  work(): Promise<void>;
}

export class VirtualClock implements ModuleClock {
  #nowMs: number;
  readonly #loops = new Set<Loop>();

  constructor(startMs: number) {
    this.#nowMs = startMs;
  }

  nowMs = (): number => this.#nowMs;
  now = (): Date => new Date(this.#nowMs);

  every = (pauseMs: number, work: () => Promise<void>): (() => Promise<void>) => {
    const loop = { pauseMs, work, dueAtMs: this.#nowMs + pauseMs };
    this.#loops.add(loop);
    return async () => void this.#loops.delete(loop);
  };

  /** Goes on, and does what falls due on the way, one after the other: the earliest first, of two the one that began first. */
  async advance(byMs: number): Promise<void> {
    const untilMs = this.#nowMs + byMs;
    for (;;) {
      const [next] = [...this.#loops].filter(({ dueAtMs }) => dueAtMs <= untilMs).toSorted((a, b) => a.dueAtMs - b.dueAtMs);
      if (!next) break;
      this.#nowMs = Math.max(this.#nowMs, next.dueAtMs);
      next.dueAtMs = this.#nowMs + next.pauseMs;
      await next.work();
    }
    this.#nowMs = untilMs;
  }

  /** Somebody sets the clock: nothing happens on the way. @param byMs may be negative */
  jump(byMs: number): void {
    this.#nowMs += byMs;
    for (const loop of this.#loops) loop.dueAtMs = this.#nowMs + loop.pauseMs;
  }

  /** The modules are gone: nothing of theirs goes on. */
  forgetLoops(): void {
    this.#loops.clear();
  }
}
