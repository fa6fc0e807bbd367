/** Live state across a restart: saved every few seconds, and what came after that is read from the log again. */
import type { CloudEvent, EventLog } from '../../infra/events/port.ts';
import type { Logger } from '../../infra/observability/port.ts';
import type { Database } from '../../infra/sql/port.ts';
import type { LiveFleet } from './domain/live.ts';
import type { ZoneIndex } from './domain/zones.ts';
import { loadLive, saveChunk, type SavedVehicle, type SavedVehicles, saveShares } from './store.ts';

const vehiclesOfChunk = 1024;
/** Shares that were silent for longer than that behind the others are not looked for. */
const farthestBehindMs = 60_000;
const readAtOnce = 200;

export interface SavedState {
  fleet: LiveFleet;
  zones: ZoneIndex;
  database: Database;
  logger: Logger;
}

interface Snapshot {
  cycle: number;
  chunks: { chunk: number; saved: SavedVehicles }[];
  receivedAtMs: Record<string, number>;
}

function packRows({ fleet, zones }: SavedState, from: number, to: number): SavedVehicles {
  const inZones: Record<string, readonly string[]> = {};
  for (let row = from; row < to; row++) if (fleet.zoneSet[row]) inZones[row - from] = zones.idsOf(fleet.zoneSet[row] ?? 0);
  return { vehicleIds: fleet.ids.slice(from, to), zones: inZones, state: fleet.pack(from, to) };
}

/** The state of one vehicle, as it is now. */
export function packVehicle(parts: SavedState, row: number): SavedVehicle {
  parts.fleet.unsaved[row] = 1;
  return { vehicleId: parts.fleet.ids[row] ?? '', zones: parts.zones.idsOf(parts.fleet.zoneSet[row] ?? 0), state: parts.fleet.pack(row, row + 1) };
}

export class Snapshots {
  readonly #parts: SavedState;
  /** The arrival of the last event of each share that was taken in. */
  readonly receivedAtMs = new Map<string, number>();
  #wanted = false;
  #taken: Snapshot | undefined;
  #saving: Promise<void> | undefined;

  constructor(parts: SavedState) {
    this.#parts = parts;
  }

  /** One is taken at the next commit, unless the last is still being written. */
  want(): void {
    this.#wanted = this.#saving === undefined && this.#taken === undefined;
  }

  /** Within the step in which the commit takes what has come in. */
  onTake(cycle: number): void {
    if (!this.#wanted) return;
    this.#wanted = false;
    const { fleet } = this.#parts;
    const chunks: Snapshot['chunks'] = [];
    for (let from = 0; from < fleet.size; from += vehiclesOfChunk) {
      const to = Math.min(fleet.size, from + vehiclesOfChunk);
      if (!fleet.unsaved.subarray(from, to).includes(1)) continue;
      fleet.unsaved.fill(0, from, to);
      chunks.push({ chunk: from / vehiclesOfChunk, saved: packRows(this.#parts, from, to) });
    }
    this.#taken = { cycle, chunks, receivedAtMs: Object.fromEntries(this.receivedAtMs) };
  }

  /** After the commit that it was taken in: what it holds is safe, so it may be written beside the next commits. */
  save(): Promise<void> {
    const snapshot = this.#taken;
    if (!snapshot || this.#saving) return this.#saving ?? Promise.resolve();
    this.#taken = undefined;
    this.#saving = this.#write(snapshot).catch((error: unknown) => {
      for (const { chunk } of snapshot.chunks) this.#parts.fleet.unsaved.fill(1, chunk * vehiclesOfChunk, Math.min(this.#parts.fleet.size, (chunk + 1) * vehiclesOfChunk));
      this.#parts.logger.warn({ error }, 'the live state cannot be saved; it is tried again');
    }).finally(() => {
      this.#saving = undefined;
    });
    return this.#saving;
  }

  async #write({ cycle, chunks, receivedAtMs }: Snapshot): Promise<void> {
    const { sql } = this.#parts.database;
    for (const { chunk, saved } of chunks) await saveChunk(sql, chunk, cycle, saved);
    await saveShares(sql, cycle, receivedAtMs);
  }
}

function unpack({ fleet, zones }: SavedState, { vehicleIds, zones: inZones, state }: SavedVehicles): void {
  fleet.unpack(vehicleIds, state);
  vehicleIds.forEach((vehicleId, place) => {
    fleet.zoneSet[fleet.rowOf(vehicleId)] = zones.numberOf(inZones[place] ?? []);
  });
}

/** Reads what was saved. @returns the last cycle, and up to where each share was */
export async function restore(parts: SavedState): Promise<{ cycle: number; receivedAtMs: Record<string, number> }> {
  const { chunks, said, receivedAtMs } = await loadLive(parts.database.sql);
  const cycleOf = new Map<string, number>();
  for (const chunk of chunks) {
    unpack(parts, chunk);
    for (const vehicleId of chunk.vehicleIds) cycleOf.set(vehicleId, chunk.cycle);
  }
  for (const { vehicleId, zones, state, cycle } of said) {
    if (cycle > (cycleOf.get(vehicleId) ?? -1)) unpack(parts, { vehicleIds: [vehicleId], zones: { 0: zones }, state });
  }
  return { cycle: Math.max(0, ...chunks.map(({ cycle }) => cycle), ...said.map(({ cycle }) => cycle)), receivedAtMs };
}

const arrivalOf = ({ data }: CloudEvent): number => Number((data as { receivedAtMs?: unknown }).receivedAtMs ?? 0);

/** @returns the offset of the first event of a partition that arrived at the moment or after it */
async function offsetOf(events: EventLog, topic: string, partition: number, sinceMs: number): Promise<number> {
  const isBefore = async (offset: number) => {
    const [found] = await events.read(topic, partition, offset, 1);
    return found !== undefined && arrivalOf(found.event) < sinceMs;
  };
  let low = 0;
  let step = 1;
  while (await isBefore(low + step)) {
    low += step;
    step *= 2;
  }
  let high = low + step;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    if (await isBefore(middle)) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** Reads what came after the live state was saved: also what a commit has acknowledged, whose effects on memory are gone. */
export async function replay(events: EventLog, topic: string, receivedAtMs: Record<string, number>, handle: (event: CloudEvent) => void): Promise<number> {
  const arrivals = Object.values(receivedAtMs);
  if (arrivals.length === 0) return 0;
  const newest = Math.max(...arrivals);
  const sinceMs = Math.max(Math.min(...arrivals), newest - farthestBehindMs);
  let count = 0;
  for (let partition = 0; partition < events.partitions(topic); partition++) {
    let offset = await offsetOf(events, topic, partition, sinceMs);
    for (;;) {
      const read = await events.read(topic, partition, offset, readAtOnce);
      for (const { event } of read) if (arrivalOf(event) > (receivedAtMs[event.subject] ?? 0)) handle(event);
      count += read.length;
      const last = read.at(-1);
      if (!last) break;
      offset = last.offset + 1;
    }
  }
  return count;
}
