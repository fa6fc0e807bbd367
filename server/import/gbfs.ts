/** A city out of a GBFS system. Pure: no clock, no network; the same system and options give the same city. */
import { Findings, type Finding, type GbfsSystem, type Position, type Station } from '../../libs/gbfs/index.ts';
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';
import { countryOfTimeZone } from './countries.ts';
import type { VehicleTypeName } from './defaults.ts';
import { currencyOf, placedVehicles, pricedFleet, vehicleInput, type KnownType, type Priced } from './fleet.ts';
import { citySlug, fittingId, oneText } from './names.ts';
import { fallbackTariff, type TariffInput } from './tariffs.ts';
import { modelOf, unnamedBicycle, type ModelInput } from './vehicle-models.ts';
import { zonesOf } from './zones.ts';

type BayInput = CityDefinitionInput['bays'][number];

export interface ImportOptions {
  /** UTC instant; zones that are not in force then are left out. */
  now: string;
  /** Id of the city; made of the system's id without it. */
  cityId?: string;
  name?: string;
  /** ISO 3166-1; by the time zone without it. */
  country?: string;
  /** For vehicles whose plan the feed does not say: a `plan_id` of it. */
  defaultPlanId?: string;
  /** Rent vehicles without a plan at our default prices, and those whose published price cannot be charged exactly at what can be. */
  acceptDefaultPrices?: boolean;
  /** Docked vehicles have no ids in a feed, only a number at each station. Default `from-counts`: one vehicle for each. */
  dockedVehicles?: 'from-counts' | 'none';
  fines?: Partial<TariffInput['fines']>;
}

export interface ImportedCity { city: CityDefinitionInput; findings: Finding[] }

/** The feed does not say enough to make a city of it. */
export class CityImportError extends Error {
  override name = 'CityImportError';
}

/**
 * Types, plans, vehicles, stations and zones of the system as one city.
 *
 * A vehicle whose price is not known, or cannot be charged as published, is imported out of service: nobody rides at a price
 * that the operator did not publish. Findings of the reading come first, those of the mapping after them.
 * @throws CityImportError when country or place stay unknown, or nothing in it can be rented
 */
export function cityFromGbfs(system: GbfsSystem, options: ImportOptions): ImportedCity {
  const { information } = system;
  const findings = new Findings();
  const country = options.country ?? countryOfTimeZone(information.timeZone);
  if (country === undefined) throw new CityImportError(`the country of time zone "${information.timeZone}" is not known here; name it`);
  checkDefaultPlan(system, options.defaultPlanId);
  const { types, models } = readModels(system, findings);
  const placed = placedVehicles(system, types, options.dockedVehicles ?? 'from-counts', findings);
  const currency = currencyOf(placed, system.pricingPlans, country);
  if (currency === undefined) throw new CityImportError(`the feed has no pricing plan, and the currency of ${country} is not known here`);
  const pricing = { country, currency, defaultPlanId: options.defaultPlanId, acceptDefaultPrices: options.acceptDefaultPrices === true, fines: options.fines };
  const { tariffs, fleet } = pricedFleet(placed, system.pricingPlans, pricing, findings);
  const typesOf = new Map([...types].map(([id, { model }]) => [id, model.type] as const));
  const bays = system.stations.map((station) => bayOf(station, typesOf));
  const vehicles = fleet.map((priced) => vehicleInput(priced, findings));
  reportFleet(fleet, findings);
  const name = (options.name ?? oneText(information.name) ?? information.id).slice(0, 120);
  const firstModel = models[0];
  const city: CityDefinitionInput = {
    id: options.cityId ?? citySlug(information.id === 'unknown' ? name : information.id),
    name, country,
    timeZone: information.timeZone.slice(0, 60),
    center: centerOf([...vehicles, ...bays].map(({ position }) => position)),
    parking: parkingOf(system, findings),
    source: { kind: 'gbfs', reference: system.location.slice(0, 500), attribution: attributionOf(system) },
    tariffs: tariffs.length > 0 || !firstModel ? tariffs : [fallbackTariff(firstModel.type, country, currency).tariff],
    models, bays,
    zones: zonesOf(system, typesOf, options.now, findings),
    vehicles,
  };
  return { city, findings: [...system.findings, ...findings.list] };
}

function checkDefaultPlan(system: GbfsSystem, planId: string | undefined): void {
  if (planId === undefined || system.pricingPlans.some(({ id }) => id === planId)) return;
  const plans = system.pricingPlans.slice(0, 20).map(({ id }) => id).join(', ');
  throw new CityImportError(`the feed has no plan "${planId}"; it has ${plans === '' ? 'none' : plans}`);
}

