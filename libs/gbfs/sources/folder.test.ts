import { cp, mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { fixtureFolder, fixtureNames } from '../fixtures/read.ts';
import { loadGbfs } from '../load.ts';

let folder: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gbfs-'));
});
afterEach(() => rm(folder, { recursive: true }));

describe('a system in a folder', () => {
  it.each(fixtureNames)('%s is read, whether the folder or its discovery file is given', async (name) => {
    const system = await loadGbfs(fixtureFolder(name));
    expect(system.findings.filter(({ severity }) => severity !== 'info')).toEqual([]);
    expect(system.feeds.filter(({ state }) => state === 'failed')).toEqual([]);
    expect(await loadGbfs(pathToFileURL(join(fixtureFolder(name), 'gbfs.json')).href)).toEqual(system);
  });

  it('says which other languages a 2.x system has', async () => {
    const system = await loadGbfs(fixtureFolder('v2.3-fjordhjul'));
    expect(system.findings).toMatchObject([{ code: 'languages-not-read', severity: 'info', feed: 'gbfs' }]);
  });

  it('is read from files without ending, with hyphens, without a discovery file, among other files', async () => {
    const system = await loadGbfs(fixtureFolder('v3.0-nabobil'));
    await cp(fixtureFolder('v3.0-nabobil'), folder, { recursive: true });
    await rm(join(folder, 'gbfs.json'));
    await rename(join(folder, 'vehicle_status.json'), join(folder, 'vehicle-status'));
    await rename(join(folder, 'system_pricing_plans.json'), join(folder, 'system_pricing_plans'));
    await writeFile(join(folder, 'README.md'), 'read me');
    await writeFile(join(folder, '.hidden'), 'x');
    await mkdir(join(folder, 'vehicle_types'));
    const read = await loadGbfs(folder);
    expect(read).toMatchObject({ vehicles: system.vehicles, pricingPlans: system.pricingPlans, vehicleTypes: system.vehicleTypes });
    expect(read.findings).toMatchObject([{ code: 'feed-missing', severity: 'info', feed: 'gbfs' }]);
  });

  it('reports feeds that the discovery file names and the folder does not have', async () => {
    await cp(fixtureFolder('v3.0-nabobil'), folder, { recursive: true });
    await rm(join(folder, 'vehicle_types.json'));
    const system = await loadGbfs(folder);
    expect(system.feeds).toContainEqual({ feed: 'vehicle_types', location: folder, state: 'failed', itemCount: 0, reason: 'named by the discovery file, but there is no such file in the folder' });
  });

  it('is read although its discovery file is cut off', async () => {
    await cp(fixtureFolder('v3.0-nabobil'), folder, { recursive: true });
    await writeFile(join(folder, 'gbfs.json'), '{"version":"3.0","da');
    const system = await loadGbfs(folder);
    expect(system.vehicles).toHaveLength(4);
    expect(system.findings).toMatchObject([{ code: 'json-invalid', severity: 'error' }]);
  });

  it('is refused when there is none, when it is empty, and when a file is too large', async () => {
    await expect(loadGbfs(join(folder, 'nowhere'))).rejects.toMatchObject({ name: 'GbfsError', code: 'location-unreadable' });
    await expect(loadGbfs(folder)).rejects.toMatchObject({ code: 'nothing-to-read' });
    await expect(loadGbfs(fixtureFolder('v3.0-nabobil'), { maximumBytes: 100 })).rejects.toMatchObject({ code: 'too-large' });
  });
});
