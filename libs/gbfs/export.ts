/** Writes a system as GBFS 3.0 files. Pure: the caller serves them under one address. */
import { decimalAmount } from './money.ts';
import type { GbfsSystem, LocalisedText, MultiPolygon, PricingSegment, ZoneRule } from './model.ts';

export interface GbfsFile {
  /** Feed name: `vehicle_status`; served as `<baseUrl>/<name>.json`. */
  name: string;
  document: { last_updated: string; ttl: number; version: '3.0'; data: Record<string, unknown> };
}

export interface GbfsExportOptions {
  /** Address under which the files are served, without a slash at its end. */
  baseUrl: string;
  /** UTC instant that the files carry. */
  now: string;
  /** Seconds that a client may keep a file. Default 60. */
  timeToLiveSeconds?: number;
  /** For the field that GBFS requires, when the system has no address of its own. */
  contactEmail?: string;
}

export type ExportedSystem = Omit<GbfsSystem, 'version' | 'location' | 'feeds' | 'findings'>;

/**
 * Every feed that has something in it, and always the discovery file, system_information and vehicle_types. What GBFS 3.0 has
 * no field for (minimum age, reservation prices, caps, availabilities) is left out. The ids of vehicles are written as given:
 * GBFS wants them changed after each trip, which is the caller's to do.
 */
export function toGbfs(system: ExportedSystem, options: GbfsExportOptions): GbfsFile[] {
  const file = (name: string, data: Record<string, unknown>): GbfsFile => ({ name, document: { last_updated: options.now, ttl: options.timeToLiveSeconds ?? 60, version: '3.0', data } });
  const files = [
    file('system_information', informationData(system, options)),
    file('vehicle_types', { vehicle_types: vehicleTypeData(system) }),
    ...(system.vehicles.length > 0 ? [file('vehicle_status', { vehicles: vehicleData(system) })] : []),
    ...(system.stations.length > 0 ? [file('station_information', { stations: stationData(system) })] : []),
    // The specification asks for a status file wherever there are stations, be it an empty one.
    ...(system.stations.length > 0 ? [file('station_status', { stations: stationStatusData(system, options.now) })] : []),
    ...(system.regions.length > 0 ? [file('system_regions', { regions: system.regions.map(({ id, name }) => ({ region_id: id, name: texts(name) })) })] : []),
    ...(system.pricingPlans.length > 0 ? [file('system_pricing_plans', { plans: planData(system) })] : []),
    ...(system.zones.length > 0 || system.globalRules.length > 0 ? [file('geofencing_zones', zoneData(system))] : []),
  ];
  return [file('gbfs', { feeds: files.map(({ name }) => ({ name, url: `${options.baseUrl}/${name}.json` })) }), ...files];
}

const texts = (text: LocalisedText | undefined) => text && Object.entries(text).map(([language, value]) => ({ text: value, language }));
const multiPolygon = (coordinates: MultiPolygon | undefined) => coordinates && { type: 'MultiPolygon', coordinates };

function informationData({ information }: ExportedSystem, options: GbfsExportOptions): Record<string, unknown> {
  return {
    system_id: information.id, languages: information.languages, name: texts(information.name), operator: texts(information.operator),
    opening_hours: information.openingHours ?? '24/7', feed_contact_email: information.email ?? options.contactEmail,
    timezone: information.timeZone, url: information.url, phone_number: information.phoneNumber, start_date: information.startDate,
    ...(information.licence === undefined ? {} : { [information.licence.startsWith('http') ? 'license_url' : 'license_id']: information.licence }),
    attribution_organization_name: texts(information.attribution),
  };
}

function vehicleTypeData({ vehicleTypes }: ExportedSystem): unknown[] {
  return vehicleTypes.map((type) => ({
    vehicle_type_id: type.id, form_factor: type.formFactor, propulsion_type: type.propulsion, max_range_meters: type.maximumRangeMetres,
    max_permitted_speed: type.maximumSpeedKilometresPerHour, rider_capacity: type.riderCapacity, cargo_volume_capacity: type.cargoVolumeLitres,
    cargo_load_capacity: type.cargoLoadKilograms, name: texts(type.name), make: texts(type.make), model: texts(type.model),
    return_constraint: type.returnConstraint, default_pricing_plan_id: type.defaultPlanId, pricing_plan_ids: type.planIds.length > 0 ? type.planIds : undefined,
  }));
}

