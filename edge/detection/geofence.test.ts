import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { PositionFix } from '../sensors/port.ts';
import { normal, randomFor } from '../training/randomness.ts';
import { geofenceMonitor, loadZones, ZonesError } from './geofence.ts';
import { generatedZones, naivelyContains, type ZoneFeature } from './testing/zones.ts';
import { eachZoneNear, metresPerDegree } from './zones.ts';

const [lat, lon] = [50.11, 8.68];
const degreesNorth = (metres: number): number => metres / metresPerDegree;
const degreesEast = (metres: number): number => degreesNorth(metres) / Math.cos((lat * Math.PI) / 180);
/** Metres east and north of the middle. */
const place = (east: number, north: number): [number, number] => [lon + degreesEast(east), lat + degreesNorth(north)];
const square = (id: string, halfMetres: number, east = 0): ZoneFeature => ({
  type: 'Feature', id, properties: {},
  geometry: { type: 'Polygon', coordinates: [[place(east - halfMetres, -halfMetres), place(east + halfMetres, -halfMetres), place(east + halfMetres, halfMetres), place(east - halfMetres, halfMetres), place(east - halfMetres, -halfMetres)]] },
});
const collection = (...features: object[]): string => JSON.stringify({ type: 'FeatureCollection', features });
const fix = (second: number, east: number, north = 0, accuracyMetres = 3): PositionFix => {
  const [longitude, latitude] = place(east, north);
  return { timeMs: 1_700_000_000_000 + second * 1000, lat: latitude, lon: longitude, accuracyMetres, speedMetresPerSecond: 5, headingDegrees: 90 };
};
const zones = loadZones(collection(square('park', 100), square('far', 50, 5000)));
const walk = (monitor: ReturnType<typeof geofenceMonitor>, fixes: readonly PositionFix[]) => fixes.flatMap((one) => monitor.push(one).map(({ kind, zoneId, atMs }) => `${kind} ${zoneId} ${(atMs - 1_700_000_000_000) / 1000}`));
const straight = (from: number, to: number, speed = 5, startSecond = 0): PositionFix[] => Array.from({ length: Math.floor(Math.abs(to - from) / speed) + 1 }, (_, step) => fix(startSecond + step, from + Math.sign(to - from) * speed * step));

test('DETECTION-10: the index says what every edge of every zone says', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 1_000_000 }), fc.array(fc.tuple(fc.double({ min: -1, max: 1, noNaN: true }), fc.double({ min: -1, max: 1, noNaN: true })), { minLength: 40, maxLength: 40 }), (seed, places) => {
    const features = generatedZones(seed, 40, 60);
    const loaded = loadZones(collection(...features));
    for (const [x, y] of places) {
      const [longitude, latitude] = [lon + x * 0.12, lat + y * 0.08];
      const inside = new Set<string>();
      eachZoneNear(loaded, longitude, latitude, 0, (zone, relation) => relation === 'inside' && inside.add(loaded.ids[zone] ?? ''));
      expect([...inside].toSorted()).toEqual(features.filter((feature) => naivelyContains(feature, longitude, latitude)).map(({ id }) => id).toSorted());
    }
  }), { numRuns: 25 });
});

test('DETECTION-10: a hole is outside, each part of a multipolygon is inside', () => {
  const [outer] = square('ring', 100).geometry.coordinates;
  const [inner] = square('hole', 40).geometry.coordinates;
  const monitor = geofenceMonitor({ zones: loadZones(collection({ type: 'Feature', id: 'ring', properties: {}, geometry: { type: 'Polygon', coordinates: [outer, inner] } }, { type: 'Feature', id: 'two', properties: {}, geometry: { type: 'MultiPolygon', coordinates: [square('a', 50, 400).geometry.coordinates, square('b', 50, 600).geometry.coordinates] } })) });
  expect(walk(monitor, straight(-200, 700))).toEqual(['entered ring 22', 'left ring 34', 'entered ring 50', 'left ring 62', 'entered two 112', 'left two 132', 'entered two 152', 'left two 172']);
});

test('DETECTION-11: zones that cannot be meant are refused by name', () => {
  const polygon = (coordinates: unknown, id: unknown = 'z') => collection({ type: 'Feature', id, properties: {}, geometry: { type: 'Polygon', coordinates } });
  const cases: [string, RegExp][] = [
    ['{"type":"FeatureColl', /no JSON/], ['{"type":"Feature"}', /no FeatureCollection/],
    [polygon([[[179, 0], [-179, 0], [-179, 1], [179, 1], [179, 0]]]), /zone z crosses the antimeridian/],
    [polygon([[[0, 0], [1, 0], [1, 1], [0, 1]]]), /zone z: the last position/], [polygon([[[0, 0], [1, 0], [0, 0]]]), /at least four/],
    [polygon([[[0, 0], [1, 91], [1, 1], [0, 0]]]), /\[1,91\] is no position/], [polygon([[[0, 0], ['1', 0], [1, 1], [0, 0]]]), /is no position/], [polygon([]), /needs a ring/],
    [polygon([[[0, 0], [1, 0], [1, 1], [0, 0]]], null), /number 0 has no id/], [collection(square('a', 5), square('a', 6)), /zone a is there twice/],
    [collection({ type: 'Feature', id: 'l', geometry: { type: 'LineString', coordinates: [] } }), /zone l is a LineString/], [collection({ type: 'Feature', id: 'n', geometry: null }), /zone n is a undefined/],
  ];
  for (const [text, message] of cases) {
    expect(() => loadZones(text)).toThrow(ZonesError);
    expect(() => loadZones(text)).toThrow(message);
  }
  expect(loadZones(collection()).ids).toEqual([]);
  expect(geofenceMonitor({ zones: loadZones(collection()) }).push(fix(0, 0))).toEqual([]);
});

