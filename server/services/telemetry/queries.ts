/** What is asked of telemetry. */
import { telemetryFlags } from '../../../edge/protocol/telemetry.ts';
import { latLngToCell } from 'h3-js';
import type { z } from 'zod';
import type { SeriesAggregate, SeriesPoint, SeriesTable } from '../../infra/series/port.ts';
import { type Handlers, RawReply } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { LiveVehicle, telemetryContract, TrackPoint } from './contract.ts';
import { type LiveFleet, marks } from './domain/live.ts';
import type { RecentRecords } from './domain/recent.ts';
import type { Intake } from './intake.ts';
import type { Box, LiveStreams, Watched } from './stream.ts';

type Operations = typeof telemetryContract.operations;
type Part<Name extends keyof Operations> = Pick<Handlers<Operations>, Name>;

const cellResolution = 9;
const longestTrackMs = 31 * 24 * 3_600_000;
const longestWindowMs = 3_600_000;
const mostWindowRows = 10_000;
const intervalsMs = { minute: 60_000, hour: 3_600_000 } as const;
const mostIntervals = 10_000;

/** @throws Problem `range-invalid` */
function rangeOf({ from, to }: { from: string; to: string }, longestMs: number): [fromMs: number, toMs: number] {
  const [fromMs, toMs] = [Date.parse(from), Date.parse(to)];
  if (!(fromMs < toMs)) throw new Problem('range-invalid', 'it ends before it begins');
  if (toMs - fromMs > longestMs) throw new Problem('range-invalid', `it is longer than ${longestMs / 3_600_000} hours`);
  return [fromMs, toMs];
}

/** A fleet as screens see it. A look at every row beats an index that every move would have to keep: fifty thousand take a millisecond or two. */
export class FleetView implements Watched {
  readonly #fleet: LiveFleet;
  readonly #intake: Intake;
  /** Cells that were asked for, with the position that they are of: making one costs more than all the rest of a vehicle. */
  readonly #cells: { latitudeE7: number; longitudeE7: number; cell: string }[] = [];

  constructor(fleet: LiveFleet, intake: Intake) {
    this.#fleet = fleet;
    this.#intake = intake;
  }

  size = (): number => this.#fleet.size;
  idOf = (row: number): string => this.#fleet.ids[row] ?? '';

  isIn(row: number, [west, south, east, north]: Box): boolean {
    const latitude = this.#fleet.latitudeE7[row] ?? 0;
    if (latitude < south * 1e7 || latitude > north * 1e7) return false;
    const longitude = this.#fleet.longitudeE7[row] ?? 0;
    return longitude >= west * 1e7 && longitude <= east * 1e7 && this.isKnown(row);
  }

