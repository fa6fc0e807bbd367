import { describe, expect, it } from 'vitest';
import { latLngToCell, cellToLatLng } from 'h3-js';
import { CityDefinition } from '../services/vehicle/contract.ts';
import { frankfurt } from './frankfurt.ts';

const city = CityDefinition.parse(frankfurt({ vehicles: 500, seed: 7 }));
type Point = { lat: number; lon: number };

const metres = (a: Point, b: Point) => Math.hypot((a.lat - b.lat) * 111_320, (a.lon - b.lon) * 111_320 * Math.cos((a.lat * Math.PI) / 180));
const inRing = (ring: [number, number][], { lat, lon }: Point) => {
  let inside = false;
  ring.forEach(([x, y], index) => {
    const [px, py] = ring[(index + ring.length - 1) % ring.length] ?? [x, y];
    if (y > lat !== py > lat && lon < ((px - x) * (lat - y)) / (py - y) + x) inside = !inside;
  });
  return inside;
};
const inZone = (zone: (typeof city.zones)[number], point: Point) => zone.polygons.some((polygon) => polygon[0] && inRing(polygon[0], point));
const zonesOf = (kind: string) => city.zones.filter((zone) => zone.kind === kind);

describe('the demo city', () => {
  it('is the same for the same seed, and another for another', () => {
    expect(frankfurt({ vehicles: 120, seed: 7 })).toEqual(frankfurt({ vehicles: 120, seed: 7 }));
    expect(frankfurt({ vehicles: 120, seed: 8 }).vehicles).not.toEqual(frankfurt({ vehicles: 120, seed: 7 }).vehicles);
  });

  it.each([0, 1, 7, 500, 3000])('has exactly %d vehicles with ids of their own', (vehicles) => {
    const made = CityDefinition.parse(frankfurt({ vehicles, seed: 1 }));
    expect(made.vehicles).toHaveLength(vehicles);
    expect(new Set(made.vehicles.map(({ id }) => id)).size).toBe(vehicles);
  });

  it('refers only to models and tariffs that exist, and has all four types', () => {
    const models = new Map(city.models.map((model) => [model.id, model]));
    const tariffs = new Set(city.tariffs.map(({ id }) => id));
    for (const vehicle of city.vehicles) {
      expect(models.has(vehicle.modelId)).toBe(true);
      expect(tariffs.has(vehicle.tariffId)).toBe(true);
    }
    expect(new Set(city.vehicles.map(({ modelId }) => models.get(modelId)?.type))).toEqual(new Set(['scooter', 'ebike', 'car', 'van']));
  });

  it('has at least 40 bays, 12 of them with chargers, all in the operating area and none where parking is forbidden', () => {
    expect(city.bays.length).toBeGreaterThanOrEqual(40);
    expect(city.bays.filter(({ chargers }) => chargers > 0).length).toBeGreaterThanOrEqual(12);
    expect(new Set(city.bays.map(({ id }) => id)).size).toBe(city.bays.length);
    for (const bay of city.bays) {
      expect(zonesOf('operating').some((zone) => inZone(zone, bay.position)), bay.id).toBe(true);
      expect([...zonesOf('no-parking'), ...zonesOf('no-ride')].filter((zone) => inZone(zone, bay.position)).map(({ id }) => id)).toEqual([]);
    }
  });

  it('keeps bays apart from each other, so that a vehicle stands in one bay', () => {
    for (const [index, bay] of city.bays.entries())
      for (const other of city.bays.slice(index + 1))
        expect(metres(bay.position, other.position), `${bay.id} ${other.id}`).toBeGreaterThan(bay.radiusMetres + other.radiusMetres);
  });

  it('stands cars and vans in bays with chargers, one for each charger, and every vehicle in the operating area', () => {
    const models = new Map(city.models.map((model) => [model.id, model]));
    const used = new Map<string, number>();
    for (const vehicle of city.vehicles) {
      expect(zonesOf('operating').some((zone) => inZone(zone, vehicle.position)), vehicle.id).toBe(true);
      expect([...zonesOf('no-parking'), ...zonesOf('no-ride')].some((zone) => inZone(zone, vehicle.position)), vehicle.id).toBe(false);
      if (!models.get(vehicle.modelId)?.pluggable) continue;
      const bay = city.bays.find((each) => metres(each.position, vehicle.position) <= each.radiusMetres);
      expect(bay?.chargers, vehicle.id).toBeGreaterThan(0);
      if (bay) used.set(bay.id, (used.get(bay.id) ?? 0) + 1);
    }
    for (const bay of city.bays) expect(used.get(bay.id) ?? 0, bay.id).toBeLessThanOrEqual(bay.chargers);
  });

  it('makes pricing zones of whole cells that never overlap', () => {
    for (const bay of city.bays) {
      const [lat, lon] = cellToLatLng(latLngToCell(bay.position.lat, bay.position.lon, 8));
      expect(zonesOf('pricing').filter((zone) => inZone(zone, { lat, lon })).length).toBeLessThanOrEqual(1);
    }
    const roemer = zonesOf('pricing').filter((zone) => inZone(zone, { lat: 50.1109, lon: 8.6821 }));
    expect(roemer.map(({ multiplier }) => multiplier)).toEqual([1.2]);
  });
});
