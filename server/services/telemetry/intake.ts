/** Telemetry as it comes: read, judged, de-duplicated, and applied to the live state; all of it at once, in memory. */
import { decodeTelemetryColumns, TelemetryColumns, TelemetryError } from '../../../edge/protocol/telemetry.ts';
import { VehicleId } from '../vehicle/contract.ts';
import { type Fact, FactFinder } from './domain/facts.ts';
import { boundTimes, clockOffsetMs, isJump, metresBetween, refusalOf } from './domain/judgement.ts';
import { LatencyOfMinute } from './domain/latency.ts';
import { type LiveFleet, novelty } from './domain/live.ts';
import { RowBuffer } from './rows.ts';

/** Numbers so far below the highest are those of a device that counts anew, when its clock says that they are newer. */
const restartedBehind = 4096;
/** A position that cannot be is believed after it was repeated so often: the one before was wrong. */
const believedAfter = 10;
const mostRefusedRemembered = 100;
const mostRefusingVehicles = 10_000;

/** The vehicle started again. */
export interface Boot {
  vehicleId: string;
  atMs: number;
  starts: number;
}

/** What has come in since it was last taken. */
export interface Taken {
  rows: RowBuffer;
  facts: Fact[];
  touched: Set<number>;
  boots: Boot[];
}

export interface IntakeCounts {
  records: number;
  duplicates: number;
  late: number;
  dropped: Record<string, number>;
}

export class Intake {
  readonly #fleet: LiveFleet;
  readonly #finder: FactFinder;
  readonly #columns = new TelemetryColumns();
  readonly counts: IntakeCounts = { records: 0, duplicates: 0, late: 0, dropped: {} };
  readonly latency = new LatencyOfMinute();
  /** When batches of a vehicle could not be read. */
  readonly refused = new Map<string, number[]>();
  /** Records of each row that were taken in, by quarter of an hour. */
  readonly taken: (row: number, records: number, nowMs: number) => void;
  /** Told about rows that changed, while somebody listens. */
  onChange: ((row: number) => void) | undefined;
  #rows = new RowBuffer();
  #spare = new RowBuffer();
  #boots: Boot[] = [];

  constructor(fleet: LiveFleet, finder: FactFinder, taken: (row: number, records: number, nowMs: number) => void) {
    this.#fleet = fleet;
    this.#finder = finder;
    this.taken = taken;
  }

  get waitingRows(): number {
    return this.#rows.length;
  }

  /** Hands over what has come in. `giveBack` the rows before the next taking. */
  take(): Taken {
    const taken = { rows: this.#rows, facts: this.#finder.facts, touched: this.#finder.touched, boots: this.#boots };
    this.#rows = this.#spare;
    this.#finder.facts = [];
    this.#finder.touched = new Set();
    this.#boots = [];
    return taken;
  }

  giveBack(rows: RowBuffer): void {
    rows.clear();
    this.#spare = rows;
  }

  drop(reason: string, count = 1): void {
    this.counts.dropped[reason] = (this.counts.dropped[reason] ?? 0) + count;
  }

  /**
   * Takes an event's frames. Never throws: what cannot be read is counted.
   * @param nowMs left out when the log is read again: then nothing is measured
   */
  frames(frames: Buffer, arrivedAtMs: number, nowMs?: number): void {
    let position = 0;
    while (position < frames.length) {
      const idEnd = position + 1 + (frames[position] ?? 0);
      if (idEnd + 4 > frames.length) break;
      const end = idEnd + 4 + frames.readUInt32BE(idEnd);
      if (end > frames.length) break;
      this.#payload(frames.toString('latin1', position + 1, idEnd), frames.subarray(idEnd + 4, end), arrivedAtMs, nowMs);
      position = end;
    }
    if (position < frames.length) this.drop('frames-malformed');
  }

  #payload(vehicleId: string, payload: Uint8Array, arrivedAtMs: number, nowMs: number | undefined): void {
    try {
      decodeTelemetryColumns(payload, this.#columns);
    } catch (error) {
      if (!(error instanceof TelemetryError)) throw error;
      this.drop(error.reason);
      this.#refuse(vehicleId, arrivedAtMs);
      return;
    }
    if (this.#fleet.find(vehicleId) < 0 && !VehicleId.safeParse(vehicleId).success) {
      this.drop('vehicle-id');
      return;
    }
    this.#batch(this.#fleet.rowOf(vehicleId), vehicleId, arrivedAtMs, nowMs);
  }

  #refuse(vehicleId: string, arrivedAtMs: number): void {
    const times = this.refused.get(vehicleId);
    if (!times && this.refused.size >= mostRefusingVehicles) return;
    if (!times) this.refused.set(vehicleId, [arrivedAtMs]);
    else if (times.push(arrivedAtMs) > mostRefusedRemembered) times.shift();
  }

