/**
 * Zones as typed arrays with an index. Every polygon has its edges in bands of latitude, so a question looks at the edges
 * of one band; the boxes of the polygons stand in a packed tree (16 to a node, sorted by tiles), so it looks at few polygons.
 */

/** The text is no set of zones that the agent can use. */
export class ZonesError extends Error {
  override readonly name = 'ZonesError';
}

export const metresPerDegree = 111_195;
const edgesPerBand = 8;
const maximumBands = 4096;
const nodeSize = 16;

interface Polygon {
  zone: number;
  /** Of both ends of each edge: longitude, latitude, longitude, latitude. */
  edges: Float64Array;
  box: readonly [west: number, south: number, east: number, north: number];
  bandStarts: Int32Array;
  bandEdges: Int32Array;
  bandHeight: number;
}

export interface Zones {
  ids: readonly string[];
  polygons: readonly Polygon[];
  /** Boxes of the levels of the tree, leaves first; each node has the `nodeSize` boxes below it. */
  levels: readonly Float64Array[];
}

/** What a place is to a zone: surely inside or outside, or too close to its border to say. */
export type Relation = 'inside' | 'outside' | 'near-border';

const asRecord = (value: unknown): Record<string, unknown> => (typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {});

/** @returns longitude, latitude, … of a closed ring */
function ringOf(value: unknown, zone: string): number[] {
  if (!Array.isArray(value) || value.length < 4) throw new ZonesError(`zone ${zone}: a ring needs at least four positions`);
  const ring: number[] = [];
  for (const position of value as unknown[]) {
    const [longitude, latitude] = Array.isArray(position) ? (position as unknown[]) : [];
    if (typeof longitude !== 'number' || typeof latitude !== 'number' || !(Math.abs(longitude) <= 180) || !(Math.abs(latitude) <= 90)) throw new ZonesError(`zone ${zone}: ${JSON.stringify(position)} is no position [longitude, latitude]`);
    const before = ring[ring.length - 2];
    if (before !== undefined && Math.abs(longitude - before) > 180) throw new ZonesError(`zone ${zone} crosses the antimeridian; cut it there into two polygons (RFC 7946, 3.1.9)`);
    ring.push(longitude, latitude);
  }
  if (ring[0] !== ring[ring.length - 2] || ring[1] !== ring[ring.length - 1]) throw new ZonesError(`zone ${zone}: the last position of a ring must be its first`);
  return ring;
}

function edgesOf(rings: unknown, zone: string): Float64Array {
  if (!Array.isArray(rings) || rings.length === 0) throw new ZonesError(`zone ${zone}: a polygon needs a ring`);
  const edges: number[] = [];
  for (const ring of rings.map((value) => ringOf(value, zone))) {
    for (let index = 0; index + 3 < ring.length; index += 2) edges.push(ring[index] as number, ring[index + 1] as number, ring[index + 2] as number, ring[index + 3] as number);
  }
  return Float64Array.from(edges);
}

function polygonOf(edges: Float64Array, zone: number): Polygon {
  let [west, south, east, north] = [Infinity, Infinity, -Infinity, -Infinity];
  for (let at = 0; at < edges.length; at += 2) {
    const [longitude, latitude] = [edges[at] as number, edges[at + 1] as number];
    west = Math.min(west, longitude);
    south = Math.min(south, latitude);
    east = Math.max(east, longitude);
    north = Math.max(north, latitude);
  }
  const count = edges.length / 4;
  const bands = Math.max(1, Math.min(maximumBands, Math.ceil(count / edgesPerBand)));
  const bandHeight = (north - south) / bands || 1;
  const lists: number[][] = Array.from({ length: bands }, () => []);
  for (let edge = 0; edge < count; edge++) {
    const [first, second] = [edges[edge * 4 + 1] as number, edges[edge * 4 + 3] as number];
    const to = bandOf(Math.max(first, second), south, bandHeight, bands);
    for (let band = bandOf(Math.min(first, second), south, bandHeight, bands); band <= to; band++) lists[band]?.push(edge);
  }
  const bandStarts = new Int32Array(bands + 1);
  for (const [band, list] of lists.entries()) bandStarts[band + 1] = (bandStarts[band] ?? 0) + list.length;
  return { zone, edges, box: [west, south, east, north], bandStarts, bandEdges: Int32Array.from(lists.flat()), bandHeight };
}

