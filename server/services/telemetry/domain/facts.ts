/** What follows from the records of a vehicle: each thing is said once, and only the newest record counts. */
import type { z } from 'zod';
import type { telemetryContract } from '../contract.ts';
import { metresBetween } from './judgement.ts';
import { type LiveFleet, marks } from './live.ts';
import type { ZoneIndex } from './zones.ts';

type Events = typeof telemetryContract.events;
/** An event of the contract that is to be published. */
export type Fact = { [Name in keyof Events]: { name: Name; data: z.input<Events[Name]['data']> } }[keyof Events];

export interface FactSettings {
  batteryFloorPercent: number;
  /** Above, the battery counts as charged again, and the next fall is told. */
  batteryClearedPercent: number;
  /** Across a border for so long, by the vehicle clock, before it counts. */
  dwellMs: number;
  /** Less exact positions cross no border. */
  worstAccuracyMetres: number;
  tripEveryMetres: number;
  tripEveryMs: number;
  /** Silent for so long is offline. */
  offlineAfterMs: number;
}

export const factSettings: FactSettings = { batteryFloorPercent: 15, batteryClearedPercent: 20, dwellMs: 10_000, worstAccuracyMetres: 50, tripEveryMetres: 100, tripEveryMs: 30_000, offlineAfterMs: 15 * 60_000 };

const lockedFlag = 1;

/** Watches a fleet. After each change of a row it says what follows; rows of which something was said are in `touched`. */
export class FactFinder {
  readonly #fleet: LiveFleet;
  readonly #zones: ZoneIndex;
  readonly #settings: FactSettings;
  /** Vehicles across a border, but not long enough: since when, for each zone. */
  readonly #crossing = new Map<number, Map<string, number>>();
  facts: Fact[] = [];
  touched = new Set<number>();

  constructor(fleet: LiveFleet, zones: ZoneIndex, settings: FactSettings) {
    this.#fleet = fleet;
    this.#zones = zones;
    this.#settings = settings;
  }