function vehicleData({ vehicles }: ExportedSystem): unknown[] {
  return vehicles.map((vehicle) => ({
    vehicle_id: vehicle.id, ...vehicle.position, station_id: vehicle.stationId, home_station_id: vehicle.homeStationId, vehicle_type_id: vehicle.typeId,
    is_reserved: vehicle.isReserved, is_disabled: vehicle.isDisabled, current_range_meters: vehicle.currentRangeMetres, current_fuel_percent: vehicle.energyFraction,
    pricing_plan_id: vehicle.planId, last_reported: vehicle.lastReportedAt, available_until: vehicle.availableUntil,
    rental_uris: Object.values(vehicle.rentalUris).some((uri) => uri !== undefined) ? vehicle.rentalUris : undefined,
  }));
}

function stationData({ stations }: ExportedSystem): unknown[] {
  return stations.map((station) => ({
    station_id: station.id, name: texts(station.name), ...station.position, region_id: station.regionId, address: station.address, capacity: station.capacity,
    is_virtual_station: station.isVirtual, station_area: multiPolygon(station.area), is_charging_station: station.isChargingStation,
    vehicle_types_capacity: station.capacityByType.length > 0 ? station.capacityByType.map(({ vehicleTypeIds, count }) => ({ vehicle_type_ids: vehicleTypeIds, count })) : undefined,
  }));
}

function stationStatusData({ stations }: ExportedSystem, now: string): unknown[] {
  return stations.flatMap(({ id, status }) => status ? [{
    station_id: id, num_vehicles_available: status.vehiclesAvailable, num_vehicles_disabled: status.vehiclesDisabled, num_docks_available: status.docksAvailable,
    vehicle_types_available: status.availableByType.length > 0 ? status.availableByType.map(({ vehicleTypeId, count }) => ({ vehicle_type_id: vehicleTypeId, count })) : undefined,
    is_installed: status.isInstalled, is_renting: status.isRenting, is_returning: status.isReturning, last_reported: status.lastReportedAt ?? now,
  }] : []);
}

function planData({ pricingPlans }: ExportedSystem): unknown[] {
  return pricingPlans.map((plan) => {
    const segments = (list: PricingSegment[]) => list.length > 0 ? list.map(({ start, end, interval, rateMinor }) => ({ start, end, interval, rate: decimalAmount(rateMinor, plan.currency) })) : undefined;
    return {
      plan_id: plan.id, name: texts(plan.name), description: texts(Object.keys(plan.description).length > 0 ? plan.description : plan.name), currency: plan.currency,
      price: decimalAmount(plan.priceMinor, plan.currency), is_taxable: plan.isTaxAdded, per_min_pricing: segments(plan.perMinute), per_km_pricing: segments(plan.perKilometre),
      surge_pricing: plan.isSurging ? true : undefined, url: plan.url,
    };
  });
}

function zoneData({ zones, globalRules }: ExportedSystem): Record<string, unknown> {
  const rules = (list: ZoneRule[]) => list.map((rule) => ({
    vehicle_type_ids: rule.vehicleTypeIds.length > 0 ? rule.vehicleTypeIds : undefined, ride_start_allowed: rule.isRideStartAllowed, ride_end_allowed: rule.isRideEndAllowed,
    ride_through_allowed: rule.isRideThroughAllowed, maximum_speed_kph: rule.maximumSpeedKilometresPerHour, station_parking: rule.isStationParkingRequired ? true : undefined,
  }));
  return {
    geofencing_zones: {
      type: 'FeatureCollection',
      features: zones.map((zone) => ({
        type: 'Feature', id: zone.id, geometry: multiPolygon(zone.area),
        properties: { name: Object.keys(zone.name).length > 0 ? texts(zone.name) : undefined, start: zone.startsAt, end: zone.endsAt, rules: rules(zone.rules) },
      })),
    },
    global_rules: rules(globalRules),
  };
}