function readModels(system: GbfsSystem, findings: Findings): { types: Map<string, KnownType>; models: ModelInput[] } {
  const hasChargers = system.stations.some(({ isChargingStation }) => isChargingStation === true);
  const listed = system.vehicleTypes.length > 0 ? system.vehicleTypes : [unnamedBicycle];
  if (system.vehicleTypes.length === 0) findings.add('info', 'vehicle-types-missing', 'vehicle_types', '', 'no vehicle types: by the specification all vehicles are bicycles without a motor');
  const types = new Map<string, KnownType>();
  for (const type of listed) {
    const model = modelOf(type, { hasChargers }, findings);
    if (model) types.set(type.id, { type, model });
  }
  if (types.size === 0) throw new CityImportError('the system has no vehicle type that we rent');
  return { types, models: [...types.values()].map(({ model }) => model) };
}

/** A station with an area takes vehicles as far as its farthest corner. How many chargers it has, GBFS does not say: one for each place. */
function bayOf(station: Station, typesOf: ReadonlyMap<string, VehicleTypeName>): BayInput {
  const named = [...station.capacityByType.flatMap(({ vehicleTypeIds }) => vehicleTypeIds), ...(station.status?.availableByType ?? []).map(({ vehicleTypeId }) => vehicleTypeId)];
  const here = new Set(named.flatMap((id) => typesOf.get(id) ?? []));
  const counted = station.capacityByType.reduce((sum, { count }) => sum + count, 0);
  const capacity = station.capacity ?? (counted > 0 ? counted : undefined);
  const corners = (station.area ?? []).flat(2).map(([lon, lat]) => metresBetween(station.position, { lat, lon }));
  return {
    id: fittingId(station.id, 120),
    name: (oneText(station.name) ?? station.id).slice(0, 200),
    position: station.position,
    radiusMetres: corners.length > 0 ? Math.min(2_000, Math.max(10, Math.ceil(Math.max(...corners)))) : 25,
    capacity,
    chargers: station.isChargingStation === true ? capacity ?? 1 : 0,
    vehicleTypes: here.size > 0 ? [...here] : [...new Set(typesOf.values())],
  };
}

/** Vehicles that stand in the street, or types that may be left there, make a city where parking is free. */
function parkingOf(system: GbfsSystem, findings: Findings): CityDefinitionInput['parking'] {
  const constraints = new Set(system.vehicleTypes.flatMap(({ returnConstraint }) => returnConstraint ?? []));
  if (system.stations.length === 0) {
    if (constraints.has('roundtrip_station') || constraints.has('any_station'))
      findings.add('info', 'stations-missing', 'station_information', '', 'vehicles have to be returned to stations, but the feed has none; they may be parked anywhere');
    return 'free-floating';
  }
  if (constraints.has('free_floating') || constraints.has('hybrid')) return 'free-floating';
  if (constraints.size > 0) return 'bays-only';
  return system.vehicles.some(({ stationId }) => stationId === undefined) ? 'free-floating' : 'bays-only';
}

function reportFleet(fleet: Priced[], findings: Findings): void {
  const reserved = fleet.filter(({ vehicle }) => vehicle.isReserved).length;
  if (reserved > 0) findings.add('info', 'reserved-elsewhere', 'vehicle_status', '', `${reserved} vehicles are reserved at their operator right now; imported in service`);
  const windows = fleet.filter(({ vehicle }) => vehicle.availabilities.length > 0 || vehicle.availableUntil !== undefined).length;
  if (windows > 0) findings.add('info', 'availability-not-imported', 'vehicle_availability', '', `${windows} vehicles have times of availability, which are not imported`);
  const disabled = fleet.filter(({ vehicle }) => vehicle.isDisabled).length;
  if (disabled > 0) findings.add('info', 'vehicles-disabled', 'vehicle_status', '', `${disabled} vehicles are disabled; imported out of service`);
}

/** The median, which a vehicle left in another country does not move. */
function centerOf(positions: Position[]): Position {
  const median = (values: number[]) => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)];
  const [lat, lon] = [median(positions.map((position) => position.lat)), median(positions.map((position) => position.lon))];
  if (lat === undefined || lon === undefined) throw new CityImportError('the system has neither vehicles nor stations with a place');
  return { lat, lon };
}

function attributionOf({ information }: GbfsSystem): string {
  const who = oneText(information.attribution) ?? oneText(information.operator) ?? oneText(information.name) ?? information.id;
  return (information.licence === undefined ? who : `${who} (${information.licence})`).slice(0, 500);
}

function metresBetween(a: Position, b: Position): number {
  return Math.hypot(a.lat - b.lat, (a.lon - b.lon) * Math.cos((a.lat * Math.PI) / 180)) * 111_320;
}
