/** vehicle_status (3.x), free_bike_status (2.x) and vehicle_availability (3.1). */
import type { Vehicle } from '../model.ts';
import { uniqueById, type Place } from './place.ts';

export function readVehicles(data: Place): Vehicle[] {
  return uniqueById(data.either('vehicles', 'bikes').objects().flatMap((place) => {
    const id = place.either('vehicle_id', 'bike_id').requiredText('the vehicle is left out');
    if (id === undefined) return [];
    const position = place.position();
    const stationId = place.at('station_id').text();
    if (!position && stationId === undefined) {
      place.report('warning', 'position-missing', `vehicle "${id}" stands nowhere; left out`);
      return [];
    }
    return [{ place, item: { ...readVehicle(place, id), position, stationId } }];
  }));
}

function readVehicle(place: Place, id: string): Vehicle {
  const uris = place.at('rental_uris');
  const flag = (name: string): boolean => {
    if (place.at(name).isAbsent) place.at(name).report('info', 'missing-field', 'required but absent; read as false');
    return place.at(name).boolean() ?? false;
  };
  return {
    id,
    typeId: place.at('vehicle_type_id').text(),
    homeStationId: place.at('home_station_id').text(),
    planId: place.at('pricing_plan_id').text(),
    isReserved: flag('is_reserved'),
    isDisabled: flag('is_disabled'),
    currentRangeMetres: place.at('current_range_meters').amount(),
    energyFraction: readFraction(place.at('current_fuel_percent')),
    lastReportedAt: place.at('last_reported').instant(),
    availableUntil: place.at('available_until').instant(),
    availabilities: [],
    rentalUris: { web: uris.at('web').text(), android: uris.at('android').text(), ios: uris.at('ios').text() },
  };
}

/** GBFS says 0 to 1; some feeds write per cent. */
function readFraction(place: Place): number | undefined {
  const fraction = place.amount();
  if (fraction === undefined || fraction <= 1) return fraction;
  if (fraction <= 100) {
    place.report('info', 'percent-for-fraction', `expected 0 to 1, found ${fraction}; read as per cent`);
    return fraction / 100;
  }
  place.report('warning', 'out-of-range', `expected 0 to 1, found ${fraction}; ignored`);
  return undefined;
}

/** Vehicles that can be booked ahead: those that vehicle_status has too get their times, the others are added at their station. */
export function withAvailabilities(vehicles: Vehicle[], data: Place): Vehicle[] {
  const byId = new Map(vehicles.map((vehicle) => [vehicle.id, vehicle]));
  for (const place of data.at('vehicles').objects()) {
    const id = place.at('vehicle_id').requiredText('the vehicle is left out');
    if (id === undefined) continue;
    const availabilities = place.at('availabilities').objects().flatMap((window) => {
      const from = window.at('from').instant();
      return from === undefined ? [] : [{ from, until: window.at('until').instant() }];
    });
    const known = byId.get(id);
    const stationId = place.at('station_id').text();
    if (known) byId.set(id, { ...known, availabilities });
    else if (stationId === undefined) place.report('warning', 'position-missing', `vehicle "${id}" names no station; left out`);
    else
      byId.set(id, {
        id, stationId, availabilities,
        typeId: place.at('vehicle_type_id').text(), planId: place.at('pricing_plan_id').text(),
        isReserved: false, isDisabled: false, rentalUris: {},
      });
  }
  return [...byId.values()];
}
