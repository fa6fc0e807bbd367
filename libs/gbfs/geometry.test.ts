import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { Findings } from './finding.ts';
import { doubledArea, orientedRing, ringCrossesItself } from './geometry.ts';
import type { Ring } from './model.ts';
import { readArea } from './reading/area.ts';
import { Place } from './reading/place.ts';

const square: Ring = [[0, 0], [1, 0], [1, 1], [0, 1], [0, 0]];
const hourglass: Ring = [[0, 0], [1, 1], [1, 0], [0, 1], [0, 0]];

function read(geometry: unknown) {
  const findings = new Findings();
  const area = readArea(new Place('geofencing_zones', '/geometry', geometry, findings));
  return { area, codes: findings.list.map(({ code }) => code), findings: findings.list };
}
const multi = (...polygons: unknown[][]) => ({ type: 'MultiPolygon', coordinates: polygons });

describe('rings', () => {
  it('knows a ring that crosses itself', () => {
    expect(ringCrossesItself(square)).toBe(false);
    expect(ringCrossesItself(hourglass)).toBe(true);
  });

  it('finds the crossing that comparing every pair of edges finds', () => {
    const point = fc.tuple(fc.integer({ min: 0, max: 12 }), fc.integer({ min: 0, max: 12 }));
    fc.assert(fc.property(fc.array(point, { minLength: 3, maxLength: 9 }), (points) => {
      const ring = [...points, points[0] ?? [0, 0]] as Ring;
      const side = (a: number[], b: number[], c: number[]) => Math.sign(((b[0] ?? 0) - (a[0] ?? 0)) * ((c[1] ?? 0) - (a[1] ?? 0)) - ((b[1] ?? 0) - (a[1] ?? 0)) * ((c[0] ?? 0) - (a[0] ?? 0)));
      const edges = ring.slice(1).map((to, index) => [ring[index] ?? to, to] as const);
      const crossing = edges.some(([a, b]) => edges.some(([c, d]) => side(a, b, c) * side(a, b, d) < 0 && side(c, d, a) * side(c, d, b) < 0));
      expect(ringCrossesItself(ring)).toBe(crossing);
    }));
  });

  it('turns outer rings anticlockwise and holes clockwise, keeping their points', () => {
    for (const ring of [square, square.toReversed()]) {
      expect(doubledArea(orientedRing(ring, 'outer'))).toBe(2);
      expect(doubledArea(orientedRing(ring, 'hole'))).toBe(-2);
    }
  });
});

describe('areas of feeds', () => {
  it('takes a MultiPolygon with holes as it is', () => {
    const hole = [[0.2, 0.2], [0.2, 0.8], [0.8, 0.8], [0.8, 0.2], [0.2, 0.2]];
    expect(read(multi([square, hole]))).toMatchObject({ area: [[square, hole]], codes: [] });
  });

  it('drops heights and repeated points', () => {
    expect(read(multi([[[0, 0, 12], [1, 0, 12], [1, 0, 12], [1, 1, 12], [0, 1, 12], [0, 0, 12]]]))).toMatchObject({ area: [[square]], codes: [] });
  });

  it('closes an open ring and says so', () => {
    const { area, findings } = read(multi([square.slice(0, 4)]));
    expect(area).toEqual([[square]]);
    expect(findings).toMatchObject([{ code: 'ring-not-closed', pointer: '/geometry/coordinates/0/0', severity: 'warning' }]);
  });

  it('keeps a ring that crosses itself and says so', () => {
    const bow: Ring = [[0, 0], [4, 0], [4, 3], [1, -1], [0, 3], [0, 0]];
    expect(read(multi([bow]))).toMatchObject({ codes: ['ring-crosses-itself'], area: [[bow]] });
  });

  it('reads a Polygon as a MultiPolygon of one', () => {
    expect(read({ type: 'Polygon', coordinates: [square] })).toMatchObject({ area: [[square]], codes: ['polygon-for-multipolygon'] });
  });

  it('leaves out the broken polygon and keeps the good one', () => {
    const { area, codes } = read(multi([[[200, 0], [1, 0], [1, 1], [200, 0]]], [square]));
    expect(area).toEqual([[square]]);
    expect(codes).toEqual(['ring-unusable', 'polygon-unusable']);
  });

  it.each([
    ['two points', multi([[[0, 0], [1, 1]]])], ['a line', multi([[[0, 0], [1, 1], [2, 2], [0, 0]]])], ['texts', multi([[['a', 'b'], [1, 1], [2, 0], [0, 0]]])], ['no rings', multi([])],
    ['no polygons', multi()], ['a point', { type: 'Point', coordinates: [0, 0] }], ['latitude 91', multi([[[0, 91], [1, 0], [1, 1], [0, 91]]])], ['no coordinates', { type: 'MultiPolygon' }], ['a text', 'here'],
  ])('has no area in %s, and says why', (_, geometry) => {
    const { area, findings } = read(geometry);
    expect(area).toBeUndefined();
    expect(findings.length).toBeGreaterThan(0);
  });
});
