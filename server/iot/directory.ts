/** Devices as staff see them: what the database knows, and what has happened since it was told. */
import type { z } from 'zod';
import type { Database } from '../infra/sql/port.ts';
import type { Device, DeviceCertificate } from './contract.ts';
import type { DeviceCore } from './core.ts';
import { type CertificateRow, certificatesOf, findThing, listThings, type ThingRow } from './store.ts';

export function certificateAnswer({ id, kind, vehicleId, status, issuedAt, expiresAt }: CertificateRow): z.input<typeof DeviceCertificate> {
  return { id, kind, vehicleId, status, issuedAt: issuedAt.toISOString(), expiresAt: expiresAt.toISOString() };
}

function deviceAnswer(thing: ThingRow, certificates: readonly CertificateRow[], core: DeviceCore): z.input<typeof Device> {
  const sinceMs = core.connectedSinceMs(thing.vehicleId);
  const change = core.pendingChange(thing.vehicleId);
  const connectedAt = change?.connectedAt ?? thing.connectedAt;
  const disconnectedAt = change?.disconnectedAt ?? thing.disconnectedAt;
  return {
    vehicleId: thing.vehicleId, certificates: certificates.filter(({ vehicleId }) => vehicleId === thing.vehicleId).map(certificateAnswer), connected: sinceMs !== undefined,
    connectedAt: (sinceMs === undefined ? connectedAt : new Date(sinceMs))?.toISOString() ?? null, disconnectedAt: disconnectedAt?.toISOString() ?? null,
  };
}

export async function findDevice({ sql }: Database, core: DeviceCore, vehicleId: string): Promise<z.input<typeof Device> | undefined> {
  const thing = await findThing(sql, vehicleId);
  return thing && deviceAnswer(thing, await certificatesOf(sql, [vehicleId]), core);
}

export async function listDevices({ sql }: Database, core: DeviceCore, { cursor = '', limit }: { cursor?: string; limit: number }): Promise<{ items: z.input<typeof Device>[]; next?: string }> {
  const things = await listThings(sql, cursor, limit + 1);
  const shown = things.slice(0, limit);
  const certificates = await certificatesOf(sql, shown.map(({ vehicleId }) => vehicleId));
  const last = shown.at(-1);
  return { items: shown.map((thing) => deviceAnswer(thing, certificates, core)), ...(things.length > limit && last && { next: last.vehicleId }) };
}
