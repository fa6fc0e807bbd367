/** Zones that nobody drew, and the plain way to ask them: for tests, and as the yardstick of the benchmark. */
import { between, type Random, randomFor } from '../../training/randomness.ts';

type Ring = [longitude: number, latitude: number][];
export interface ZoneFeature {
  type: 'Feature';
  id: string;
  properties: object;
  geometry: { type: 'Polygon' | 'MultiPolygon'; coordinates: Ring[] | Ring[][] };
}

/** A star with a border that goes in and out. */
function ring(random: Random, longitude: number, latitude: number, radiusDegrees: number, corners: number): Ring {
  const points = Array.from({ length: corners }, (_, corner): Ring[number] => {
    const [angle, radius] = [((corner + 0.8 * random()) / corners) * 2 * Math.PI, radiusDegrees * between(random, 0.5, 1)];
    return [Number((longitude + 1.5 * radius * Math.cos(angle)).toFixed(6)), Number((latitude + radius * Math.sin(angle)).toFixed(6))];
  });
  return [...points, points[0] ?? [0, 0]];
}

/** Around Frankfurt; some overlap, some have holes, some have two parts. @param corners of each, on average */
export function generatedZones(seed: number, count: number, corners: number): ZoneFeature[] {
  const random = randomFor(seed, 'zones');
  const polygon = (radiusDegrees: number): Ring[] => {
    const [longitude, latitude] = [8.68 + between(random, -0.1, 0.1), 50.11 + between(random, -0.07, 0.07)];
    const outer = ring(random, longitude, latitude, radiusDegrees, Math.max(4, Math.round(corners * between(random, 0.2, 1.8))));
    return random() < 0.3 ? [outer, ring(random, longitude, latitude, radiusDegrees * 0.4, 12)] : [outer];
  };
  return Array.from({ length: count }, (_, index): ZoneFeature => {
    const radiusDegrees = between(random, 0.0005, 0.02);
    const isMulti = random() < 0.25;
    return { type: 'Feature', id: `zone-${index}`, properties: {}, geometry: isMulti ? { type: 'MultiPolygon', coordinates: [polygon(radiusDegrees), polygon(radiusDegrees)] } : { type: 'Polygon', coordinates: polygon(radiusDegrees) } };
  });
}

function isInRings(rings: readonly Ring[], longitude: number, latitude: number): boolean {
  let inside = false;
  for (const points of rings) {
    for (let index = 0, before = points.length - 1; index < points.length; before = index++) {
      const [[x1, y1], [x2, y2]] = [points[before] ?? [0, 0], points[index] ?? [0, 0]];
      if (y1 > latitude !== y2 > latitude && longitude < x1 + (x2 - x1) * ((latitude - y1) / (y2 - y1))) inside = !inside;
    }
  }
  return inside;
}

/** Every edge, one after the other. */
export const naivelyContains = ({ geometry }: ZoneFeature, longitude: number, latitude: number): boolean =>
  geometry.type === 'Polygon' ? isInRings(geometry.coordinates as Ring[], longitude, latitude) : (geometry.coordinates as Ring[][]).some((rings) => isInRings(rings, longitude, latitude));
