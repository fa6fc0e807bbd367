/** The SQL of telemetry: the live state as bytes, and starts of agents. History is the series'. */
import type { Sql, TransactionSql } from 'postgres';
import type { Boot } from './intake.ts';

/** Some vehicles as `LiveFleet.pack` gives them. */
export interface SavedVehicles {
  vehicleIds: string[];
  /** By place in `vehicleIds`: the zones that they are in; those in none are left out. */
  zones: Record<string, readonly string[]>;
  state: Buffer;
}

export interface SavedVehicle {
  vehicleId: string;
  zones: readonly string[];
  state: Buffer;
}

export async function saveChunk(sql: Sql, chunk: number, cycle: number, { vehicleIds, zones, state }: SavedVehicles): Promise<void> {
  await sql`
    insert into live_chunks (chunk, cycle, vehicle_ids, zones, state) values (${chunk}, ${cycle}, ${sql.json(vehicleIds)}, ${sql.json(zones)}, ${state})
    on conflict (chunk) do update set cycle = excluded.cycle, vehicle_ids = excluded.vehicle_ids, zones = excluded.zones, state = excluded.state`;
}

/** When all chunks are saved: what they hold need not be kept beside them. */
export async function saveShares(sql: Sql, cycle: number, receivedAtMs: Record<string, number>): Promise<void> {
  await sql`insert into live_shares (received_at_ms) values (${sql.json(receivedAtMs)}) on conflict (only_one) do update set received_at_ms = excluded.received_at_ms`;
  await sql`delete from live_said where cycle <= ${cycle}`;
}

export async function saveSaid(sql: TransactionSql, cycle: number, vehicles: readonly SavedVehicle[]): Promise<void> {
  const rows = vehicles.map(({ vehicleId, zones, state }) => ({ vehicle_id: vehicleId, zones, state: state.toString('base64') }));
  await sql`
    insert into live_said (vehicle_id, cycle, zones, state)
    select vehicle_id, ${cycle}, zones, decode(state, 'base64') from jsonb_to_recordset(${sql.json(rows as never)}) as rows(vehicle_id text, zones jsonb, state text)
    on conflict (vehicle_id) do update set cycle = excluded.cycle, zones = excluded.zones, state = excluded.state`;
}

export async function saveBoots(sql: TransactionSql, boots: readonly Boot[]): Promise<void> {
  const rows = boots.map(({ vehicleId, atMs, starts }) => ({ vehicle_id: vehicleId, at: new Date(atMs).toISOString(), starts }));
  await sql`
    insert into boots (vehicle_id, at, starts)
    select vehicle_id, at, sum(starts) from jsonb_to_recordset(${sql.json(rows)}) as rows(vehicle_id text, at timestamptz, starts integer) group by vehicle_id, at
    on conflict (vehicle_id, at) do nothing`;
}

export async function startsSince(sql: Sql, vehicleIds: readonly string[], since: Date): Promise<Map<string, number>> {
  const rows = await sql<{ vehicleId: string; starts: number }[]>`select vehicle_id, sum(starts)::integer as starts from boots where vehicle_id = any(${[...vehicleIds]}::text[]) and at >= ${since} group by vehicle_id`;
  return new Map(rows.map(({ vehicleId, starts }) => [vehicleId, starts]));
}

export const forgetBoots = (sql: Sql, before: Date): Promise<unknown> => sql`delete from boots where at < ${before}`;

export interface SavedLive {
  chunks: (SavedVehicles & { cycle: number })[];
  said: (SavedVehicle & { cycle: number })[];
  receivedAtMs: Record<string, number>;
}

export async function loadLive(sql: Sql): Promise<SavedLive> {
  const chunks = await sql<SavedLive['chunks']>`select cycle, vehicle_ids, zones, state from live_chunks order by chunk`;
  const said = await sql<SavedLive['said']>`select vehicle_id, cycle, zones, state from live_said order by cycle`;
  const [shares] = await sql<{ receivedAtMs: Record<string, number> }[]>`select received_at_ms from live_shares`;
  return { chunks, said, receivedAtMs: shares?.receivedAtMs ?? {} };
}
