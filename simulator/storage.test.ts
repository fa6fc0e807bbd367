import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe } from 'vitest';
import { conformance } from '../edge/storage/conformance.ts';
import { type FleetStorage, openFleetStorage } from './storage.ts';

let folder: string;
let fleet: FleetStorage;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fleet-storage-'));
  fleet = openFleetStorage(folder);
});
afterAll(async () => {
  await fleet.close();
  await rm(folder, { recursive: true, force: true });
});

describe('LMDB for a whole fleet', () => {
  let count = 0;
  conformance(async () => {
    const id = `vehicle-${count++}`;
    return { storage: fleet.of(id), reopen: () => fleet.of(id) };
  });
});
