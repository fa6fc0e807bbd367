/** A small city for tests: two models, two bays, zones around a square. */
import type { CityDefinitionInput } from '../contract.ts';

/** The corner of the test city; a thousandth of a degree is about 111 m north and 72 m east here. */
export const origin = { lat: 50.1, lon: 8.6 };

export const square = (west: number, south: number, sizeDegrees: number): [number, number][] => [
  [west, south], [west + sizeDegrees, south], [west + sizeDegrees, south + sizeDegrees], [west, south + sizeDegrees], [west, south],
];

const fines = { outsideBayMinor: 1000, notPluggedInMinor: 2500, lateFixedMinor: 1500, latePerMinuteMinor: 50 };

export function testCity(change: Partial<CityDefinitionInput> = {}): CityDefinitionInput {
  return {
    id: 'testville', name: 'Testville', country: 'DE', timeZone: 'Europe/Berlin', center: origin, parking: 'bays-only', source: { kind: 'manual' },
    tariffs: [
      { id: 'slow', name: { en: 'Scooter' }, currency: 'EUR', unlockFeeMinor: 100, segments: [{ startMinute: 0, intervalMinutes: 1, rateMinor: 20 }], depositMinor: 500, taxPercent: 19, fines },
      { id: 'hourly', name: { en: 'Car' }, currency: 'EUR', unlockFeeMinor: 0, segments: [{ startMinute: 0, intervalMinutes: 60, rateMinor: 1000 }], depositMinor: 5000, taxPercent: 19, fines },
    ],
    models: [
      { id: 'scooter', type: 'scooter', name: 'Scooter One', maximumRangeMetres: 40_000, maximumSpeedKilometresPerHour: 20, propulsion: 'electric', pluggable: false, minimumAgeYears: 16 },
      { id: 'car', type: 'car', name: 'Car One', maximumRangeMetres: 300_000, maximumSpeedKilometresPerHour: 130, propulsion: 'electric', pluggable: true, minimumAgeYears: 21, licenceClass: 'B', seats: 4 },
    ],
    bays: [
      { id: 'north', name: 'North', position: { lat: 50.102, lon: 8.602 }, radiusMetres: 30, vehicleTypes: ['scooter'] },
      { id: 'charging', name: 'Charging', position: { lat: 50.104, lon: 8.604 }, radiusMetres: 30, chargers: 2, vehicleTypes: ['scooter', 'car'] },
    ],
    zones: [
      { id: 'area', name: 'Testville', kind: 'operating', polygons: [[square(8.59, 50.09, 0.05)]], vehicleTypes: ['scooter', 'car'] },
      { id: 'park', name: 'Park', kind: 'no-parking', polygons: [[square(8.61, 50.11, 0.004)]], vehicleTypes: ['scooter'] },
      { id: 'centre', name: 'Busy centre', kind: 'pricing', polygons: [[square(8.62, 50.12, 0.01)]], vehicleTypes: ['scooter', 'car'], multiplier: 1.5 },
    ],
    vehicles: [
      { id: 's-1', modelId: 'scooter', tariffId: 'slow', position: { lat: 50.102, lon: 8.602 }, batteryPercent: 80 },
      { id: 's-2', modelId: 'scooter', tariffId: 'slow', position: { lat: 50.103, lon: 8.602 }, batteryPercent: 50 },
      { id: 's-flat', modelId: 'scooter', tariffId: 'slow', position: { lat: 50.102, lon: 8.603 }, batteryPercent: 5 },
      { id: 'c-1', modelId: 'car', tariffId: 'hourly', position: { lat: 50.104, lon: 8.604 }, batteryPercent: 90 },
    ],
    ...change,
  };
}