  #batch(row: number, vehicleId: string, arrivedAtMs: number, nowMs: number | undefined): void {
    const fleet = this.#fleet;
    const columns = this.#columns;
    const { length } = columns;
    this.#boot(row, vehicleId, arrivedAtMs);
    const newestMs = columns.timeMs[length - 1] ?? 0;
    const offsetMs = clockOffsetMs(newestMs, arrivedAtMs, fleet.clockOffsetMs[row] ?? 0);
    fleet.clockOffsetMs[row] = offsetMs;
    boundTimes(columns.timeMs, length, arrivedAtMs, offsetMs);
    let accepted = 0;
    let moved = false;
    for (let index = 0; index < length; index++) {
      const outcome = this.#record(row, vehicleId, index, arrivedAtMs);
      if (outcome >= 0) accepted++;
      if (outcome === novelty.newest) moved = true;
    }
    this.counts.records += length;
    fleet.heardAtMs[row] = Math.max(fleet.heardAtMs[row] ?? 0, arrivedAtMs);
    fleet.unsaved[row] = 1;
    if (accepted > 0) this.#finder.heard(row);
    this.taken(row, accepted, arrivedAtMs);
    if (nowMs !== undefined && moved && offsetMs === 0) this.latency.add(nowMs - newestMs, nowMs);
    if (moved) this.onChange?.(row);
  }

  #boot(row: number, vehicleId: string, arrivedAtMs: number): void {
    const fleet = this.#fleet;
    const before = fleet.bootCount[row] ?? 0;
    const { bootCount, firstSequence, length } = this.#columns;
    const isNews = firstSequence + length - 1 > (fleet.sequence[row] ?? -1);
    if (before === bootCount || !isNews) return;
    if (before !== 0) this.#boots.push({ vehicleId, atMs: arrivedAtMs, starts: Math.max(1, Math.min(1000, bootCount - before)) });
    fleet.bootCount[row] = bootCount;
    fleet.clockOffsetMs[row] = 0;
  }

  /** @returns one of `novelty`, or -1 for what was dropped */
  #record(row: number, vehicleId: string, index: number, arrivedAtMs: number): number {
    const fleet = this.#fleet;
    const columns = this.#columns;
    const latitudeE7 = columns.latitudeE7[index] ?? 0;
    const longitudeE7 = columns.longitudeE7[index] ?? 0;
    const refusal = refusalOf(latitudeE7, longitudeE7, columns.speedCentimetresPerSecond[index] ?? 0, columns.batteryPerMille[index] ?? 0, columns.odometerDecimetres[index] ?? 0);
    if (refusal) {
      this.drop(refusal);
      return -1;
    }
    const timeMs = columns.timeMs[index] ?? 0;
    const sequence = columns.firstSequence + index;
    const known = fleet.sequence[row] ?? -1;
    if (known - sequence > restartedBehind && timeMs > (fleet.atMs[row] ?? 0)) fleet.forgetSequence(row);
    const isFirst = known < 0;
    const outcome = fleet.see(row, sequence);
    if (outcome === novelty.duplicate) {
      this.counts.duplicates++;
      return -1;
    }
    if (outcome === novelty.late) this.counts.late++;
    else if (!this.#apply(row, index, Math.min(timeMs, arrivedAtMs), latitudeE7, longitudeE7, isFirst)) return -1;
    this.#rows.add(vehicleId, columns, index);
    return outcome;
  }

  /** The newest of a vehicle. @returns false when the position cannot be */
  #apply(row: number, index: number, timeMs: number, latitudeE7: number, longitudeE7: number, isFirst: boolean): boolean {
    const fleet = this.#fleet;
    const columns = this.#columns;
    const beforeMs = fleet.atMs[row] ?? 0;
    const [beforeLatitude, beforeLongitude] = [fleet.latitudeE7[row] ?? 0, fleet.longitudeE7[row] ?? 0];
    const moved = latitudeE7 !== beforeLatitude || longitudeE7 !== beforeLongitude;
    if (moved && !isFirst && isJump(metresBetween(beforeLatitude, beforeLongitude, latitudeE7, longitudeE7), timeMs - beforeMs)) {
      const jumps = (fleet.jumps[row] ?? 0) + 1;
      fleet.jumps[row] = jumps;
      if (jumps <= believedAfter) {
        this.drop('jump');
        return false;
      }
    }
    fleet.jumps[row] = 0;
    fleet.latitudeE7[row] = latitudeE7;
    fleet.longitudeE7[row] = longitudeE7;
    fleet.speedCentimetresPerSecond[row] = columns.speedCentimetresPerSecond[index] ?? 0;
    fleet.headingDegrees[row] = columns.headingDegrees[index] ?? 0;
    fleet.batteryPerMille[row] = columns.batteryPerMille[index] ?? 0;
    fleet.odometerDecimetres[row] = columns.odometerDecimetres[index] ?? 0;
    fleet.flags[row] = columns.flags[index] ?? 0;
    fleet.atMs[row] = timeMs > beforeMs ? timeMs : beforeMs;
    this.#finder.newest(row, columns.accuracyDecimetres[index] ?? 0);
    return true;
  }
}
