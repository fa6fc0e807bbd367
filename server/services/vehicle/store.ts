/** The SQL of the Vehicle service. */
import type { Sql, TransactionSql } from 'postgres';
import type { Bay, CityDefinition, Command, Tariff, VehicleModel, Zone } from './contract.ts';
import type { LiveState } from './domain/reports.ts';
import type { BookingHold } from './domain/status.ts';

type AnySql = Sql | TransactionSql;

export interface CityRow {
  id: string;
  name: string;
  country: string;
  timeZone: string;
  center: CityDefinition['center'];
  parking: CityDefinition['parking'];
  source: CityDefinition['source'];
  currency: string;
  digest: string;
}

export type CatalogueRow = { cityId: string } & (
  | { kind: 'tariff'; definition: Tariff }
  | { kind: 'model'; definition: VehicleModel }
  | { kind: 'bay'; definition: Bay }
  | { kind: 'zone'; definition: Zone }
);

export interface VehicleRow {
  id: string;
  cityId: string;
  modelId: string;
  tariffId: string;
  plate: string | null;
  lat: number;
  lon: number;
  batteryPercent: number;
  listed: boolean;
  inService: boolean;
  /** Told to be disabled, and not to be enabled since. */
  disabled: boolean;
  registered: boolean;
  registeredAt: Date;
  idempotencyKey: string | null;
  requestHash: string | null;
}

export interface CommandRow {
  id: string;
  vehicleId: string;
  kind: Command['kind'];
  bookingId: string | null;
  riderId: string | null;
  state: Command['state'];
  reason: string | null;
  createdAt: Date;
  expiresAt: Date;
}

export const readCities = (sql: AnySql, cityId?: string): Promise<CityRow[]> => sql<CityRow[]>`select * from cities ${cityId === undefined ? sql`` : sql`where id = ${cityId}`} order by id`;

export const readCatalogue = (sql: AnySql, cityId?: string): Promise<CatalogueRow[]> =>
  sql<CatalogueRow[]>`select city_id, kind, definition from catalogue ${cityId === undefined ? sql`` : sql`where city_id = ${cityId}`} order by city_id, kind, place`;

export const readVehicles = (sql: AnySql, cityId?: string): Promise<VehicleRow[]> => sql<VehicleRow[]>`select * from vehicles ${cityId === undefined ? sql`` : sql`where city_id = ${cityId}`}`;

export async function findVehicle(sql: AnySql, id: string): Promise<VehicleRow | undefined> {
  const [row] = await sql<VehicleRow[]>`select * from vehicles where id = ${id}`;
  return row;
}

export async function findByKey(sql: AnySql, idempotencyKey: string): Promise<VehicleRow | undefined> {
  const [row] = await sql<VehicleRow[]>`select * from vehicles where idempotency_key = ${idempotencyKey}`;
  return row;
}

export async function readStates(sql: AnySql): Promise<Map<string, LiveState>> {
  const rows = await sql<{ vehicleId: string; state: LiveState }[]>`select vehicle_id, state from states`;
  // States from before vehicles could be disabled do not say whether they are.
  return new Map(rows.map(({ vehicleId, state }) => [vehicleId, { ...state, disabled: state.disabled ?? false }]));
}

/** Newer states win, so that writing the same again changes nothing. */
export async function writeStates(sql: AnySql, states: readonly { vehicleId: string; state: LiveState }[]): Promise<void> {
  const rows = states.map(({ vehicleId, state }) => ({ vehicle_id: vehicleId, sequence: state.sequence, seen_at: new Date(state.reportedAtMs).toISOString(), state }));
  await sql`
    insert into states (vehicle_id, sequence, seen_at, state)
    select vehicle_id, sequence, seen_at, state from jsonb_to_recordset(${sql.json(rows as never)}) as rows(vehicle_id text, sequence bigint, seen_at timestamptz, state jsonb)
    on conflict (vehicle_id) do update set sequence = excluded.sequence, seen_at = excluded.seen_at, state = excluded.state where states.sequence < excluded.sequence`;
}

export interface CityChange {
  city: CityRow;
  definition: CityDefinition;
  at: Date;
}

