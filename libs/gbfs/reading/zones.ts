/** geofencing_zones: the rules of 2.1 to 2.3 and of 3.x. */
import type { GeofencingZone, ZoneRule } from '../model.ts';
import { areaId, readArea } from './area.ts';
import { uniqueById, type Place } from './place.ts';

export function readZones(data: Place, language: string): { zones: GeofencingZone[]; globalRules: ZoneRule[] } {
  const read = data.at('geofencing_zones').at('features').objects().flatMap((feature) => {
    const properties = feature.at('properties');
    const area = readArea(feature.at('geometry'));
    if (!area) {
      if (feature.at('geometry').isAbsent) feature.report('warning', 'missing-field', 'a zone without geometry; left out');
      return [];
    }
    const id = feature.at('id').text() ?? areaId(area);
    const item: GeofencingZone = {
      id, area,
      name: properties.at('name').localised(language) ?? {},
      rules: readRules(properties.at('rules')),
      startsAt: properties.at('start').instant(),
      endsAt: properties.at('end').instant(),
    };
    return [{ place: feature, item }];
  });
  return { zones: uniqueById(separateShapes(read)), globalRules: readRules(data.at('global_rules')) };
}

/** Two zones of one shape with different rules are both meant; only real repetitions are duplicates. */
function separateShapes(read: { place: Place; item: GeofencingZone }[]): { place: Place; item: GeofencingZone }[] {
  const seen = new Map<string, string[]>();
  return read.map(({ place, item }) => {
    const text = JSON.stringify([item.area, item.rules, item.name, item.startsAt, item.endsAt]);
    const contents = seen.get(item.id) ?? [];
    seen.set(item.id, [...contents, text]);
    if (contents.length === 0 || contents.includes(text)) return { place, item };
    return { place, item: { ...item, id: `${item.id}-${contents.length + 1}` } };
  });
}

/**
 * 2.x says `ride_allowed` for start and end together. What a rule leaves out is allowed: a rule restricts.
 * Some feeds write `vehicle_type_id` for the list of ids; it is taken.
 */
function readRules(list: Place): ZoneRule[] {
  return list.objects().map((place) => {
    const both = place.at('ride_allowed').boolean();
    const types = place.either('vehicle_type_ids', 'vehicle_type_id');
    return {
      vehicleTypeIds: typeof types.value === 'string' ? [types.value] : types.texts(),
      isRideStartAllowed: place.at('ride_start_allowed').boolean() ?? both ?? true,
      isRideEndAllowed: place.at('ride_end_allowed').boolean() ?? both ?? true,
      isRideThroughAllowed: place.at('ride_through_allowed').boolean() ?? true,
      maximumSpeedKilometresPerHour: place.at('maximum_speed_kph').amount(),
      isStationParkingRequired: place.at('station_parking').boolean() ?? false,
    };
  });
}
