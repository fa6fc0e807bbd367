/**
 * Holds the geofence against real zones: `node edge/training/evaluate-geofence.ts --data DIRECTORY`, where the directory holds
 * `gbfs/fixtures` and `city/frankfurt`. Prints, for each set, whether index and every edge agree, and how often a rider at the
 * borders would be told of a crossing, with and without the filters.
 */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { gunzipSync } from 'node:zlib';
import { geofenceMonitor, loadZones, type Zones } from '../detection/geofence.ts';
import { eachZoneNear, metresPerDegree } from '../detection/zones.ts';
import { between, normal, type Random, randomFor } from './randomness.ts';

const { values } = parseArgs({ options: { data: { type: 'string' } } });
if (!values.data) throw new Error('say where the zones are: --data DIRECTORY');
const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ evaluate: 'geofence', ...figures })}\n`);

/** GBFS gives its zones no ids. */
function withIds(text: string): string {
  const parsed = JSON.parse(text) as { features?: object[]; data?: { geofencing_zones: { features: object[] } } };
  const features = parsed.features ?? parsed.data?.geofencing_zones.features ?? [];
  return JSON.stringify({ type: 'FeatureCollection', features: features.map((feature, index) => ({ ...feature, id: `zone-${index}` })) });
}

function insideByIndex(zones: Zones, longitude: number, latitude: number): Set<number> {
  const inside = new Set<number>();
  eachZoneNear(zones, longitude, latitude, 0, (zone, relation) => relation === 'inside' && inside.add(zone));
  return inside;
}

/** Every edge of every polygon, from the same arrays but without bands or tree. */
function insideByEdges({ polygons }: Zones, longitude: number, latitude: number): Set<number> {
  const zones = new Set<number>();
  for (const { edges, zone } of polygons) {
    let inside = false;
    for (let at = 0; at < edges.length; at += 4) {
      const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = edges.subarray(at, at + 4);
      if (y1 > latitude !== y2 > latitude && longitude < x1 + (x2 - x1) * ((latitude - y1) / (y2 - y1))) inside = !inside;
    }
    if (inside) zones.add(zone);
  }
  return zones;
}

function agreement(zones: Zones, random: Random): object {
  let [different, hits] = [0, 0];
  for (let index = 0; index < 2000; index++) {
    const { box: [west, south, east, north] } = zones.polygons[index % zones.polygons.length] ?? { box: [0, 0, 0, 0] as const };
    const [longitude, latitude] = [between(random, west - (east - west) / 4, east + (east - west) / 4), between(random, south - (north - south) / 4, north + (north - south) / 4)];
    const [one, other] = [insideByIndex(zones, longitude, latitude), insideByEdges(zones, longitude, latitude)];
    hits += other.size;
    if (one.symmetricDifference(other).size > 0) different++;
  }
  return { places: 2000, inside: hits, different };
}

/** Ten minutes beside an edge of each of some polygons, with the error that the fix says it has. */
function standing(zones: Zones, random: Random): object {
  let [told, naive] = [0, 0];
  const hours = Math.min(60, zones.polygons.length) / 6;
  for (const { edges } of zones.polygons.slice(0, 60)) {
    const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = edges.subarray(0, 4);
    const monitor = geofenceMonitor({ zones });
    let [east, north, before] = [0, 0, ''];
    for (let second = 0; second < 600; second++) {
      [east, north] = [0.97 * east + normal(random), 0.97 * north + normal(random)];
      const latitude = (y1 + y2) / 2 + north / metresPerDegree;
      const longitude = (x1 + x2) / 2 + east / metresPerDegree / Math.cos((latitude * Math.PI) / 180);
      told += monitor.push({ timeMs: second * 1000, lat: latitude, lon: longitude, accuracyMetres: 4.2, speedMetresPerSecond: 0, headingDegrees: 0 }).length;
      const now = [...insideByEdges(zones, longitude, latitude)].join();
      if (second > 0 && now !== before) naive++;
      before = now;
    }
  }
  return { hoursAtBorders: hours, crossingsAnHour: Number((told / hours).toFixed(2)), withoutFiltersAnHour: Number((naive / hours).toFixed(1)) };
}

const sets = {
  'gbfs/fixtures/v3.0/geofencing_zones.json': (bytes: Buffer) => bytes.toString('utf8'),
  'city/frankfurt/frankfurt-main.geojson.gz': (bytes: Buffer) => gunzipSync(bytes).toString('utf8'),
};
for (const [name, open] of Object.entries(sets)) {
  const text = withIds(open(readFileSync(join(values.data, name))));
  const started = performance.now();
  const zones = loadZones(text);
  const parseMs = Number((performance.now() - started).toFixed(1));
  print({ set: name, bytes: text.length, zones: zones.ids.length, edges: zones.polygons.reduce((sum, { edges }) => sum + edges.length / 4, 0), parseMs, ...agreement(zones, randomFor(1, name)), ...standing(zones, randomFor(2, name)) });
}
