/** The SQL of the IoT core. */
import type { Sql } from 'postgres';

export type KeySet = { keys: Record<string, unknown>[] };

export async function storeDevice(sql: Sql, device: { vehicleId: string; secretHash: Uint8Array; issuedAt: Date }): Promise<void> {
  await sql`
    insert into devices (vehicle_id, secret_hash, issued_at) values (${device.vehicleId}, ${Buffer.from(device.secretHash)}, ${device.issuedAt})
    on conflict (vehicle_id) do update set secret_hash = excluded.secret_hash, issued_at = excluded.issued_at`;
}

export async function findSecretHash(sql: Sql, vehicleId: string): Promise<Uint8Array | undefined> {
  const [row] = await sql<{ secretHash: Uint8Array }[]>`select secret_hash from devices where vehicle_id = ${vehicleId}`;
  return row?.secretHash;
}

export async function readUnlockKeys(sql: Sql): Promise<KeySet> {
  const [row] = await sql<{ keys: KeySet['keys'] }[]>`select keys from unlock_keys`;
  return { keys: row?.keys ?? [] };
}

export async function storeUnlockKeys(sql: Sql, { keys }: KeySet): Promise<void> {
  await sql`insert into unlock_keys (keys) values (${sql.json(keys as never)}) on conflict (only_row) do update set keys = excluded.keys`;
}