const bandOf = (latitude: number, south: number, height: number, bands: number): number => Math.max(0, Math.min(bands - 1, Math.floor((latitude - south) / height)));

/** Sort-tile-recursive: neighbours share a node. */
function sortedByTiles(polygons: Polygon[]): Polygon[] {
  const centre = ({ box: [west, south, east, north] }: Polygon) => ({ x: west + east, y: south + north });
  const columns = Math.ceil(Math.sqrt(Math.ceil(polygons.length / nodeSize)));
  const perColumn = Math.max(nodeSize, Math.ceil(polygons.length / Math.max(1, columns)));
  const byLongitude = polygons.toSorted((a, b) => centre(a).x - centre(b).x);
  const sorted: Polygon[] = [];
  for (let from = 0; from < byLongitude.length; from += perColumn) sorted.push(...byLongitude.slice(from, from + perColumn).toSorted((a, b) => centre(a).y - centre(b).y));
  return sorted;
}

function levelsOf(polygons: readonly Polygon[]): Float64Array[] {
  const levels = [Float64Array.from(polygons.flatMap(({ box }) => box))];
  for (let below = levels[0]; below && below.length > nodeSize * 4; below = levels.at(-1)) {
    const level = new Float64Array(Math.ceil(below.length / 4 / nodeSize) * 4);
    for (let node = 0; node < level.length / 4; node++) {
      const boxes = below.subarray(node * nodeSize * 4, (node + 1) * nodeSize * 4);
      const side = (offset: number) => Array.from(boxes).filter((_, index) => index % 4 === offset);
      level.set([Math.min(...side(0)), Math.min(...side(1)), Math.max(...side(2)), Math.max(...side(3))], node * 4);
    }
    levels.push(level);
  }
  return levels;
}

/**
 * @param geojson a FeatureCollection of Polygons and MultiPolygons, each with an id of its own (`id`, or `properties.id`)
 * @throws ZonesError that names the zone
 */
export function loadZones(geojson: string | Uint8Array): Zones {
  let parsed: unknown;
  try {
    parsed = JSON.parse(typeof geojson === 'string' ? geojson : Buffer.from(geojson.buffer, geojson.byteOffset, geojson.byteLength).toString('utf8'));
  } catch (cause) {
    throw new ZonesError('the zones are no JSON, or only the beginning of it', { cause });
  }
  const { type, features } = asRecord(parsed);
  if (type !== 'FeatureCollection' || !Array.isArray(features)) throw new ZonesError('the zones are no FeatureCollection');
  const ids: string[] = [];
  const polygons: Polygon[] = [];
  for (const feature of (features as unknown[]).map(asRecord)) {
    const id = feature['id'] ?? asRecord(feature['properties'])['id'];
    if (typeof id !== 'string' && typeof id !== 'number') throw new ZonesError(`zone number ${ids.length} has no id`);
    const geometry = asRecord(feature['geometry']);
    const { coordinates } = geometry;
    if ((geometry['type'] !== 'Polygon' && geometry['type'] !== 'MultiPolygon') || !Array.isArray(coordinates)) throw new ZonesError(`zone ${id} is a ${String(geometry['type'])}; only Polygon and MultiPolygon enclose anything`);
    const parts = geometry['type'] === 'Polygon' ? [coordinates] : (coordinates as unknown[]);
    for (const part of parts) polygons.push(polygonOf(edgesOf(part, String(id)), ids.length));
    ids.push(String(id));
  }
  if (new Set(ids).size !== ids.length) throw new ZonesError(`zone ${ids.find((id, index) => ids.indexOf(id) !== index)} is there twice`);
  const sorted = sortedByTiles(polygons);
  return { ids, polygons: sorted, levels: levelsOf(sorted) };
}

