/** Secrets of devices over plain TCP: what vehicles had before they had certificates. */
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import type { Sql } from 'postgres';

const secretBytes = 32;
const hashOf = (secret: Uint8Array | string): Uint8Array => createHash('sha256').update(secret).digest();

export async function issuePassword(sql: Sql, vehicleId: string, issuedAt: Date): Promise<string> {
  const password = randomBytes(secretBytes).toString('base64url');
  await sql`
    insert into devices (vehicle_id, secret_hash, issued_at) values (${vehicleId}, ${Buffer.from(hashOf(password))}, ${issuedAt})
    on conflict (vehicle_id) do update set secret_hash = excluded.secret_hash, issued_at = excluded.issued_at`;
  return password;
}

export async function isPassword(sql: Sql, vehicleId: string, secret: Uint8Array): Promise<boolean> {
  const [row] = await sql<{ secretHash: Uint8Array }[]>`select secret_hash from devices where vehicle_id = ${vehicleId}`;
  return row !== undefined && timingSafeEqual(row.secretHash, hashOf(secret));
}
