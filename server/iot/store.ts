/** The SQL of the IoT core. */
import type { Sql, TransactionSql } from 'postgres';
import type { OwnCertificates } from './authority.ts';

export type KeySet = { keys: Record<string, unknown>[] };
export type CertificateStatus = 'pending' | 'active' | 'inactive' | 'revoked';

export interface CertificateRow {
  id: string;
  kind: 'claim' | 'device';
  name: string;
  vehicleId: string | null;
  status: CertificateStatus;
  issuedAt: Date;
  expiresAt: Date;
  usedAt: Date | null;
  replaces: string | null;
  publicKeyHash: Uint8Array;
}

export interface ThingRow {
  vehicleId: string;
  connectedAt: Date | null;
  disconnectedAt: Date | null;
}

type AnySql = Sql | TransactionSql;
const columns = ['id', 'kind', 'name', 'vehicle_id', 'status', 'issued_at', 'expires_at', 'used_at', 'replaces', 'public_key_hash'];

export async function readUnlockKeys(sql: Sql): Promise<KeySet> {
  const [row] = await sql<{ keys: KeySet['keys'] }[]>`select keys from unlock_keys`;
  return { keys: row?.keys ?? [] };
}

export async function storeUnlockKeys(sql: Sql, { keys }: KeySet): Promise<void> {
  await sql`insert into unlock_keys (keys) values (${sql.json(keys as never)}) on conflict (only_row) do update set keys = excluded.keys`;
}

export function ownCertificates(sql: Sql): OwnCertificates {
  return {
    async read(purpose) {
      const [row] = await sql<{ certificatePem: string }[]>`select certificate_pem from own_certificates where purpose = ${purpose}`;
      return row?.certificatePem;
    },
    async write(purpose, certificatePem) {
      await sql`
        insert into own_certificates (purpose, certificate_pem) values (${purpose}, ${certificatePem})
        on conflict (purpose) do update set certificate_pem = excluded.certificate_pem`;
      return certificatePem;
    },
  };
}

export interface NewCertificate extends Pick<CertificateRow, 'id' | 'kind' | 'name' | 'vehicleId' | 'status' | 'issuedAt' | 'expiresAt' | 'publicKeyHash'> {
  replaces?: string;
  askedBy?: string;
  token?: { hash: Uint8Array; expiresAt: Date };
}

export async function insertCertificate(sql: AnySql, certificate: NewCertificate): Promise<void> {
  const { token, replaces = null, askedBy = null, publicKeyHash, ...row } = certificate;
  await sql`
    insert into certificates (id, kind, name, vehicle_id, status, issued_at, expires_at, public_key_hash, replaces, asked_by, token_hash, token_expires_at)
    values (${row.id}, ${row.kind}, ${row.name}, ${row.vehicleId}, ${row.status}, ${row.issuedAt}, ${row.expiresAt}, ${Buffer.from(publicKeyHash)}, ${replaces},
      ${askedBy}, ${token ? Buffer.from(token.hash) : null}, ${token?.expiresAt ?? null})`;
}

export async function findCertificate(sql: AnySql, id: string): Promise<CertificateRow | undefined> {
  const [row] = await sql<CertificateRow[]>`select ${sql(columns)} from certificates where id = ${id}`;
  return row;
}

export async function setStatus(sql: AnySql, ids: readonly string[], status: CertificateStatus): Promise<CertificateRow[]> {
  return sql<CertificateRow[]>`update certificates set status = ${status} where id = any(${[...ids]}) returning ${sql(columns)}`;
}

export async function certificatesOf(sql: AnySql, vehicleIds: readonly string[]): Promise<CertificateRow[]> {
  return sql<CertificateRow[]>`select ${sql(columns)} from certificates where vehicle_id = any(${[...vehicleIds]}) and status <> 'pending' order by issued_at, id`;
}

/** Takes the token, so that nobody takes it again. @returns the certificate that it stands for: pending, or active already when its device had one before */
export async function takePending(sql: AnySql, tokenHash: Uint8Array, askedBy: string, at: Date): Promise<CertificateRow | undefined> {
  const [row] = await sql<CertificateRow[]>`
    update certificates set token_hash = null
    where token_hash = ${Buffer.from(tokenHash)} and asked_by = ${askedBy} and token_expires_at > ${at} and status in ('pending', 'active')
    returning ${sql(columns)}`;
  return row;
}

export async function bindToVehicle(sql: AnySql, id: string, vehicleId: string): Promise<void> {
  await sql`update certificates set status = 'active', vehicle_id = ${vehicleId} where id = ${id}`;
}

/** Certificates that nobody has bound in time were never of use. */
export async function dropUnbound(sql: AnySql, before: Date): Promise<void> {
  await sql`delete from certificates where status = 'pending' and token_expires_at < ${before}`;
}

export async function storeThing(sql: AnySql, thing: { vehicleId: string; provisionedBy: string | null; provisionedAt: Date }): Promise<void> {
  await sql`
    insert into things (vehicle_id, provisioned_by, provisioned_at) values (${thing.vehicleId}, ${thing.provisionedBy}, ${thing.provisionedAt})
    on conflict (vehicle_id) do nothing`;
}

/** What has happened to connections since the last time, in one statement. */
export async function storeConnections(sql: AnySql, things: readonly ThingRow[]): Promise<void> {
  const texts = (instant: (thing: ThingRow) => Date | null) => things.map((thing) => instant(thing)?.toISOString() ?? null);
  await sql`
    update things set connected_at = coalesce(change.connected_at, things.connected_at), disconnected_at = coalesce(change.disconnected_at, things.disconnected_at)
    from unnest(${things.map(({ vehicleId }) => vehicleId)}::text[], ${texts(({ connectedAt }) => connectedAt)}::text[]::timestamptz[], ${texts(({ disconnectedAt }) => disconnectedAt)}::text[]::timestamptz[])
      as change (vehicle_id, connected_at, disconnected_at)
    where things.vehicle_id = change.vehicle_id`;
}

export async function storeFirstUse(sql: AnySql, ids: readonly string[], at: Date): Promise<void> {
  await sql`update certificates set used_at = ${at} where id = any(${[...ids]}) and used_at is null`;
}

export async function listThings(sql: AnySql, after: string, limit: number): Promise<ThingRow[]> {
  return sql<ThingRow[]>`select vehicle_id, connected_at, disconnected_at from things where vehicle_id > ${after} order by vehicle_id limit ${limit}`;
}

export async function findThing(sql: AnySql, vehicleId: string): Promise<ThingRow | undefined> {
  const [row] = await sql<ThingRow[]>`select vehicle_id, connected_at, disconnected_at from things where vehicle_id = ${vehicleId}`;
  return row;
}

/** Serialises what is done to the certificates of one vehicle until the transaction ends. */
export async function lockVehicle(sql: TransactionSql, vehicleId: string): Promise<void> {
  await sql`select pg_advisory_xact_lock(hashtext(${`iot:${vehicleId}`}))`;
}