/** Even-odd rule over the edges of one band. A border belongs to the west and the south. */
function contains({ edges, box, bandStarts, bandEdges, bandHeight }: Polygon, longitude: number, latitude: number): boolean {
  if (longitude < box[0] || longitude > box[2] || latitude < box[1] || latitude > box[3]) return false;
  const band = bandOf(latitude, box[1], bandHeight, bandStarts.length - 1);
  let inside = false;
  for (let at = bandStarts[band] as number; at < (bandStarts[band + 1] as number); at++) {
    const edge = (bandEdges[at] as number) * 4;
    const firstLatitude = edges[edge + 1] as number;
    const secondLatitude = edges[edge + 3] as number;
    if (firstLatitude > latitude === secondLatitude > latitude) continue;
    const firstLongitude = edges[edge] as number;
    if (longitude < firstLongitude + ((edges[edge + 2] as number) - firstLongitude) * ((latitude - firstLatitude) / (secondLatitude - firstLatitude))) inside = !inside;
  }
  return inside;
}

/** Whether an edge comes closer than this. Flat around the place, which is exact to millimetres over the radius of a fix. */
function isNearBorder({ edges, box, bandStarts, bandEdges, bandHeight }: Polygon, longitude: number, latitude: number, radiusMetres: number): boolean {
  const perLongitude = metresPerDegree * Math.cos((latitude * Math.PI) / 180);
  const reach = radiusMetres / metresPerDegree;
  const bands = bandStarts.length - 1;
  const from = bandStarts[bandOf(latitude - reach, box[1], bandHeight, bands)] as number;
  const to = bandStarts[bandOf(latitude + reach, box[1], bandHeight, bands) + 1] as number;
  const limit = radiusMetres * radiusMetres;
  for (let at = from; at < to; at++) {
    const edge = (bandEdges[at] as number) * 4;
    const ax = ((edges[edge] as number) - longitude) * perLongitude;
    const ay = ((edges[edge + 1] as number) - latitude) * metresPerDegree;
    const dx = ((edges[edge + 2] as number) - longitude) * perLongitude - ax;
    const dy = ((edges[edge + 3] as number) - latitude) * metresPerDegree - ay;
    const length = dx * dx + dy * dy;
    const share = length > 0 ? Math.max(0, Math.min(1, -(ax * dx + ay * dy) / length)) : 0;
    const x = ax + share * dx;
    const y = ay + share * dy;
    if (x * x + y * y <= limit) return true;
  }
  return false;
}

/** Calls back for each zone that the circle may touch, and no other; one with several polygons may come more than once. */
export function eachZoneNear(zones: Zones, longitude: number, latitude: number, radiusMetres: number, found: (zone: number, relation: Relation) => void): void {
  const reachY = radiusMetres / metresPerDegree;
  const reachX = reachY / Math.max(0.01, Math.cos((latitude * Math.PI) / 180));
  const visit = (level: number, from: number, to: number): void => {
    const boxes = zones.levels[level] as Float64Array;
    for (let node = from; node < to; node++) {
      const at = node * 4;
      if (longitude + reachX < (boxes[at] as number) || longitude - reachX > (boxes[at + 2] as number) || latitude + reachY < (boxes[at + 1] as number) || latitude - reachY > (boxes[at + 3] as number)) continue;
      if (level > 0) {
        visit(level - 1, node * nodeSize, Math.min((node + 1) * nodeSize, (zones.levels[level - 1] as Float64Array).length / 4));
        continue;
      }
      const polygon = zones.polygons[node] as Polygon;
      found(polygon.zone, isNearBorder(polygon, longitude, latitude, radiusMetres) ? 'near-border' : contains(polygon, longitude, latitude) ? 'inside' : 'outside');
    }
  };
  const top = zones.levels.length - 1;
  visit(top, 0, (zones.levels[top] as Float64Array).length / 4);
}
