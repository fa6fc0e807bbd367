/** GeoJSON areas of feeds → closed, oriented rings; what cannot be an area is left out with a finding. */
import { createHash } from 'node:crypto';
import { doubledArea, orientedRing, ringCrossesItself } from '../geometry.ts';
import type { MultiPolygon, Ring } from '../model.ts';
import type { Place } from './place.ts';

const crossingsCheckedUpTo = 5_000;
/** In square degrees: ten square centimetres. Less is a line, drawn with rounded numbers. */
const leastDoubledArea = 2e-13;

/** A GeoJSON MultiPolygon (or, tolerated, a Polygon). Undefined when no polygon is left. */
export function readArea(geometry: Place): MultiPolygon | undefined {
  if (geometry.isAbsent) return undefined;
  const type = geometry.at('type').text();
  const coordinates = geometry.at('coordinates');
  if (type === 'Polygon') {
    geometry.report('info', 'polygon-for-multipolygon', 'expected a MultiPolygon, found a Polygon; read as the one polygon of it');
    const polygon = readPolygon(coordinates);
    return polygon && [polygon];
  }
  if (type !== 'MultiPolygon') {
    geometry.report('warning', 'geometry-unsupported', `expected a MultiPolygon, found ${type ?? 'no type'}; left out`);
    return undefined;
  }
  const polygons = coordinates.list().flatMap((place) => {
    const polygon = readPolygon(place);
    return polygon ? [polygon] : [];
  });
  if (polygons.length > 0) return polygons;
  geometry.report('warning', 'area-empty', 'no usable polygon; left out');
  return undefined;
}

/** A polygon without its outer ring is none; a hole that cannot be read is filled. */
function readPolygon(place: Place): Ring[] | undefined {
  const [outerPlace, ...holePlaces] = place.list();
  const outer = outerPlace && readRing(outerPlace, 'outer');
  if (!outer) {
    place.report('warning', 'polygon-unusable', 'the outer ring is missing or unusable; the polygon is left out');
    return undefined;
  }
  const holes = holePlaces.map((hole) => readRing(hole, 'hole')).filter((ring) => ring !== undefined);
  return [outer, ...holes];
}

function readRing(place: Place, role: 'outer' | 'hole'): Ring | undefined {
  const points: Ring = [];
  for (const pointPlace of place.list()) {
    const point = readPoint(pointPlace);
    if (!point) {
      place.report('warning', 'ring-unusable', `a point of the ring cannot be read (${pointPlace.pointer}); the ring is left out`);
      return undefined;
    }
    const previous = points.at(-1);
    if (!previous || previous[0] !== point[0] || previous[1] !== point[1]) points.push(point);
  }
  const [first, last] = [points[0], points.at(-1)];
  if (first && last && points.length > 1 && (first[0] !== last[0] || first[1] !== last[1])) {
    place.report('warning', 'ring-not-closed', 'the last point differs from the first; closed');
    points.push([first[0], first[1]]);
  }
  if (points.length < 4 || Math.abs(doubledArea(points)) < leastDoubledArea) {
    place.report('warning', 'ring-unusable', 'the ring encloses nothing; left out');
    return undefined;
  }
  if (points.length > crossingsCheckedUpTo) place.report('info', 'ring-not-checked', `${points.length} points: not checked for crossings`);
  else if (ringCrossesItself(points)) place.report('warning', 'ring-crosses-itself', 'the ring crosses itself; taken as it is, inside by the even-odd rule');
  return orientedRing(points, role);
}

/** Heights and further numbers of a point are dropped. */
function readPoint(place: Place): [number, number] | undefined {
  const value: unknown = place.value;
  if (!Array.isArray(value)) return undefined;
  const [lon, lat] = value as unknown[];
  if (typeof lon !== 'number' || typeof lat !== 'number' || !(Math.abs(lon) <= 180) || !(Math.abs(lat) <= 90)) return undefined;
  return [lon, lat];
}

/** An id made of a shape: the same shape has the same id at every reading. */
export const areaId = (area: MultiPolygon): string => `zone-${createHash('sha256').update(JSON.stringify(area)).digest('hex').slice(0, 12)}`;
