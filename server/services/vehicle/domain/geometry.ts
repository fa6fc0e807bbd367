/** Distances and areas on the ground, in WGS84 degrees and metres. */
import type { Position } from '../../../wire/schemas.ts';

const earthRadiusMetres = 6_371_008.8;
const radians = (degrees: number): number => (degrees * Math.PI) / 180;

/** `west, south, east, north` in degrees. */
export type Box = readonly [west: number, south: number, east: number, north: number];
export type Ring = readonly (readonly [lon: number, lat: number])[];
/** GeoJSON: polygons of rings, the outer ring first. */
export type Polygons = readonly (readonly Ring[])[];

/** The great-circle distance (haversine). */
export function distanceMetres(from: Position, to: Position): number {
  const latitudes = Math.sin(radians(to.lat - from.lat) / 2);
  const longitudes = Math.sin(radians(to.lon - from.lon) / 2);
  const chord = latitudes * latitudes + Math.cos(radians(from.lat)) * Math.cos(radians(to.lat)) * longitudes * longitudes;
  return 2 * earthRadiusMetres * Math.asin(Math.min(1, Math.sqrt(chord)));
}

export const isInBox = ({ lat, lon }: Position, [west, south, east, north]: Box): boolean => lon >= west && lon <= east && lat >= south && lat <= north;

export const boxesTouch = (a: Box, b: Box): boolean => a[0] <= b[2] && b[0] <= a[2] && a[1] <= b[3] && b[1] <= a[3];

/** A box that holds every position within the distance; whole latitudes near the poles. */
export function boxAround(center: Position, radiusMetres: number): Box {
  const latitudes = (radiusMetres / earthRadiusMetres) * (180 / Math.PI) * 1.000_001;
  const narrowest = Math.min(Math.cos(radians(center.lat + latitudes)), Math.cos(radians(center.lat - latitudes)));
  const longitudes = narrowest > 0.01 ? latitudes / narrowest : 360;
  return [center.lon - longitudes, center.lat - latitudes, center.lon + longitudes, center.lat + latitudes];
}

export function boxOfPolygons(polygons: Polygons): Box {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (const [outer] of polygons) {
    for (const [lon, lat] of outer ?? []) {
      west = Math.min(west, lon);
      east = Math.max(east, lon);
      south = Math.min(south, lat);
      north = Math.max(north, lat);
    }
  }
  return [west, south, east, north];
}

/**
 * Which side of the line from `a` to `b` the point is on: positive, negative, or exactly 0 on it.
 * Differences first, so that neighbouring coordinates lose no digits.
 */
const side = (a: readonly [number, number], b: readonly [number, number], lon: number, lat: number): number => (b[0] - a[0]) * (lat - a[1]) - (lon - a[0]) * (b[1] - a[1]);

/** A point on the line of a ring is inside, so that areas that share a border leave no gap. */
function ringContains(ring: Ring, lon: number, lat: number): 'inside' | 'outside' | 'border' {
  let inside = false;
  for (let index = 1; index < ring.length; index += 1) {
    const a = ring[index - 1];
    const b = ring[index];
    if (!a || !b) continue;
    const turn = side(a, b, lon, lat);
    if (turn === 0 && lon >= Math.min(a[0], b[0]) && lon <= Math.max(a[0], b[0]) && lat >= Math.min(a[1], b[1]) && lat <= Math.max(a[1], b[1])) return 'border';
    const upwards = a[1] <= lat && b[1] > lat;
    const downwards = b[1] <= lat && a[1] > lat;
    if ((upwards && turn > 0) || (downwards && turn < 0)) inside = !inside;
  }
  return inside ? 'inside' : 'outside';
}

/** Even-odd, holes cut out; borders (of holes too) belong to the area. */
export function polygonsContain(polygons: Polygons, { lat, lon }: Position): boolean {
  return polygons.some(([outer, ...holes]) => {
    if (!outer) return false;
    const within = ringContains(outer, lon, lat);
    if (within !== 'inside') return within === 'border';
    return holes.every((hole) => ringContains(hole, lon, lat) !== 'inside');
  });
}

/** Twice the signed area of a ring in square degrees; 0 for a ring that encloses nothing. */
export function ringAreaDegrees(ring: Ring): number {
  const origin = ring[0];
  if (!origin) return 0;
  let sum = 0;
  for (let index = 1; index < ring.length; index += 1) {
    const a = ring[index - 1];
    const b = ring[index];
    if (a && b) sum += (a[0] - origin[0]) * (b[1] - origin[1]) - (b[0] - origin[0]) * (a[1] - origin[1]);
  }
  return sum;
}
