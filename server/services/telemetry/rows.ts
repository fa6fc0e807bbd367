/** Rows on their way into history. */
import { TelemetryColumns } from '../../../edge/protocol/telemetry.ts';
import type { SeriesDefinition, SeriesRows } from '../../infra/series/port.ts';

const day = 24 * 3_600_000;

/** In the units of the wire: whole numbers, which take half of what reals take, and come back as they were. */
export const historyDefinition: SeriesDefinition = {
  name: 'records',
  columns: {
    latitude_e7: 'integer', longitude_e7: 'integer', speed_cm_s: 'smallint', heading: 'smallint', accuracy_dm: 'smallint', battery_per_mille: 'smallint', odometer_dm: 'double', peak_milli_g: 'smallint', flags: 'smallint',
  },
  partitionMs: 3_600_000,
  compressAfterMs: 2 * 3_600_000,
  retainForMs: 30 * day,
  retainAggregatesForMs: 400 * day,
  aggregated: ['speed_cm_s', 'battery_per_mille', 'peak_milli_g'],
};

const columnNames = ['latitude_e7', 'longitude_e7', 'speed_cm_s', 'heading', 'accuracy_dm', 'battery_per_mille', 'odometer_dm', 'peak_milli_g', 'flags'] as const;
type ColumnName = (typeof columnNames)[number];
const smallest = -32_768;
const largest = 32_767;
const small = (value: number): number => (value > largest ? largest : value < smallest ? smallest : value);

export class RowBuffer {
  length = 0;
  readonly subjects: string[] = [];
  #timeMs = new Float64Array(1024);
  #sequence = new Float64Array(1024);
  #columns = Object.fromEntries(columnNames.map((name) => [name, new Float64Array(1024)])) as Record<ColumnName, Float64Array>;

  #grow(): void {
    const grown = (from: Float64Array) => {
      const to = new Float64Array(from.length * 2);
      to.set(from);
      return to;
    };
    this.#timeMs = grown(this.#timeMs);
    this.#sequence = grown(this.#sequence);
    for (const name of columnNames) this.#columns[name] = grown(this.#columns[name]);
  }

  /** Adds record `index` of a batch. */
  add(vehicleId: string, batch: TelemetryColumns, index: number): void {
    if (this.length === this.#timeMs.length) this.#grow();
    const at = this.length++;
    const to = this.#columns;
    this.subjects.push(vehicleId);
    this.#timeMs[at] = batch.timeMs[index] ?? 0;
    this.#sequence[at] = batch.firstSequence + index;
    to.latitude_e7[at] = batch.latitudeE7[index] ?? 0;
    to.longitude_e7[at] = batch.longitudeE7[index] ?? 0;
    to.speed_cm_s[at] = small(batch.speedCentimetresPerSecond[index] ?? 0);
    to.heading[at] = small(batch.headingDegrees[index] ?? 0);
    to.accuracy_dm[at] = small(batch.accuracyDecimetres[index] ?? 0);
    to.battery_per_mille[at] = small(batch.batteryPerMille[index] ?? 0);
    to.odometer_dm[at] = batch.odometerDecimetres[index] ?? 0;
    to.peak_milli_g[at] = small(batch.peakAccelerationMilliG[index] ?? 0);
    to.flags[at] = small(batch.flags[index] ?? 0);
  }

  /** A view: good until the next `clear`. */
  view(): SeriesRows {
    const { length } = this;
    return {
      subject: this.subjects, timeMs: this.#timeMs.subarray(0, length), sequence: this.#sequence.subarray(0, length),
      columns: Object.fromEntries(columnNames.map((name) => [name, this.#columns[name].subarray(0, length)])),
    };
  }

  clear(): void {
    this.length = 0;
    this.subjects.length = 0;
  }
}
