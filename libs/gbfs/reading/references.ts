/** Whether what the feeds refer to is there. */
import type { Findings } from '../finding.ts';
import type { GbfsSystem } from '../model.ts';

/** Reports references to types, plans, stations and regions that the system does not have. Each id once; changes nothing. */
export function checkReferences(system: GbfsSystem, findings: Findings): void {
  const types = new Set(system.vehicleTypes.map(({ id }) => id));
  const plans = new Set(system.pricingPlans.map(({ id }) => id));
  const stations = new Set(system.stations.map(({ id }) => id));
  const regions = new Set(system.regions.map(({ id }) => id));
  const reported = new Set<string>();
  const check = (feed: string, from: string, what: string, id: string | undefined, known: Set<string>) => {
    if (id === undefined || known.has(id) || reported.has(`${feed} ${what} ${id}`)) return;
    reported.add(`${feed} ${what} ${id}`);
    findings.add('warning', `unknown-${what}`, feed, '', `${from} refers to ${what} "${id}", which is not there`);
  };
  const vehicleFeed = system.version.startsWith('3') ? 'vehicle_status' : 'free_bike_status';
  for (const vehicle of system.vehicles) {
    const from = `vehicle "${vehicle.id}"`;
    check(vehicleFeed, from, 'vehicle-type', vehicle.typeId, types);
    check(vehicleFeed, from, 'plan', vehicle.planId, plans);
    check(vehicleFeed, from, 'station', vehicle.stationId, stations);
  }
  for (const type of system.vehicleTypes) {
    check('vehicle_types', `vehicle type "${type.id}"`, 'plan', type.defaultPlanId, plans);
    for (const id of type.planIds) check('vehicle_types', `vehicle type "${type.id}"`, 'plan', id, plans);
  }
  for (const station of system.stations) {
    check('station_information', `station "${station.id}"`, 'region', station.regionId, regions);
    for (const { vehicleTypeIds } of station.capacityByType)
      for (const id of vehicleTypeIds) check('station_information', `station "${station.id}"`, 'vehicle-type', id, types);
    for (const { vehicleTypeId } of station.status?.availableByType ?? []) check('station_status', `station "${station.id}"`, 'vehicle-type', vehicleTypeId, types);
  }
  for (const zone of system.zones)
    for (const id of zone.rules.flatMap(({ vehicleTypeIds }) => vehicleTypeIds)) check('geofencing_zones', `zone "${zone.id}"`, 'vehicle-type', id, types);
}
