/** Vehicles on a screen, live: server-sent events with what changed inside a viewport. */
import { Problem } from '../../wire/problem.ts';
import type { LiveVehicle } from './contract.ts';

export type Box = readonly [west: number, south: number, east: number, north: number];

/** What a stream needs to know of the fleet. */
export interface Watched {
  size(): number;
  isIn(row: number, box: Box): boolean;
  present(row: number): LiveVehicle;
  idOf(row: number): string;
  /** Tells about changed rows from now on, or no longer. */
  listen(listener: ((row: number) => void) | undefined): void;
}

export interface StreamSettings {
  /** Changes are collected for so long. */
  coalesceMs: number;
  /** A comment after so long without a change keeps the connection open. */
  heartbeatMs: number;
  mostPerCaller: number;
  most: number;
  /** Changes in one message; what is left goes into the next, so that a screen of everything does not hold up the others. */
  mostChanges: number;
}

export const streamSettings: StreamSettings = { coalesceMs: 250, heartbeatMs: 15_000, mostPerCaller: 5, most: 500, mostChanges: 5_000 };

export interface StreamRequest {
  box: Box;
  caller: string;
  signal: AbortSignal;
}

const message = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** One reader. It remembers rows only, each once, so a slow reader costs no more than a quick one. */
class Watch {
  readonly #watched: Watched;
  readonly #request: StreamRequest;
  readonly #mostChanges: number;
  readonly #shown = new Set<number>();
  readonly #dirty = new Set<number>();
  #wake: (() => void) | undefined;

  constructor(watched: Watched, request: StreamRequest, mostChanges: number) {
    this.#watched = watched;
    this.#request = request;
    this.#mostChanges = mostChanges;
  }

  snapshot(): string {
    const items: LiveVehicle[] = [];
    for (let row = 0; row < this.#watched.size(); row++) {
      if (!this.#watched.isIn(row, this.#request.box)) continue;
      this.#shown.add(row);
      items.push(this.#watched.present(row));
    }
    return message('snapshot', { items });
  }

  offer(rows: Iterable<number>): void {
    for (const row of rows) if (this.#shown.has(row) || this.#watched.isIn(row, this.#request.box)) this.#dirty.add(row);
    if (this.#dirty.size > 0) this.#wake?.();
  }

  /** What changed since it was last taken, as it is now. */
  take(): string {
    const items: LiveVehicle[] = [];
    const left: string[] = [];
    let taken = 0;
    for (const row of this.#dirty) {
      if (taken++ === this.#mostChanges) break;
      this.#dirty.delete(row);
      if (this.#watched.isIn(row, this.#request.box)) {
        this.#shown.add(row);
        items.push(this.#watched.present(row));
      } else if (this.#shown.delete(row)) {
        left.push(this.#watched.idOf(row));
      }
    }
    return (items.length > 0 ? message('changed', { items }) : '') + (left.length > 0 ? message('left', { vehicleIds: left }) : '');
  }

  /** Resolves at a change, at the end of the stream, or after `limitMs`. */
  waitForChange(limitMs: number, signal: AbortSignal): Promise<void> {
    if (this.#dirty.size > 0 || signal.aborted) return Promise.resolve();
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        signal.removeEventListener('abort', done);
        this.#wake = undefined;
        resolve();
      };
      const timer = setTimeout(done, limitMs);
      signal.addEventListener('abort', done, { once: true });
      this.#wake = done;
    });
  }
}

export class LiveStreams {
  readonly #watched: Watched;
  readonly #settings: StreamSettings;
  readonly #watches = new Set<Watch>();
  readonly #byCaller = new Map<string, number>();
  readonly #closing = new AbortController();
  #changed = new Set<number>();
  #pass: NodeJS.Timeout | undefined;

  constructor(watched: Watched, settings: StreamSettings = streamSettings) {
    this.#watched = watched;
    this.#settings = settings;
  }

  get openStreams(): number {
    return this.#watches.size;
  }

  #onChange = (row: number): void => {
    this.#changed.add(row);
    this.#pass ??= setTimeout(() => this.#passOn(), this.#settings.coalesceMs);
  };

  #passOn(): void {
    this.#pass = undefined;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const watch of this.#watches) watch.offer(changed);
  }

  #countCaller(caller: string, by: number): void {
    const count = (this.#byCaller.get(caller) ?? 0) + by;
    if (count > 0) this.#byCaller.set(caller, count);
    else this.#byCaller.delete(caller);
  }

  /** @throws Problem `too-many-streams` */
  open(request: StreamRequest): AsyncIterable<string> {
    const { mostPerCaller, most, mostChanges } = this.#settings;
    if ((this.#byCaller.get(request.caller) ?? 0) >= mostPerCaller || this.#watches.size >= most) throw new Problem('too-many-streams', `at most ${mostPerCaller} at a time`, { retryAfterSeconds: 10 });
    const signal = AbortSignal.any([request.signal, this.#closing.signal]);
    const watch = new Watch(this.#watched, request, mostChanges);
    this.#watches.add(watch);
    this.#countCaller(request.caller, 1);
    this.#watched.listen(this.#onChange);
    const close = () => {
      if (!this.#watches.delete(watch)) return;
      this.#countCaller(request.caller, -1);
      if (this.#watches.size === 0) this.#watched.listen(undefined);
    };
    // A reader that never reads still frees its place when it goes.
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    return this.#read(watch, signal, close);
  }

  async *#read(watch: Watch, signal: AbortSignal, close: () => void): AsyncGenerator<string> {
    try {
      yield watch.snapshot();
      while (!signal.aborted) {
        await watch.waitForChange(this.#settings.heartbeatMs, signal);
        if (signal.aborted) return;
        yield watch.take() || ': still here\n\n';
      }
    } finally {
      close();
    }
  }

  /** Ends every stream. */
  close(): void {
    clearTimeout(this.#pass);
    this.#watched.listen(undefined);
    this.#closing.abort();
  }
}
