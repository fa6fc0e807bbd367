/** Cities as definitions: read from the database into memory, and brought up to a new definition. */
import type { Clock } from '../../infra/clock/port.ts';
import type { Database } from '../../infra/sql/port.ts';
import { requestHash } from '../../wire/idempotency.ts';
import { Problem } from '../../wire/problem.ts';
import type { FleetChanges } from './changes.ts';
import { type Bay, type CityDefinition, type Tariff, vehicleContract, type VehicleModel, type Zone } from './contract.ts';
import { CityAreas } from './domain/areas.ts';
import { contradictionsOf } from './domain/city.ts';
import type { City, Definition, Fleet } from './fleet.ts';
import { standingStatus } from './fleet.ts';
import { type CatalogueRow, type CityRow, readCatalogue, readCities, readHolds, readStates, readVehicles, type VehicleRow, vehiclesOfOthers, writeCity } from './store.ts';

function buildCity(row: CityRow, catalogue: readonly CatalogueRow[]): City {
  const tariffs = new Map<string, Tariff>();
  const models = new Map<string, VehicleModel>();
  const bays: Bay[] = [];
  const zones: Zone[] = [];
  for (const entry of catalogue) {
    if (entry.kind === 'tariff') tariffs.set(entry.definition.id, entry.definition);
    else if (entry.kind === 'model') models.set(entry.definition.id, entry.definition);
    else if (entry.kind === 'bay') bays.push(entry.definition);
    else zones.push(entry.definition);
  }
  const { id, name, country, timeZone, center, parking, currency, source } = row;
  return {
    summary: { id, name, country, timeZone, center, parking, currency, ...(source.attribution !== undefined && { attribution: source.attribution }) },
    tariffs, models, areas: new CityAreas(bays, zones),
  };
}

export const toDefinition = (row: VehicleRow): Definition => ({
  id: row.id, modelId: row.modelId, tariffId: row.tariffId, position: { lat: row.lat, lon: row.lon }, batteryPercent: row.batteryPercent,
  listed: row.listed, inService: row.inService, disabled: row.disabled, registeredAtMs: row.registeredAt.getTime(),
});

/** Rebuilds the fleet from what is stored. */
export async function loadFleet(fleet: Fleet, { database: { sql }, clock }: { database: Database; clock: Clock }): Promise<void> {
  const [cities, catalogue, vehicles, states, holds] = await Promise.all([readCities(sql), readCatalogue(sql), readVehicles(sql), readStates(sql), readHolds(sql)]);
  const byCity = Map.groupBy(catalogue, ({ cityId }) => cityId);
  for (const row of cities) fleet.cities.set(row.id, buildCity(row, byCity.get(row.id) ?? []));
  const nowMs = clock.nowMs();
  for (const row of vehicles) {
    const city = fleet.cities.get(row.cityId);
    if (city) fleet.set(row.id, city, { definition: toDefinition(row), live: states.get(row.id), bookings: holds.get(row.id) ?? [] }, nowMs);
  }
}

interface Catalogued {
  fleet: Fleet;
  changes: FleetChanges;
  database: Database;
  clock: Clock;
}

/**
 * Brings a city up to a definition, whole or not at all; the same definition again changes nothing.
 * @throws Problem `city-invalid` with what contradicts what
 */
export async function putCity({ fleet, changes, database, clock }: Catalogued, definition: CityDefinition): Promise<void> {
  const errors = contradictionsOf(definition);
  if (errors.length > 0) throw new Problem('city-invalid', errors.map(({ pointer, message }) => `${pointer}: ${message}`).slice(0, 3).join('; '), { errors });
  const digest = requestHash(definition);
  await changes.alone(async () => {
    const stored = await database.transaction(async (transaction) => {
      const { sql } = transaction;
      const [known] = await readCities(sql, definition.id);
      if (known?.digest === digest) return undefined;
      const strangers = await vehiclesOfOthers(sql, definition.id, definition.vehicles.map(({ id }) => id));
      if (strangers.length > 0) throw new Problem('city-invalid', `vehicles of another city: ${strangers.join(', ')}`);
      const { id, name, country, timeZone, center, parking, source } = definition;
      const city: CityRow = { id, name, country, timeZone, center, parking, source, currency: definition.tariffs[0]?.currency ?? 'EUR', digest };
      await writeCity(sql, { city, definition, at: clock.now() });
      const [catalogue, rows] = await Promise.all([readCatalogue(sql, id), readVehicles(sql, id)]);
      const built = buildCity(city, catalogue);
      for (const row of rows) {
        const vehicle = fleet.get(row.id);
        const model = built.models.get(row.modelId);
        if (!vehicle || !model) continue;
        const to = standingStatus({ definition: toDefinition(row), live: vehicle.live, bookings: vehicle.bookings }, model, clock.nowMs());
        if (to !== vehicle.status) transaction.publish(vehicleContract.events.statusChanged, row.id, { vehicleId: row.id, from: vehicle.status, to });
      }
      transaction.publish(vehicleContract.events.cityChanged, id, { cityId: id });
      return { built, rows };
    });
    if (!stored) return;
    fleet.cities.set(definition.id, stored.built);
    for (const row of stored.rows) {
      const known = fleet.get(row.id);
      fleet.set(row.id, stored.built, { definition: toDefinition(row), live: known?.live, bookings: known?.bookings ?? [] }, clock.nowMs());
    }
  });
}