  /** A vehicle of which nothing could be believed yet has no place. */
  isKnown = (row: number): boolean => (this.#fleet.atMs[row] ?? 0) > 0;

  listen(listener: ((row: number) => void) | undefined): void {
    this.#intake.onChange = listener;
  }

  isOnline = (row: number): boolean => ((this.#fleet.marks[row] ?? 0) & marks.offline) === 0;

  #cellOf(row: number): string {
    const [latitudeE7, longitudeE7] = [this.#fleet.latitudeE7[row] ?? 0, this.#fleet.longitudeE7[row] ?? 0];
    const known = this.#cells[row];
    if (known?.latitudeE7 === latitudeE7 && known.longitudeE7 === longitudeE7) return known.cell;
    const cell = latLngToCell(latitudeE7 / 1e7, longitudeE7 / 1e7, cellResolution);
    this.#cells[row] = { latitudeE7, longitudeE7, cell };
    return cell;
  }

  present(row: number): LiveVehicle {
    const fleet = this.#fleet;
    const flags = fleet.flags[row] ?? 0;
    const position = { lat: (fleet.latitudeE7[row] ?? 0) / 1e7, lon: (fleet.longitudeE7[row] ?? 0) / 1e7 };
    return {
      vehicleId: this.idOf(row), position, speedMetresPerSecond: (fleet.speedCentimetresPerSecond[row] ?? 0) / 100, headingDegrees: fleet.headingDegrees[row] ?? 0,
      batteryPercent: (fleet.batteryPerMille[row] ?? 0) / 10, odometerMetres: (fleet.odometerDecimetres[row] ?? 0) / 10,
      locked: (flags & telemetryFlags.locked) !== 0, pluggedIn: (flags & telemetryFlags.pluggedIn) !== 0, disabled: (flags & telemetryFlags.disabled) !== 0,
      online: this.isOnline(row), cell: this.#cellOf(row), at: new Date(fleet.atMs[row] ?? 0).toISOString(),
    };
  }
}

export function presentPoint({ timeMs, sequence, values }: SeriesPoint): TrackPoint {
  const of = (name: string) => values[name] ?? 0;
  return {
    at: new Date(timeMs).toISOString(), sequence, position: { lat: of('latitude_e7') / 1e7, lon: of('longitude_e7') / 1e7 }, speedMetresPerSecond: of('speed_cm_s') / 100, headingDegrees: of('heading'),
    batteryPercent: of('battery_per_mille') / 10, odometerMetres: of('odometer_dm') / 10, peakAccelerationG: of('peak_milli_g') / 1000, locked: (of('flags') & telemetryFlags.locked) !== 0,
  };
}

type Aggregate = z.infer<Operations['getAggregates']['response']>['items'][number];

function presentAggregate({ timeMs, count, columns }: SeriesAggregate): Aggregate {
  const summary = (name: string, perUnit: number) => {
    const column = columns[name];
    return column ? { minimum: column.minimum / perUnit, maximum: column.maximum / perUnit, mean: column.mean / perUnit, last: column.last / perUnit } : null;
  };
  return { at: new Date(timeMs).toISOString(), records: count, speedMetresPerSecond: summary('speed_cm_s', 100), batteryPercent: summary('battery_per_mille', 10), peakAccelerationG: summary('peak_milli_g', 1000) };
}

export function liveHandlers(view: FleetView, streams: LiveStreams): Part<'listLive' | 'streamLive'> {
  return {
    async listLive({ query: { bbox, limit } }) {
      const items: LiveVehicle[] = [];
      let total = 0;
      for (let row = 0; row < view.size(); row++) {
        if (!view.isIn(row, bbox)) continue;
        total++;
        if (items.length < limit) items.push(view.present(row));
      }
      return { items, total };
    },
    async streamLive({ query: { bbox }, caller, signal }) {
      return new RawReply('text/event-stream', streams.open({ box: bbox, caller: caller?.subject ?? 'nobody', signal }), { 'cache-control': 'no-cache' });
    },
  };
}

export function historyHandlers(history: SeriesTable): Part<'getTrack' | 'getAggregates' | 'getFleetAggregates' | 'getWindow'> {
  const aggregates = async (subject: string | undefined, query: { from: string; to: string; interval: 'minute' | 'hour' }) => {
    const [fromMs, toMs] = rangeOf(query, intervalsMs[query.interval] * mostIntervals);
    return { items: (await history.aggregate(subject, fromMs, toMs, query.interval)).map(presentAggregate) };
  };
  return {
    async getTrack({ params, query }) {
      const [fromMs, toMs] = rangeOf(query, longestTrackMs);
      const points = await history.read(params.vehicleId, fromMs, toMs, { maximumPoints: query.maximumPoints, keepExtremesOf: 'speed_cm_s' });
      return { items: points.map(presentPoint) };
    },
    getAggregates: ({ params, query }) => aggregates(params.vehicleId, query),
    getFleetAggregates: ({ query }) => aggregates(undefined, query),
    async getWindow({ params, query }) {
      const [fromMs, toMs] = rangeOf(query, longestWindowMs);
      return { items: (await history.read(params.vehicleId, fromMs, toMs, { limit: mostWindowRows })).map(presentPoint) };
    },
  };
}

export interface HealthParts {
  fleet: LiveFleet;
  intake: Intake;
  recent: RecentRecords;
  startsSince(vehicleIds: readonly string[], since: Date): Promise<Map<string, number>>;
  nowMs(): number;
}

export function healthHandlers({ fleet, intake, recent, startsSince, nowMs }: HealthParts): Part<'getHealth'> {
  return {
    async getHealth({ body }) {
      const since = new Date(body.since);
      const sinceMs = since.getTime();
      const starts = await startsSince(body.vehicleIds, since);
      return {
        items: body.vehicleIds.map((vehicleId) => {
          const row = fleet.find(vehicleId);
          const lastMs = row < 0 ? 0 : (fleet.atMs[row] ?? 0);
          const heard = row >= 0 && (fleet.heardAtMs[row] ?? 0) >= sinceMs;
          return {
            vehicleId,
            // Counted by quarters of an hour: what was heard before the moment, but in its quarter, does not make it alive.
            records: heard ? recent.since(row, sinceMs, nowMs()) : 0,
            lastAt: lastMs > 0 ? new Date(lastMs).toISOString() : null,
            bootsSince: starts.get(vehicleId) ?? 0,
            refused: (intake.refused.get(vehicleId) ?? []).filter((atMs) => atMs >= sinceMs).length,
          };
        }),
      };
    },
  };
}
