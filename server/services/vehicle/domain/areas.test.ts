import { cellArea, getHexagonEdgeLengthAvg, gridDiskDistances, latLngToCell, UNITS } from 'h3-js';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { CityDefinition } from '../contract.ts';
import { origin, square, testCity } from '../testing/city.ts';
import { CityAreas, judgePlace, nearestInRingMetres, placeOf, ringsFor, searchResolution } from './areas.ts';
import { distanceMetres, polygonsContain } from './geometry.ts';

const city = CityDefinition.parse(testCity());
const areas = new CityAreas(city.bays, city.zones);

describe('VEHICLE-06: bays and zones', () => {
  test('the nearest bay that takes the type and whose circle holds the vehicle', () => {
    expect(areas.bayAt({ lat: 50.102, lon: 8.602 }, 'scooter')?.id).toBe('north');
    expect(areas.bayAt({ lat: 50.102, lon: 8.602 }, 'car')).toBeUndefined();
    expect(areas.bayAt({ lat: 50.10226, lon: 8.602 }, 'scooter')?.id).toBe('north');
    expect(areas.bayAt({ lat: 50.1023, lon: 8.602 }, 'scooter')).toBeUndefined();
  });

  test('looked up by cell as if every zone were tried', () => {
    fc.assert(
      fc.property(fc.double({ min: 50.08, max: 50.15, noNaN: true }), fc.double({ min: 8.58, max: 8.65, noNaN: true }), fc.constantFrom('scooter' as const, 'car' as const), (lat, lon, type) => {
        const tried = city.zones.filter((zone) => zone.vehicleTypes.includes(type) && polygonsContain(zone.polygons, { lat, lon })).map(({ id }) => id);
        expect(areas.zonesAt({ lat, lon }, type).map(({ id }) => id)).toEqual(tried);
      }),
    );
  });

  test('a zone as large as a country is found as well', () => {
    const wide = new CityAreas([], [{ id: 'wide', name: 'Wide', kind: 'operating', polygons: [[square(5, 47, 8)]], vehicleTypes: ['car'] }]);
    expect(wide.zonesAt(origin, 'car').map(({ id }) => id)).toEqual(['wide']);
    expect(wide.zonesAt({ lat: 40, lon: 8 }, 'car')).toEqual([]);
  });

  test('parking is forbidden in no-parking zones, unless a bay is there, and for the types they name', () => {
    const inPark = { lat: 50.112, lon: 8.612 };
    expect(judgePlace(areas, inPark, 'scooter')).toEqual({ bayId: null, inOperatingArea: true, parkingForbidden: true });
    expect(judgePlace(areas, inPark, 'car').parkingForbidden).toBe(false);
    const withBay = new CityAreas([{ id: 'gate', name: 'Gate', position: inPark, radiusMetres: 20, chargers: 0, vehicleTypes: ['scooter'] }], city.zones);
    expect(judgePlace(withBay, inPark, 'scooter')).toEqual({ bayId: 'gate', inOperatingArea: true, parkingForbidden: false });
  });

  test('without an operating zone there is no outside', () => {
    const outside = { lat: 51, lon: 9 };
    expect(judgePlace(areas, outside, 'scooter').inOperatingArea).toBe(false);
    expect(judgePlace(new CityAreas([], []), outside, 'scooter').inOperatingArea).toBe(true);
  });
});

test('VEHICLE-11: the first pricing zone that holds the vehicle multiplies its price', () => {
  expect(placeOf(areas, { lat: 50.125, lon: 8.625 }, 'scooter')).toMatchObject({ multiplier: 1.5, multiplierReason: 'Busy centre' });
  expect(placeOf(areas, origin, 'scooter')).toMatchObject({ multiplier: 1, multiplierReason: undefined });
  const centre = city.zones.find(({ id }) => id === 'centre');
  const double = new CityAreas([], [...(centre ? [{ ...centre, id: 'first', multiplier: 2 }] : []), ...city.zones]);
  expect(placeOf(double, { lat: 50.125, lon: 8.625 }, 'scooter').multiplier).toBe(2);
});

describe('VEHICLE-02: rings of cells', () => {
  test('nothing in a ring is nearer than we say, and the rings for a distance hold all within it, anywhere on earth', () => {
    const place = fc.record({ lat: fc.double({ min: -75, max: 75, noNaN: true }), lon: fc.double({ min: -179, max: 179, noNaN: true }) });
    fc.assert(
      fc.property(place, fc.double({ min: 0, max: 2 * Math.PI, noNaN: true }), fc.double({ min: 0, max: 3000, noNaN: true }), (center, bearing, away) => {
        const other = { lat: center.lat + (away * Math.sin(bearing)) / 111_195, lon: center.lon + (away * Math.cos(bearing)) / (111_195 * Math.cos((center.lat * Math.PI) / 180)) };
        const metres = distanceMetres(center, other);
        const rings = gridDiskDistances(latLngToCell(center.lat, center.lon, searchResolution), ringsFor(metres));
        const ring = rings.findIndex((cells) => cells.includes(latLngToCell(other.lat, other.lon, searchResolution)));
        expect(ring).toBeGreaterThanOrEqual(0);
        expect(nearestInRingMetres(ring)).toBeLessThanOrEqual(metres);
      }),
      { numRuns: 300 },
    );
  });

  test('cells are as large as assumed', () => {
    expect(getHexagonEdgeLengthAvg(searchResolution, UNITS.m)).toBeGreaterThan(155);
    expect(cellArea(latLngToCell(origin.lat, origin.lon, 8), UNITS.km2)).toBeLessThan(1);
  });
});
