import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { boxAround, boxOfPolygons, distanceMetres, isInBox, polygonsContain, type Ring, ringAreaDegrees } from './geometry.ts';

const square = (west: number, south: number, size: number): Ring => [[west, south], [west + size, south], [west + size, south + size], [west, south + size], [west, south]];
const position = fc.record({ lat: fc.double({ min: -80, max: 80, noNaN: true }), lon: fc.double({ min: -179, max: 179, noNaN: true }) });

describe('VEHICLE-05: areas', () => {
  test('a square holds exactly what is between its sides, borders included', () => {
    const within = fc.integer({ min: 0, max: 16 });
    fc.assert(
      fc.property(within, within, (lon, lat) => {
        expect(polygonsContain([[square(4, 4, 8)]], { lat, lon })).toBe(lon >= 4 && lon <= 12 && lat >= 4 && lat <= 12);
      }),
    );
  });

  test('it makes no difference where a ring begins and which way round it goes', () => {
    const points = fc.array(fc.tuple(fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 })), { minLength: 3, maxLength: 12 });
    fc.assert(
      fc.property(points, fc.nat(), fc.integer({ min: -50, max: 50 }), fc.integer({ min: -50, max: 50 }), (corners, turn, lon, lat) => {
        const ring = (list: [number, number][]): Ring => [...list, ...list.slice(0, 1)];
        const at = turn % corners.length;
        const turned = [...corners.slice(at), ...corners.slice(0, at)];
        const answer = polygonsContain([[ring(corners)]], { lat, lon });
        expect(polygonsContain([[ring(turned)]], { lat, lon })).toBe(answer);
        expect(polygonsContain([[ring(turned.toReversed())]], { lat, lon })).toBe(answer);
      }),
    );
  });

  test('areas that share a border leave no gap between them', () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 2, noNaN: true }), fc.double({ min: 0, max: 1, noNaN: true }), (lon, lat) => {
        expect(polygonsContain([[square(0, 0, 1)]], { lat, lon }) || polygonsContain([[square(1, 0, 1)]], { lat, lon })).toBe(true);
      }),
    );
  });

  test('a hole is outside, its border is not', () => {
    const polygons = [[square(0, 0, 10), square(4, 4, 2)]];
    expect(polygonsContain(polygons, { lat: 5, lon: 5 })).toBe(false);
    expect(polygonsContain(polygons, { lat: 4, lon: 5 })).toBe(true);
    expect(polygonsContain(polygons, { lat: 3, lon: 3 })).toBe(true);
  });

  test('the parts of a multipolygon count together', () => {
    const polygons = [[square(0, 0, 1)], [square(5, 5, 1)]];
    expect([0.5, 3, 5.5].map((degrees) => polygonsContain(polygons, { lat: degrees, lon: degrees }))).toEqual([true, false, true]);
    expect(boxOfPolygons(polygons)).toEqual([0, 0, 6, 6]);
  });

  test('a line encloses nothing', () => {
    expect(ringAreaDegrees([[1, 1], [2, 2], [3, 3], [1, 1]])).toBe(0);
    expect(Math.abs(ringAreaDegrees(square(8, 50, 1)))).toBeCloseTo(2);
  });
});

describe('VEHICLE-01: distances', () => {
  test('Frankfurt to Berlin', () => {
    expect(distanceMetres({ lat: 50.1109, lon: 8.6821 }, { lat: 52.52, lon: 13.405 })).toBeCloseTo(423_600, -3);
  });

  test('a distance is the same both ways, zero only at the place itself, and no detour is shorter', () => {
    fc.assert(
      fc.property(position, position, position, (a, b, c) => {
        expect(distanceMetres(a, b)).toBeCloseTo(distanceMetres(b, a), 5);
        expect(distanceMetres(a, a)).toBe(0);
        expect(distanceMetres(a, c)).toBeLessThanOrEqual(distanceMetres(a, b) + distanceMetres(b, c) + 1e-3);
      }),
    );
  });

  test('the box around a place holds every place within the distance', () => {
    fc.assert(
      fc.property(position, fc.double({ min: 1, max: 20_000, noNaN: true }), fc.double({ min: -0.3, max: 0.3, noNaN: true }), fc.double({ min: -0.3, max: 0.3, noNaN: true }), (center, radiusMetres, north, east) => {
        const other = { lat: center.lat + north, lon: center.lon + east };
        if (distanceMetres(center, other) <= radiusMetres) expect(isInBox(other, boxAround(center, radiusMetres))).toBe(true);
      }),
    );
  });
});
