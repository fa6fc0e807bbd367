/** Every vehicle with its live state, in memory, found by cell. Rebuilt from the database at the start. */
import { gridDiskDistances, latLngToCell } from 'h3-js';
import type { Position, VehicleType } from '../../wire/schemas.ts';
import type { CitySummary, Tariff, Vehicle, VehicleModel, VehicleStatus } from './contract.ts';
import type { z } from 'zod';
import { type CityAreas, nearestInRingMetres, type Place, placeOf, ringsFor, searchResolution } from './domain/areas.ts';
import { boxAround, distanceMetres, isInBox } from './domain/geometry.ts';
import { type Candidate, type Cursor, Nearest } from './domain/nearest.ts';
import { pricePerMinuteMinor } from './domain/prices.ts';
import type { LiveState } from './domain/reports.ts';
import { type BookingHold, statusOf } from './domain/status.ts';

export interface City {
  summary: Omit<z.infer<typeof CitySummary>, 'vehicleCount'>;
  tariffs: Map<string, Tariff>;
  models: Map<string, VehicleModel>;
  areas: CityAreas;
}

/** What staff and city say about a vehicle. */
export interface Definition {
  id: string;
  modelId: string;
  tariffId: string;
  /** Where it was placed; it counts until the vehicle says where it is. */
  position: Position;
  batteryPercent: number;
  listed: boolean;
  inService: boolean;
  /** Told to be disabled, and not to be enabled since. */
  disabled: boolean;
  registeredAtMs: number;
}

/** What may change about a vehicle from one moment to the next. */
export interface Standing {
  definition: Definition;
  live: LiveState | undefined;
  bookings: readonly BookingHold[];
}

export interface FleetVehicle extends Standing {
  readonly id: string;
  city: City;
  model: VehicleModel;
  tariff: Tariff;
  status: VehicleStatus;
  place: Place;
  cell: string;
}

export interface Filters {
  type?: readonly VehicleType[] | undefined;
  minBattery?: number | undefined;
  maxPricePerMinuteMinor?: number | undefined;
}

/** Beyond that, and in small fleets, looking at every vehicle is cheaper than listing the cells. */
const widestIndexedMetres = 3_000;
const smallFleet = 2_000;
/** A little less than there is in a degree of latitude anywhere, so that nothing near is skipped. */
const leastMetresPerDegree = 110_500;

export const positionOf = ({ live, definition }: Standing): Position => live?.position ?? definition.position;
const batteryOf = ({ live, definition }: Standing): number => live?.batteryPercent ?? definition.batteryPercent;
const priceOf = ({ tariff, place }: FleetVehicle): number => Math.round(pricePerMinuteMinor(tariff) * place.multiplier * 10_000) / 10_000;

export function standingStatus(standing: Standing, model: VehicleModel, nowMs: number): VehicleStatus {
  const { definition, live, bookings } = standing;
  return statusOf({
    inService: definition.inService && definition.listed && !definition.disabled && !live?.disabled,
    locked: live?.locked ?? true,
    reportedBookingId: live?.bookingId ?? null,
    batteryPercent: batteryOf(standing),
    minimumBatteryPercent: model.minimumBatteryPercent,
    heardAtMs: live?.reportedAtMs ?? definition.registeredAtMs,
    bookings, nowMs,
  });
}

/** The form of the API. @param distanceMetres from the searched position */
export function presentVehicle(vehicle: FleetVehicle, distanceMetres?: number): Vehicle {
  const { live, model, tariff, place } = vehicle;
  const { lat, lon } = positionOf(vehicle);
  const batteryPercent = batteryOf(vehicle);
  return {
    id: vehicle.id, cityId: vehicle.city.summary.id, type: model.type, model: model.name, status: vehicle.status,
    position: { lat, lon }, ...(distanceMetres !== undefined && { distanceMetres: Math.round(distanceMetres * 10) / 10 }),
    batteryPercent, rangeMetres: Math.round((model.maximumRangeMetres * batteryPercent) / 100),
    bayId: place.bayId, locked: live?.locked ?? true, pluggedIn: live?.pluggedIn ?? false,
    pricePerMinuteMinor: priceOf(vehicle), unlockFeeMinor: tariff.unlockFeeMinor, currency: tariff.currency,
    seenAt: live ? new Date(live.reportedAtMs).toISOString() : null,
  };
}

/** Only what can be rented now is offered. */
export function isOffered(vehicle: FleetVehicle, { type, minBattery, maxPricePerMinuteMinor }: Filters): boolean {
  if (vehicle.status !== 'available') return false;
  if (type && !type.includes(vehicle.model.type)) return false;
  if (minBattery !== undefined && batteryOf(vehicle) < minBattery) return false;
  return maxPricePerMinuteMinor === undefined || priceOf(vehicle) <= maxPricePerMinuteMinor;
}