/** Writes a whole city: what is no longer in it goes, vehicles are unlisted. */
export async function writeCity(sql: TransactionSql, { city, definition, at }: CityChange): Promise<void> {
  await sql`
    insert into cities ${sql({ ...city, center: sql.json(city.center), source: sql.json(city.source as never), changedAt: at } as never)}
    on conflict (id) do update set name = excluded.name, country = excluded.country, time_zone = excluded.time_zone, center = excluded.center,
      parking = excluded.parking, source = excluded.source, currency = excluded.currency, digest = excluded.digest, changed_at = excluded.changed_at`;
  // Vehicles that the definition does not name (added by themselves, or dropped in mid-ride) keep their model and tariff.
  await sql`delete from catalogue where city_id = ${city.id} and not exists (
    select 1 from vehicles where vehicles.city_id = catalogue.city_id and ((kind = 'model' and model_id = catalogue.id) or (kind = 'tariff' and tariff_id = catalogue.id)))`;
  const parts = { tariff: definition.tariffs, model: definition.models, bay: definition.bays, zone: definition.zones };
  for (const [kind, definitions] of Object.entries(parts)) {
    const rows = definitions.map((entry, place) => ({ id: entry.id, place, definition: entry }));
    await sql`
      insert into catalogue (city_id, kind, id, place, definition)
      select ${city.id}, ${kind}, id, place, definition from jsonb_to_recordset(${sql.json(rows as never)}) as rows(id text, place integer, definition jsonb)
      on conflict (city_id, kind, id) do update set place = excluded.place, definition = excluded.definition`;
  }
  await sql`update vehicles set listed = false where city_id = ${city.id} and not registered`;
  const rows = definition.vehicles.map((vehicle) => ({
    id: vehicle.id, model_id: vehicle.modelId, tariff_id: vehicle.tariffId, plate: vehicle.plate ?? null, lat: vehicle.position.lat, lon: vehicle.position.lon, battery_percent: vehicle.batteryPercent, listed: vehicle.inService,
  }));
  await sql`
    insert into vehicles (id, city_id, model_id, tariff_id, plate, lat, lon, battery_percent, listed, in_service, registered, registered_at)
    select id, ${city.id}, model_id, tariff_id, plate, lat, lon, battery_percent, listed, true, false, ${at}
    from jsonb_to_recordset(${sql.json(rows as never)}) as rows(id text, model_id text, tariff_id text, plate text, lat double precision, lon double precision, battery_percent double precision, listed boolean)
    on conflict (id) do update set model_id = excluded.model_id, tariff_id = excluded.tariff_id, plate = excluded.plate, lat = excluded.lat, lon = excluded.lon,
      battery_percent = excluded.battery_percent, listed = excluded.listed, registered = false`;
}

/** @returns ids of the list that are vehicles of another city */
export async function vehiclesOfOthers(sql: AnySql, cityId: string, ids: readonly string[]): Promise<string[]> {
  const rows = await sql<{ id: string }[]>`select id from vehicles where id = any(${ids as string[]}) and city_id <> ${cityId} limit 20`;
  return rows.map(({ id }) => id);
}

export const insertVehicle = async (sql: AnySql, row: VehicleRow): Promise<void> => {
  await sql`insert into vehicles ${sql(row as never)}`;
};

export async function setInService(sql: AnySql, id: string, inService: boolean): Promise<void> {
  await sql`update vehicles set in_service = ${inService} where id = ${id}`;
}

export async function setDisabled(sql: AnySql, id: string, disabled: boolean): Promise<void> {
  await sql`update vehicles set disabled = ${disabled} where id = ${id}`;
}

export interface HoldRow {
  id: string;
  vehicleId: string;
  state: string;
  startsAt: Date;
  endsAt: Date;
  saidAt: Date;
  /** The booking's own count of its changes; 0 for events from before there was one. */
  revision: number;
}

/** @returns whether it was news: false for what came after something newer */
export async function writeHold(sql: AnySql, row: HoldRow): Promise<boolean> {
  const rows = await sql`
    insert into bookings ${sql(row as never)}
    on conflict (id) do update set state = excluded.state, starts_at = excluded.starts_at, ends_at = excluded.ends_at, said_at = excluded.said_at, revision = excluded.revision
      where (bookings.revision, bookings.said_at) <= (excluded.revision, excluded.said_at)
    returning 1`;
  return rows.length > 0;
}

const holding = ['reserved', 'confirmed', 'riding', 'paused'];

export async function readHolds(sql: AnySql): Promise<Map<string, BookingHold[]>> {
  const rows = await sql<HoldRow[]>`select * from bookings where state = any(${holding})`;
  const holds = new Map<string, BookingHold[]>();
  for (const { id, vehicleId, state, startsAt, endsAt } of rows) {
    const hold: BookingHold = { bookingId: id, state: state as BookingHold['state'], startsAtMs: startsAt.getTime(), endsAtMs: endsAt.getTime() };
    holds.set(vehicleId, [...(holds.get(vehicleId) ?? []), hold]);
  }
  return holds;
}

/** @returns the command of this id: the new one, or the one that was there */
export async function insertCommand(sql: AnySql, row: CommandRow): Promise<CommandRow> {
  const [stored] = await sql<CommandRow[]>`insert into commands ${sql(row as never)} on conflict (id) do update set id = excluded.id returning *`;
  if (!stored) throw new Error('a command was neither stored nor found');
  return stored;
}

export async function findCommand(sql: AnySql, id: string): Promise<CommandRow | undefined> {
  const [row] = await sql<CommandRow[]>`select * from commands where id = ${id}`;
  return row;
}

export const readOpenCommands = (sql: AnySql): Promise<CommandRow[]> => sql<CommandRow[]>`select * from commands where state in ('pending', 'sent')`;

/** A verdict is never taken back. */
export async function moveCommand(sql: AnySql, id: string, state: Command['state'], reason?: string): Promise<void> {
  await sql`update commands set state = ${state}, reason = ${reason ?? null} where id = ${id} and state in ('pending', 'sent')`;
}
