/** Rings of longitude and latitude: winding and crossings. Plane geometry; rings across the 180th meridian are not supported. */
import type { Ring } from './model.ts';

type Point = readonly [lon: number, lat: number];

/** Twice the signed area in square degrees; positive is anticlockwise. */
export function doubledArea(ring: readonly Point[]): number {
  let sum = 0;
  const origin = ring[0];
  if (!origin) return 0;
  for (const [index, point] of ring.entries()) {
    const next = ring[(index + 1) % ring.length] ?? point;
    sum += (point[0] - origin[0]) * (next[1] - origin[1]) - (next[0] - origin[0]) * (point[1] - origin[1]);
  }
  return sum;
}

/** The ring in the direction that GeoJSON asks for (RFC 7946): outer rings anticlockwise, holes clockwise. */
export function orientedRing(ring: Ring, role: 'outer' | 'hole'): Ring {
  const isAnticlockwise = doubledArea(ring) > 0;
  return isAnticlockwise === (role === 'outer') ? ring : ring.toReversed();
}

/**
 * Whether two edges of a closed ring properly cross. Edges are compared along a sweep by longitude, so that the
 * thousands of points of a coast line take milliseconds.
 */
export function ringCrossesItself(ring: readonly Point[]): boolean {
  const edges = ring.slice(1).map((to, index) => {
    const from = ring[index] ?? to;
    return { from, to, index, west: Math.min(from[0], to[0]), east: Math.max(from[0], to[0]) };
  });
  const sorted = edges.toSorted((a, b) => a.west - b.west);
  let open: typeof edges = [];
  for (const edge of sorted) {
    open = open.filter((other) => other.east >= edge.west);
    if (open.some((other) => cross(edge.from, edge.to, other.from, other.to))) return true;
    open.push(edge);
  }
  return false;
}

const side = (a: Point, b: Point, c: Point) => Math.sign((b[0] - a[0]) * (c[1] - a[1]) - (b[1] - a[1]) * (c[0] - a[0]));

/** Strictly: edges that only touch, as neighbours do, do not cross. */
function cross(a: Point, b: Point, c: Point, d: Point): boolean {
  return side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0;
}