export interface SearchQuery {
  center: Position;
  radiusMetres: number;
  filters: Filters;
  limit: number;
  after?: Cursor | undefined;
}

function consider(vehicle: FleetVehicle, { center, radiusMetres, filters }: SearchQuery, nearest: Nearest<FleetVehicle>): void {
  if (!isOffered(vehicle, filters)) return;
  const metres = distanceMetres(center, positionOf(vehicle));
  if (metres <= radiusMetres) nearest.offer({ item: vehicle, id: vehicle.id, metres });
}

export class Fleet {
  readonly cities = new Map<string, City>();
  readonly #vehicles = new Map<string, FleetVehicle>();
  readonly #cells = new Map<string, Set<FleetVehicle>>();
  readonly #listeners = new Set<(vehicle: FleetVehicle) => void>();

  get size(): number {
    return this.#vehicles.size;
  }

  get = (id: string): FleetVehicle | undefined => this.#vehicles.get(id);

  all = (): IterableIterator<FleetVehicle> => this.#vehicles.values();

  /** Told about every vehicle whose answer may have changed. @returns ends it */
  onChange(listener: (vehicle: FleetVehicle) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Adds a vehicle or brings it up to date. @throws Error when its city lacks the model or tariff */
  set(id: string, city: City, standing: Standing, nowMs: number): void {
    const model = city.models.get(standing.definition.modelId);
    const tariff = city.tariffs.get(standing.definition.tariffId);
    if (!model || !tariff) throw new Error(`vehicle ${id} names a model or tariff that ${city.summary.id} does not have`);
    const known = this.#vehicles.get(id);
    const before = known && positionOf(known);
    const position = positionOf(standing);
    const moved = before?.lat !== position.lat || before.lon !== position.lon || known?.city !== city || known.model !== model;
    const place = known && !moved ? known.place : placeOf(city.areas, position, model.type);
    const cell = known && !moved ? known.cell : latLngToCell(position.lat, position.lon, searchResolution);
    const status = standingStatus(standing, model, nowMs);
    if (!known) {
      const vehicle: FleetVehicle = { id, city, model, tariff, status, place, cell, ...standing };
      this.#vehicles.set(id, vehicle);
      this.#index(vehicle);
      this.#tell(vehicle);
      return;
    }
    if (known.cell !== cell) {
      this.#unindex(known);
      known.cell = cell;
      this.#index(known);
    }
    Object.assign(known, { city, model, tariff, status, place, ...standing });
    this.#tell(known);
  }

  #index(vehicle: FleetVehicle): void {
    const there = this.#cells.get(vehicle.cell);
    if (there) there.add(vehicle);
    else this.#cells.set(vehicle.cell, new Set([vehicle]));
  }

  #unindex(vehicle: FleetVehicle): void {
    const there = this.#cells.get(vehicle.cell);
    there?.delete(vehicle);
    if (there?.size === 0) this.#cells.delete(vehicle.cell);
  }

  #tell(vehicle: FleetVehicle): void {
    for (const listener of this.#listeners) listener(vehicle);
  }

  /** Offered vehicles within a distance, nearest first. */
  search(query: SearchQuery): Candidate<FleetVehicle>[] {
    const { center, radiusMetres } = query;
    if (this.#vehicles.size > smallFleet) {
      const found = this.#searchCells(query, Math.min(radiusMetres, widestIndexedMetres));
      if (found) return found;
    }
    const nearest = new Nearest<FleetVehicle>(query.limit, query.after);
    const box = boxAround(center, radiusMetres);
    for (const vehicle of this.#vehicles.values()) {
      const position = positionOf(vehicle);
      if (Math.abs(position.lat - center.lat) * leastMetresPerDegree > nearest.reachMetres || !isInBox(position, box)) continue;
      consider(vehicle, query, nearest);
    }
    return nearest.result();
  }

  /** Outwards, ring by ring. @returns undefined when what is within the indexed distance is not enough */
  #searchCells(query: SearchQuery, indexedMetres: number): Candidate<FleetVehicle>[] | undefined {
    const { center, radiusMetres } = query;
    const nearest = new Nearest<FleetVehicle>(query.limit, query.after);
    const rings = gridDiskDistances(latLngToCell(center.lat, center.lon, searchResolution), ringsFor(indexedMetres));
    for (const [ring, cells] of rings.entries()) {
      if (nearest.isFullWithin(nearestInRingMetres(ring))) return nearest.result();
      for (const cell of cells) for (const vehicle of this.#cells.get(cell) ?? []) consider(vehicle, query, nearest);
    }
    return radiusMetres <= indexedMetres || nearest.isFullWithin(nearestInRingMetres(rings.length)) ? nearest.result() : undefined;
  }
}