  #say(row: number, fact: Fact): void {
    this.facts.push(fact);
    this.touched.add(row);
  }

  #position(row: number): { lat: number; lon: number } {
    return { lat: (this.#fleet.latitudeE7[row] ?? 0) / 1e7, lon: (this.#fleet.longitudeE7[row] ?? 0) / 1e7 };
  }

  #at = (row: number): string => new Date(this.#fleet.atMs[row] ?? 0).toISOString();
  #has = (row: number, mark: number): boolean => ((this.#fleet.marks[row] ?? 0) & mark) !== 0;
  #vehicle = (row: number): string => this.#fleet.ids[row] ?? '';

  /** Something came from a vehicle. */
  heard(row: number): void {
    const { marks: marked } = this.#fleet;
    if (!this.#has(row, marks.offline)) return;
    marked[row] = (marked[row] ?? 0) & ~marks.offline;
    this.#say(row, { name: 'cameBack', data: { vehicleId: this.#vehicle(row), at: new Date(this.#fleet.heardAtMs[row] ?? 0).toISOString(), position: this.#position(row) } });
  }

  /** Looks for vehicles that have fallen silent. @param sinceMs when listening began: silence before is not the vehicle's */
  sweep(nowMs: number, sinceMs: number): void {
    const { size, heardAtMs, marks: marked } = this.#fleet;
    const silentBeforeMs = nowMs - this.#settings.offlineAfterMs;
    if (sinceMs > silentBeforeMs) return;
    for (let row = 0; row < size; row++) {
      if ((heardAtMs[row] ?? 0) > silentBeforeMs || this.#has(row, marks.offline)) continue;
      marked[row] = (marked[row] ?? 0) | marks.offline;
      this.#say(row, { name: 'wentOffline', data: { vehicleId: this.#vehicle(row), lastAt: this.#at(row), position: this.#position(row) } });
    }
  }

  /** The newest record of a vehicle is in its row. */
  newest(row: number, accuracyDecimetres: number): void {
    this.#battery(row);
    this.#trip(row);
    if (accuracyDecimetres <= this.#settings.worstAccuracyMetres * 10) this.#zonesOf(row);
  }

  #battery(row: number): void {
    const { batteryPerMille, marks: marked } = this.#fleet;
    const battery = batteryPerMille[row] ?? 0;
    const low = this.#has(row, marks.batteryLow);
    if (!low && battery < this.#settings.batteryFloorPercent * 10) {
      marked[row] = (marked[row] ?? 0) | marks.batteryLow;
      this.#say(row, { name: 'batteryLow', data: { vehicleId: this.#vehicle(row), batteryPercent: battery / 10, at: this.#at(row), position: this.#position(row) } });
    } else if (low && battery >= this.#settings.batteryClearedPercent * 10) {
      marked[row] = (marked[row] ?? 0) & ~marks.batteryLow;
    }
  }

  #trip(row: number): void {
    const { flags, tripAtMs, tripLatitudeE7, tripLongitudeE7, latitudeE7, longitudeE7, atMs, sequence, odometerDecimetres, batteryPerMille } = this.#fleet;
    if (((flags[row] ?? 0) & lockedFlag) !== 0) {
      tripAtMs[row] = 0;
      return;
    }
    const [latitude, longitude, at, lastAt] = [latitudeE7[row] ?? 0, longitudeE7[row] ?? 0, atMs[row] ?? 0, tripAtMs[row] ?? 0];
    if (lastAt !== 0 && at - lastAt < this.#settings.tripEveryMs && metresBetween(tripLatitudeE7[row] ?? 0, tripLongitudeE7[row] ?? 0, latitude, longitude) < this.#settings.tripEveryMetres) return;
    tripAtMs[row] = at;
    tripLatitudeE7[row] = latitude;
    tripLongitudeE7[row] = longitude;
    this.#say(row, {
      name: 'tripAdvanced',
      data: { vehicleId: this.#vehicle(row), sequence: sequence[row] ?? 0, at: this.#at(row), position: this.#position(row), odometerMetres: (odometerDecimetres[row] ?? 0) / 10, batteryPercent: (batteryPerMille[row] ?? 0) / 10 },
    });
  }

  #zonesOf(row: number): void {
    if (!this.#zones.isLoaded) return;
    const { zoneSet, latitudeE7, longitudeE7, marks: marked } = this.#fleet;
    const now = this.#zones.setAt(latitudeE7[row] ?? 0, longitudeE7[row] ?? 0);
    if (!this.#has(row, marks.zonesKnown)) {
      // Where it stands when it is first heard of is no crossing.
      marked[row] = (marked[row] ?? 0) | marks.zonesKnown;
      zoneSet[row] = now;
    } else if (now !== zoneSet[row] || this.#crossing.has(row)) {
      this.#cross(row, now);
    }
  }

  #cross(row: number, now: number): void {
    const { zoneSet, atMs } = this.#fleet;
    const at = atMs[row] ?? 0;
    const [inside, there] = [new Set(this.#zones.idsOf(zoneSet[row] ?? 0)), new Set(this.#zones.idsOf(now))];
    const differing = inside.symmetricDifference(there);
    const since = this.#crossing.get(row) ?? new Map<string, number>();
    for (const zoneId of since.keys()) if (!differing.has(zoneId)) since.delete(zoneId);
    for (const zoneId of differing) {
      const begun = since.get(zoneId) ?? at;
      since.set(zoneId, begun);
      if (at - begun < this.#settings.dwellMs) continue;
      since.delete(zoneId);
      const entered = there.has(zoneId);
      if (entered) inside.add(zoneId);
      else inside.delete(zoneId);
      this.#say(row, { name: entered ? 'geofenceEntered' : 'geofenceLeft', data: { vehicleId: this.#vehicle(row), zoneId, at: this.#at(row), position: this.#position(row) } });
    }
    zoneSet[row] = this.#zones.numberOf([...inside]);
    if (since.size > 0) this.#crossing.set(row, since);
    else this.#crossing.delete(row);
  }

  /**
   * After zones were drawn anew: those that are gone were not left, and those that are drawn around a standing vehicle were not entered.
   * @param before the zones until now; undefined after a start, when every zone counts as one that was there
   */
  zonesReplaced(before: ReadonlySet<string> | undefined): void {
    const { size, zoneSet, latitudeE7, longitudeE7 } = this.#fleet;
    const now = this.#zones.ids();
    for (let row = 0; row < size; row++) {
      if (!this.#has(row, marks.zonesKnown)) continue;
      const kept = this.#zones.idsOf(zoneSet[row] ?? 0).filter((id) => now.has(id));
      const around = before ? this.#zones.idsOf(this.#zones.setAt(latitudeE7[row] ?? 0, longitudeE7[row] ?? 0)).filter((id) => !before.has(id)) : [];
      zoneSet[row] = this.#zones.numberOf([...kept, ...around]);
    }
  }
}
