import fc from 'fast-check';
import { expect, test } from 'vitest';
import { boxAround, containsBox, distanceMetres, formatDistance, growBox, walkingMinutes } from './distance';

const romer = { lat: 50.1103, lon: 8.6822 };
const station = { lat: 50.1071, lon: 8.6638 };
const anywhere = fc.record({ lat: fc.double({ min: -80, max: 80, noNaN: true }), lon: fc.double({ min: -170, max: 170, noNaN: true }) });

test('the Römer and the central station of Frankfurt are 1.36 km apart', () => {
  expect(distanceMetres(romer, station)).toBeGreaterThan(1_340);
  expect(distanceMetres(romer, station)).toBeLessThan(1_380);
});

test('a distance is the same in both directions, and nothing to itself', () => {
  fc.assert(
    fc.property(anywhere, anywhere, (a, b) => {
      expect(distanceMetres(a, b)).toBeCloseTo(distanceMetres(b, a), 3);
      expect(distanceMetres(a, a)).toBe(0);
    }),
  );
});

test('distances are told in metres, then in kilometres', () => {
  const plain = (metres: number, locale: string): string => formatDistance(metres, locale).replaceAll(/\s/g, ' ');
  expect(plain(83, 'en-GB')).toBe('80 m');
  expect(plain(1_440, 'en-GB')).toBe('1.4 km');
  expect(plain(1_440, 'de-DE')).toBe('1,4 km');
  expect(plain(32_400, 'en-GB')).toBe('32 km');
});

test('a walk takes at least a minute', () => {
  expect(walkingMinutes(0)).toBe(1);
  expect(walkingMinutes(800)).toBe(13);
});

test('a grown box holds the box it grew from, and a box around a place reaches its radius', () => {
  fc.assert(
    fc.property(anywhere, fc.integer({ min: 100, max: 20_000 }), (place, radiusMetres) => {
      const box = boxAround(place, radiusMetres);
      expect(containsBox(growBox(box, 0.3), box)).toBe(true);
      expect(distanceMetres(place, { lat: place.lat, lon: box[2] })).toBeGreaterThan(radiusMetres * 0.95);
    }),
  );
});
