import { expect, test } from 'vitest';
import { CityDefinition, type CityDefinitionInput } from '../contract.ts';
import { square, testCity } from '../testing/city.ts';
import { contradictionsOf } from './city.ts';

const pointers = (change: Partial<CityDefinitionInput>) => contradictionsOf(CityDefinition.parse(testCity(change))).map(({ pointer }) => pointer);
const { tariffs, models, vehicles, zones, bays } = testCity();
const zone = (ring: [number, number][]): CityDefinitionInput['zones'] => [{ id: 'z', name: 'Z', kind: 'slow', polygons: [[ring]], vehicleTypes: ['scooter'] }];

test('VEHICLE-16: a city that holds together is taken', () => {
  expect(pointers({})).toEqual([]);
});

test('VEHICLE-16: a city that contradicts itself is refused, and each place is named', () => {
  expect(pointers({ vehicles: [...vehicles, { id: 'x', modelId: 'none', tariffId: 'none', position: { lat: 50, lon: 8 } }] })).toEqual(['/vehicles/4/modelId', '/vehicles/4/tariffId']);
  expect(pointers({ vehicles: [...vehicles, ...vehicles.slice(0, 1)] })).toEqual(['/vehicles/4/id']);
  expect(pointers({ bays: [...bays, ...bays.slice(0, 1)] })).toEqual(['/bays/2/id']);
  expect(pointers({ zones: [...zones, ...zones.slice(0, 1)] })).toEqual(['/zones/3/id']);
  expect(pointers({ models: [...models, ...models.slice(0, 1)] })).toEqual(['/models/2/id']);
  expect(pointers({ timeZone: 'Mars/Olympus' })).toEqual(['/timeZone']);
  expect(pointers({ tariffs: tariffs.map((tariff, index) => ({ ...tariff, currency: index === 0 ? 'EUR' : 'NOK' })) })).toEqual(['/tariffs/1/currency']);
  expect(pointers({ tariffs: tariffs.map((tariff) => ({ ...tariff, segments: [{ startMinute: 5, endMinute: 5, intervalMinutes: 1, rateMinor: 1 }] })) })).toHaveLength(2);
});

test('VEHICLE-16: a zone is made of closed rings that enclose something on earth', () => {
  expect(pointers({ zones: zone(square(8, 50, 1)) })).toEqual([]);
  expect(pointers({ zones: zone(square(8, 50, 1).slice(0, 4)) })).toEqual(['/zones/0/polygons']);
  expect(pointers({ zones: zone([[8, 50], [9, 51], [10, 52], [8, 50]]) })).toEqual(['/zones/0/polygons']);
  expect(pointers({ zones: zone(square(8, 89.5, 1)) })).toEqual(['/zones/0/polygons']);
});