test('DETECTION-12: a fix whose circle touches the border decides nothing', () => {
  const monitor = geofenceMonitor({ zones });
  // 8 m inside by a fix of 5 m: three standard deviations reach over.
  expect(walk(monitor, Array.from({ length: 30 }, (_, second) => fix(second, 92, 0, 5)))).toEqual([]);
  expect(walk(monitor, Array.from({ length: 10 }, (_, second) => fix(30 + second, 92, 0, 2.6)))).toEqual(['entered park 30']);
  // And nothing undoes it from there but a fix that is surely outside.
  expect(walk(monitor, Array.from({ length: 30 }, (_, second) => fix(40 + second, 108, 0, 5)))).toEqual([]);
  expect(monitor.inside()).toEqual(['park']);
});

test('DETECTION-13: a crossing counts after the dwell, with the time of its first fix', () => {
  const monitor = geofenceMonitor({ zones, minimumDwellMs: 5000 });
  expect(walk(monitor, straight(-200, 300))).toEqual(['entered park 22', 'left park 62']);
  // In and out within the dwell is no crossing.
  expect(walk(monitor, [fix(200, 150), fix(201, 80), fix(203, 80), fix(205, 150), fix(206, 80), fix(210, 80)])).toEqual([]);
  expect(walk(monitor, [fix(211, 80)])).toEqual(['entered park 206']);
});

test('DETECTION-13: noise at a border makes no flapping', () => {
  let [naive, crossings] = [0, 0];
  for (let seed = 0; seed < 20; seed++) {
    const random = randomFor(seed, 'walk');
    const monitor = geofenceMonitor({ zones });
    let [wasInside, drift] = [false, 0];
    for (let second = 0; second < 3600; second++) {
      // An hour beside the border; the error of satellites wanders slowly and jitters.
      drift = 0.97 * drift + normal(random) * 1.2;
      const east = 98 + drift + normal(random);
      crossings += monitor.push(fix(second, east, 0, 5)).length;
      if (east < 100 !== wasInside) naive++;
      wasInside = east < 100;
    }
  }
  // One entry, and what is left of the noise: true standard deviation as reported, for an hour two metres from the border.
  expect(crossings / 20).toBeLessThan(1.5);
  expect(naive / 20).toBeGreaterThan(300);
});

test('DETECTION-14: late, doubled and shuffled fixes change nothing; a clock set back does not silence the monitor', () => {
  const fixes = straight(-200, 300);
  const expected = walk(geofenceMonitor({ zones }), fixes);
  const withEchoes = fixes.flatMap((one, index) => [one, one, ...(index > 3 ? [fixes[index - 3] ?? one] : [])]);
  expect(walk(geofenceMonitor({ zones }), withEchoes)).toEqual(expected);
  const monitor = geofenceMonitor({ zones });
  monitor.push({ ...fix(0, -200), timeMs: fix(365 * 86_400, 0).timeMs });
  expect(walk(monitor, fixes)).toEqual(expected);
});

test('DETECTION-15: what is too inaccurate, impossible or far apart confirms nothing', () => {
  const monitor = geofenceMonitor({ zones });
  const wrong = [{ accuracyMetres: 51 }, { accuracyMetres: Number.NaN }, { accuracyMetres: -1 }, { lat: 91 }, { lon: Number.NaN }, { timeMs: Number.NaN }];
  for (const part of wrong) for (let second = 0; second < 20; second++) expect(monitor.push({ ...fix(second, 0), ...part })).toEqual([]);
  expect(walk(monitor, [fix(100, 0), fix(200, 0), fix(300, 0)])).toEqual([]);
  expect(walk(monitor, [fix(301, 0), fix(305, 0)])).toEqual(['entered park 300']);
});

test('DETECTION-16: after a restart the vehicle does not enter again where it was', () => {
  const monitor = geofenceMonitor({ zones, insideBefore: ['park', 'a zone that is gone'] });
  expect(walk(monitor, Array.from({ length: 10 }, (_, second) => fix(second, 0)))).toEqual([]);
  expect(walk(monitor, straight(0, 300, 5, 10))).toEqual(['left park 32']);
});
