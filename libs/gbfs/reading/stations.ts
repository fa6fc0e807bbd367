/** station_information and station_status: 2.x and 3.x. */
import type { Station, StationStatus } from '../model.ts';
import { readArea } from './area.ts';
import { uniqueById, type Place } from './place.ts';

export function readStations(data: Place, language: string): Station[] {
  return uniqueById(data.at('stations').objects().flatMap((place) => {
    const id = place.at('station_id').requiredText('the station is left out');
    if (id === undefined) return [];
    const position = place.position();
    if (!position) {
      place.report('warning', 'position-missing', `station "${id}" has no position; left out`);
      return [];
    }
    const item: Station = {
      id, position,
      name: place.at('name').localised(language) ?? { [language]: id },
      area: readArea(place.at('station_area')),
      regionId: place.at('region_id').text(),
      address: place.at('address').text(),
      capacity: place.at('capacity').count(),
      capacityByType: readCapacities(place),
      isVirtual: place.at('is_virtual_station').boolean() ?? false,
      isChargingStation: place.at('is_charging_station').boolean(),
    };
    return [{ place, item }];
  }));
}

/** 3.x: a list of type ids with their count; 2.x: an object of type id to count, in two places. */
function readCapacities(place: Place): Station['capacityByType'] {
  const lists = [...place.at('vehicle_types_capacity').objects(), ...place.at('vehicle_docks_capacity').objects()].flatMap((entry) => {
    const count = entry.at('count').count();
    return count === undefined ? [] : [{ vehicleTypeIds: entry.at('vehicle_type_ids').texts(), count }];
  });
  if (lists.length > 0) return lists;
  return place.either('vehicle_type_capacity', 'vehicle_capacity').entries().flatMap(([vehicleTypeId, count]) => {
    const number = count.count();
    return number === undefined ? [] : [{ vehicleTypeIds: [vehicleTypeId], count: number }];
  });
}

/** Adds what station_status says to the stations that station_information knows. */
export function withStatus(stations: Station[], data: Place): Station[] {
  const statuses = new Map<string, StationStatus>();
  const known = new Set(stations.map(({ id }) => id));
  for (const place of data.at('stations').objects()) {
    const id = place.at('station_id').requiredText('the status is left out');
    if (id === undefined) continue;
    if (!known.has(id)) place.report('warning', 'unknown-reference', `station "${id}" is not in station_information; its status is left out`);
    else if (statuses.has(id)) place.report('warning', 'duplicate-id', `station "${id}" is there twice; the first is kept`);
    else statuses.set(id, readStatus(place));
  }
  return stations.map((station) => ({ ...station, status: statuses.get(station.id) }));
}

function readStatus(place: Place): StationStatus {
  const availableByType = place.at('vehicle_types_available').objects().flatMap((entry) => {
    const vehicleTypeId = entry.at('vehicle_type_id').text();
    const count = entry.at('count').count();
    return vehicleTypeId === undefined || count === undefined ? [] : [{ vehicleTypeId, count }];
  });
  const counted = availableByType.reduce((sum, { count }) => sum + count, 0);
  const vehiclesAvailable = place.either('num_vehicles_available', 'num_bikes_available').count();
  if (vehiclesAvailable === undefined) place.report('info', 'missing-field', `no number of available vehicles; read as ${counted}`);
  return {
    vehiclesAvailable: vehiclesAvailable ?? counted,
    vehiclesDisabled: place.either('num_vehicles_disabled', 'num_bikes_disabled').count() ?? 0,
    docksAvailable: place.at('num_docks_available').count(),
    availableByType,
    isInstalled: place.at('is_installed').boolean() ?? true,
    isRenting: place.at('is_renting').boolean() ?? true,
    isReturning: place.at('is_returning').boolean() ?? true,
    lastReportedAt: place.at('last_reported').instant(),
  };
}
