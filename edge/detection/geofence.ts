/** Entering and leaving zones, from a fix a second, without flapping: accuracy, distance to the border and dwell decide. */
import type { PositionFix } from '../sensors/port.ts';
import type { GeofenceCrossing, GeofenceMonitor } from './port.ts';
import { eachZoneNear, type Relation, type Zones } from './zones.ts';

export { loadZones, type Zones, ZonesError } from './zones.ts';

export interface GeofenceOptions {
  zones: Zones;
  /** How long fixes must agree before a crossing counts. Default 5,000. */
  minimumDwellMs?: number;
  /** A fix closer to a border than this many times its standard deviation decides nothing. Default 3. */
  accuracyFactor?: number;
  /** Nor does one closer than this, however accurate it says it is. Default 3. */
  marginMetres?: number;
  /** Fixes that are worse than this are left out. Default 50. */
  worstAccuracyMetres?: number;
  /** Zones that the vehicle was in before a restart: no second `entered` for them. */
  insideBefore?: readonly string[];
}

/** A fix older than the newest by more than this means that the clock was set back. */
const clockSetBackMs = 120_000;
/** Fixes that lie further apart than this do not confirm one another. */
const longestGapMs = 30_000;
const nothing: readonly GeofenceCrossing[] = [];

const isUsable = ({ lat, lon, accuracyMetres, timeMs }: PositionFix, worstMetres: number): boolean =>
  Math.abs(lat) <= 90 && Math.abs(lon) <= 180 && accuracyMetres >= 0 && accuracyMetres <= worstMetres && Number.isFinite(timeMs);

class Monitor implements GeofenceMonitor {
  readonly #options: Required<Omit<GeofenceOptions, 'insideBefore'>>;
  readonly #inside = new Set<number>();
  /** Zones whose fixes speak against what holds, with when they began to. */
  readonly #since = new Map<number, number>();
  readonly #relations = new Map<number, Relation>();
  #newestMs = Number.NEGATIVE_INFINITY;

  constructor({ insideBefore = [], ...options }: GeofenceOptions) {
    this.#options = { minimumDwellMs: 5000, accuracyFactor: 3, marginMetres: 3, worstAccuracyMetres: 50, ...options };
    const known = new Map(options.zones.ids.map((id, zone) => [id, zone]));
    for (const id of insideBefore) {
      const zone = known.get(id);
      if (zone !== undefined) this.#inside.add(zone);
    }
  }

  push(fix: PositionFix): readonly GeofenceCrossing[] {
    if (!isUsable(fix, this.#options.worstAccuracyMetres)) return nothing;
    const { timeMs } = fix;
    if (timeMs <= this.#newestMs && timeMs > this.#newestMs - clockSetBackMs) return nothing;
    if (timeMs < this.#newestMs || timeMs - this.#newestMs > longestGapMs) this.#since.clear();
    this.#newestMs = timeMs;
    this.#relate(fix);
    let crossings: GeofenceCrossing[] | undefined;
    for (const [zone, relation] of this.#relations) {
      const crossing = this.#judge(zone, relation, timeMs);
      if (crossing) (crossings ??= []).push(crossing);
    }
    return crossings ?? nothing;
  }

  /** What the fix says of each zone that it can say something of. */
  #relate({ lat, lon, accuracyMetres }: PositionFix): void {
    const relations = this.#relations;
    relations.clear();
    // Whatever the index does not name is far away.
    for (const zone of this.#inside) relations.set(zone, 'outside');
    for (const zone of this.#since.keys()) relations.set(zone, 'outside');
    const radiusMetres = Math.max(this.#options.marginMetres, accuracyMetres * this.#options.accuracyFactor);
    eachZoneNear(this.#options.zones, lon, lat, radiusMetres, (zone, relation) => {
      // Of several polygons of a zone, the one that the place is in decides; a border nearby leaves it open.
      const before = relations.get(zone);
      if (before === undefined || before === 'outside' || relation === 'inside') relations.set(zone, relation);
    });
  }

  #judge(zone: number, relation: Relation, timeMs: number): GeofenceCrossing | undefined {
    if (relation === 'near-border') return undefined;
    const isInside = this.#inside.has(zone);
    if ((relation === 'inside') === isInside) {
      this.#since.delete(zone);
      return undefined;
    }
    const sinceMs = this.#since.get(zone) ?? timeMs;
    this.#since.set(zone, sinceMs);
    if (timeMs - sinceMs < this.#options.minimumDwellMs) return undefined;
    this.#since.delete(zone);
    if (isInside) this.#inside.delete(zone);
    else this.#inside.add(zone);
    return { kind: isInside ? 'left' : 'entered', zoneId: this.#options.zones.ids[zone] ?? '', atMs: sinceMs };
  }

  inside(): readonly string[] {
    return [...this.#inside].map((zone) => this.#options.zones.ids[zone] ?? '');
  }
}

/** One for each vehicle. New zones: a new monitor with `insideBefore: old.inside()`. */
export const geofenceMonitor = (options: GeofenceOptions): GeofenceMonitor => new Monitor(options);
