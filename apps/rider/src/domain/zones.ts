/** What holds at a place: zones and bays, for explanations beside the server's own verdict. */
import type { Bay, VehicleType, Zone } from '../api/contract';
import { distanceMetres, type Position } from './distance';

type Ring = readonly (readonly [number, number])[];

function insideRing(ring: Ring, { lat, lon }: Position): boolean {
  let inside = false;
  for (let index = 0, previous = ring.length - 1; index < ring.length; previous = index++) {
    const [x1, y1] = ring[index] ?? [0, 0];
    const [x2, y2] = ring[previous] ?? [0, 0];
    if (y1 > lat !== y2 > lat && lon < ((x2 - x1) * (lat - y1)) / (y2 - y1) + x1) inside = !inside;
  }
  return inside;
}

/** Even-odd rule on GeoJSON MultiPolygon coordinates; the first ring of a polygon is its outside, the others are holes. */
export function insidePolygons(polygons: readonly (readonly Ring[])[], position: Position): boolean {
  return polygons.some(([outer, ...holes]) => outer !== undefined && insideRing(outer, position) && !holes.some((hole) => insideRing(hole, position)));
}

/** The zones of a kind that hold for a vehicle type at a position. */
export function zonesAt(zones: readonly Zone[], kind: Zone['kind'], type: VehicleType, position: Position): Zone[] {
  return zones.filter((zone) => zone.kind === kind && zone.vehicleTypes.includes(type) && insidePolygons(zone.polygons, position));
}

/** The pricing zone that a ride would start in, with its multiplier; undefined where the plain tariff holds. */
export function pricingZoneAt(zones: readonly Zone[], type: VehicleType, position: Position): Zone | undefined {
  return zonesAt(zones, 'pricing', type, position).find((zone) => (zone.multiplier ?? 1) !== 1);
}

/** The nearest bay that takes this vehicle type, with its distance from the position. */
export function nearestBay(bays: readonly Bay[], type: VehicleType, position: Position): { bay: Bay; metres: number } | undefined {
  let nearest: { bay: Bay; metres: number } | undefined;
  for (const bay of bays) {
    if (!bay.vehicleTypes.includes(type)) continue;
    const metres = distanceMetres(position, bay.position);
    if (!nearest || metres < nearest.metres) nearest = { bay, metres };
  }
  return nearest;
}
