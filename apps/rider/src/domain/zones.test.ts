import { expect, test } from 'vitest';
import type { Bay, Zone } from '../api/contract';
import { insidePolygons, nearestBay, pricingZoneAt, zonesAt } from './zones';

const square = (west: number, south: number, side: number): [number, number][] => [[west, south], [west + side, south], [west + side, south + side], [west, south + side], [west, south]];
const zone = (more: Partial<Zone>): Zone => ({ id: 'a', name: 'A', kind: 'pricing', polygons: [[square(0, 0, 10)]], vehicleTypes: ['scooter'], multiplier: 1.2, ...more });
const bay = (id: string, lat: number, vehicleTypes: Bay['vehicleTypes']): Bay => ({ id, name: id, position: { lat, lon: 0 }, radiusMetres: 25, chargers: 0, vehicleTypes });

test('a place in a hole is outside', () => {
  const polygons = [[square(0, 0, 10), square(4, 4, 2)]];
  expect(insidePolygons(polygons, { lat: 1, lon: 1 })).toBe(true);
  expect(insidePolygons(polygons, { lat: 5, lon: 5 })).toBe(false);
  expect(insidePolygons(polygons, { lat: 11, lon: 5 })).toBe(false);
});

test('a pricing zone counts for its vehicle types, and only when it changes the price', () => {
  expect(pricingZoneAt([zone({})], 'scooter', { lat: 5, lon: 5 })?.multiplier).toBe(1.2);
  expect(pricingZoneAt([zone({})], 'car', { lat: 5, lon: 5 })).toBeUndefined();
  expect(pricingZoneAt([zone({ multiplier: 1 })], 'scooter', { lat: 5, lon: 5 })).toBeUndefined();
});

test('zones are told apart by kind', () => {
  expect(zonesAt([zone({ kind: 'no-parking' }), zone({})], 'no-parking', 'scooter', { lat: 5, lon: 5 })).toHaveLength(1);
});

test('the nearest bay is one that takes the vehicle', () => {
  const bays = [bay('near', 0.001, ['car']), bay('far', 0.01, ['scooter'])];
  expect(nearestBay(bays, 'scooter', { lat: 0, lon: 0 })?.bay.id).toBe('far');
  expect(nearestBay(bays, 'van', { lat: 0, lon: 0 })).toBeUndefined();
});
