/** Incidents on a screen, live: the open ones, then each as it changes. */
import { Problem } from '../../wire/problem.ts';
import type { Incident } from './contract.ts';
import { mostLookedAt } from './store.ts';

export interface StreamSettings {
  /** A comment after so long without a change keeps the connection open. */
  heartbeatMs: number;
  mostPerCaller: number;
  most: number;
}

export const streamSettings: StreamSettings = { heartbeatMs: 15_000, mostPerCaller: 10, most: 500 };

/** More than are read of what others have changed. */
const mostRemembered = 2 * mostLookedAt;

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** One reader: what it has not read yet, each incident once as it is now, so a slow reader costs no more than a fast one. */
interface Watch {
  waiting: Map<string, Incident>;
  wake: (() => void) | undefined;
}

/** Resolves when something waits, at the end of the stream, or after `limitMs`. */
function somethingWaits(watch: Watch, signal: AbortSignal, limitMs: number): Promise<void> {
  if (watch.waiting.size > 0 || signal.aborted) return Promise.resolve();
  return new Promise((resolve) => {
    const done = () => {
      clearTimeout(timer);
      signal.removeEventListener('abort', done);
      watch.wake = undefined;
      resolve();
    };
    const timer = setTimeout(done, limitMs);
    signal.addEventListener('abort', done, { once: true });
    watch.wake = done;
  });
}

export class IncidentStreams {
  readonly #settings: StreamSettings;
  readonly #watches = new Map<Watch, string>();
  readonly #closing = new AbortController();
  /** What was told last of those that changed lately, to tell nothing twice: this process and what it reads of others say the same. */
  readonly #told = new Map<string, string>();

  constructor(settings: StreamSettings = streamSettings) {
    this.#settings = settings;
  }

  get openStreams(): number {
    return this.#watches.size;
  }

  /** Notes incidents as known, without telling anybody. @returns those that were not known so */
  note(incidents: readonly Incident[]): Incident[] {
    const news = incidents.filter((incident) => this.#told.get(incident.id) !== JSON.stringify(incident));
    for (const incident of news) {
      this.#told.delete(incident.id);
      this.#told.set(incident.id, JSON.stringify(incident));
    }
    for (const id of this.#told.keys()) {
      if (this.#told.size <= mostRemembered) break;
      this.#told.delete(id);
    }
    return news;
  }

  /** Tells every reader about incidents as they are now. */
  offer(offered: readonly Incident[]): void {
    const incidents = this.note(offered);
    for (const watch of this.#watches.keys()) {
      for (const incident of incidents) {
        watch.waiting.delete(incident.id);
        watch.waiting.set(incident.id, incident);
      }
      if (incidents.length > 0) watch.wake?.();
    }
  }

  /**
   * @param readOpen the open incidents; read when the reader is listening already, so that nothing falls between
   * @throws Problem `too-many-streams`
   */
  open(caller: string, requestSignal: AbortSignal, readOpen: () => Promise<Incident[]>): AsyncIterable<string> {
    const { mostPerCaller, most } = this.#settings;
    const ofCaller = [...this.#watches.values()].filter((other) => other === caller).length;
    if (ofCaller >= mostPerCaller || this.#watches.size >= most) throw new Problem('too-many-streams', `at most ${mostPerCaller} at a time`, { retryAfterSeconds: 10 });
    const signal = AbortSignal.any([requestSignal, this.#closing.signal]);
    const watch: Watch = { waiting: new Map(), wake: undefined };
    if (!signal.aborted) this.#watches.set(watch, caller);
    // A reader that never reads still frees its place when it goes.
    signal.addEventListener('abort', () => this.#watches.delete(watch), { once: true });
    return this.#read(watch, signal, readOpen);
  }

  async *#read(watch: Watch, signal: AbortSignal, readOpen: () => Promise<Incident[]>): AsyncGenerator<string> {
    try {
      yield event('snapshot', { items: await readOpen() });
      while (!signal.aborted) {
        await somethingWaits(watch, signal, this.#settings.heartbeatMs);
        if (signal.aborted) return;
        const changed = [...watch.waiting.values()];
        watch.waiting.clear();
        yield changed.map((incident) => event('incident', incident)).join('') || ': still here\n\n';
      }
    } finally {
      this.#watches.delete(watch);
    }
  }

  /** Ends every stream. */
  close(): void {
    this.#closing.abort();
  }
}
