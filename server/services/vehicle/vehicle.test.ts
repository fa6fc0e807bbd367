import { afterAll, beforeAll, expect, test } from 'vitest';
import { startModules, type TestProcess } from '../../program/testing.ts';
import { iotModule } from '../../iot/module.ts';
import { vehicleContract } from './contract.ts';
import { vehicleModule } from './module.ts';
import { origin, testCity } from './testing/city.ts';

let running: TestProcess;
beforeAll(async () => {
  running = await startModules([iotModule, vehicleModule]);
  const body = testCity();
  await running.client(vehicleContract).putCity({ params: { cityId: body.id }, body });
});
afterAll(() => running.dispose());

test('VEHICLE-01: a search finds vehicles to rent, nearest first', async () => {
  const { items } = await running.client(vehicleContract).searchVehicles({ query: { ...origin, radiusMetres: 2000 } });
  expect(items.map(({ id }) => id)).toEqual(['s-1', 's-2', 'c-1']);
});
