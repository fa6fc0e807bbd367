/** Vehicles on a map, live: server-sent events with what changed inside a box. */
import type { Box } from './domain/geometry.ts';
import { isInBox } from './domain/geometry.ts';
import { type Filters, type Fleet, type FleetVehicle, isOffered, positionOf, presentVehicle } from './fleet.ts';
import { Problem } from '../../wire/problem.ts';

export interface StreamRequest {
  box: Box;
  filters: Filters;
  /** Whose streams are counted together. */
  caller: string;
  signal: AbortSignal;
}

export interface StreamSettings {
  /** Changes are collected for so long. */
  coalesceMs: number;
  /** A comment after so long without a change keeps the connection open. */
  heartbeatMs: number;
  mostPerCaller: number;
  most: number;
}

export const streamSettings: StreamSettings = { coalesceMs: 500, heartbeatMs: 15_000, mostPerCaller: 5, most: 2_000 };

const event = (name: string, data: unknown): string => `event: ${name}\ndata: ${JSON.stringify(data)}\n\n`;

/** One reader. It remembers ids only, each once, so a slow reader costs no more than a fast one. */
class Watch {
  readonly #request: StreamRequest;
  readonly #shown = new Set<string>();
  readonly #dirty = new Map<string, FleetVehicle>();
  #wake: (() => void) | undefined;

  constructor(request: StreamRequest) {
    this.#request = request;
  }

  isShown = (vehicle: FleetVehicle): boolean => isInBox(positionOf(vehicle), this.#request.box) && isOffered(vehicle, this.#request.filters);

  snapshot(fleet: Fleet): string {
    const items = [...fleet.all()].filter(this.isShown);
    for (const { id } of items) this.#shown.add(id);
    return event('snapshot', { items: items.map((vehicle) => presentVehicle(vehicle)) });
  }

  offer(changed: Iterable<FleetVehicle>): void {
    for (const vehicle of changed) if (this.#shown.has(vehicle.id) || this.isShown(vehicle)) this.#dirty.set(vehicle.id, vehicle);
    if (this.#dirty.size > 0) this.#wake?.();
  }

  /** What changed since it was last taken, as it is now. */
  take(): string {
    const changed = [...this.#dirty.values()];
    this.#dirty.clear();
    const upserts = changed.filter(this.isShown);
    const removed = changed.filter((vehicle) => !this.isShown(vehicle) && this.#shown.has(vehicle.id)).map(({ id }) => id);
    for (const { id } of upserts) this.#shown.add(id);
    for (const id of removed) this.#shown.delete(id);
    return (upserts.length > 0 ? event('upsert', { items: upserts.map((vehicle) => presentVehicle(vehicle)) }) : '') + (removed.length > 0 ? event('remove', { ids: removed }) : '');
  }

  /** Resolves at a change, at the end of the stream, or after `limitMs`. */
  waitForChange(limitMs: number): Promise<void> {
    const { signal } = this.#request;
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

export class VehicleStreams {
  readonly #fleet: Fleet;
  readonly #settings: StreamSettings;
  readonly #watches = new Set<Watch>();
  readonly #byCaller = new Map<string, number>();
  readonly #closing = new AbortController();
  #changed = new Set<FleetVehicle>();
  #pass: NodeJS.Timeout | undefined;
  readonly #forget: () => void;

  constructor(fleet: Fleet, settings: StreamSettings = streamSettings) {
    this.#fleet = fleet;
    this.#settings = settings;
    this.#forget = fleet.onChange((vehicle) => {
      if (this.#watches.size === 0) return;
      this.#changed.add(vehicle);
      this.#pass ??= setTimeout(() => this.#passOn(), settings.coalesceMs);
    });
  }

  get openStreams(): number {
    return this.#watches.size;
  }

  #passOn(): void {
    this.#pass = undefined;
    const changed = this.#changed;
    this.#changed = new Set();
    for (const watch of this.#watches) watch.offer(changed);
  }

  /** @throws Problem `too-many-streams` */
  open(request: StreamRequest): AsyncIterable<string> {
    const { mostPerCaller, most } = this.#settings;
    const ofCaller = this.#byCaller.get(request.caller) ?? 0;
    if (ofCaller >= mostPerCaller || this.#watches.size >= most) throw new Problem('too-many-streams', `at most ${mostPerCaller} at a time`, { retryAfterSeconds: 10 });
    const signal = AbortSignal.any([request.signal, this.#closing.signal]);
    const watch = new Watch({ ...request, signal });
    this.#watches.add(watch);
    this.#byCaller.set(request.caller, ofCaller + 1);
    let closed = false;
    const close = () => {
      if (closed) return;
      closed = true;
      this.#watches.delete(watch);
      const left = (this.#byCaller.get(request.caller) ?? 1) - 1;
      if (left > 0) this.#byCaller.set(request.caller, left);
      else this.#byCaller.delete(request.caller);
    };
    // A reader that never reads still frees its place when it goes.
    signal.addEventListener('abort', close, { once: true });
    if (signal.aborted) close();
    return this.#read(watch, signal, close);
  }

  async *#read(watch: Watch, signal: AbortSignal, close: () => void): AsyncGenerator<string> {
    try {
      yield watch.snapshot(this.#fleet);
      while (!signal.aborted) {
        await watch.waitForChange(this.#settings.heartbeatMs);
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
    this.#forget();
    this.#closing.abort();
  }
}
