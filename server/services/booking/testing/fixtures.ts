/** A vehicle with model and tariff, for tests. */
import type { RentableVehicle, Tariff, VehicleModel } from '../../vehicle/contract.ts';
import type { VehicleType } from '../../../wire/schemas.ts';

export const scooterTariff: Tariff = {
  id: 'scooter', name: { en: 'Scooter' }, currency: 'EUR', unlockFeeMinor: 100,
  segments: [{ startMinute: 0, intervalMinutes: 1, rateMinor: 25 }],
  perKilometreMinor: 0, pausePerMinuteMinor: 10, reservationPerMinuteMinor: 0, depositMinor: 500, taxPercent: 19,
  fines: { outsideBayMinor: 1000, notPluggedInMinor: 2500, lateFixedMinor: 1500, latePerMinuteMinor: 50 },
};

export function rentableVehicle({ type = 'scooter', propulsion = 'electric' }: { type?: VehicleType; propulsion?: VehicleModel['propulsion'] } = {}): RentableVehicle {
  const large = type === 'car' || type === 'van';
  return {
    vehicle: {
      id: 'FRA-1', cityId: 'frankfurt', type, model: 'Model', status: 'available', position: { lat: 50.1109, lon: 8.6821 }, batteryPercent: 80, rangeMetres: 30_000,
      bayId: 'bay-1', locked: true, pluggedIn: large, pricePerMinuteMinor: 25, unlockFeeMinor: 100, currency: 'EUR', seenAt: '2026-11-22T09:59:00.000Z',
    },
    model: {
      id: 'model', type, name: 'Model', maximumRangeMetres: 40_000, maximumSpeedKilometresPerHour: 20, propulsion, pluggable: large,
      minimumBatteryPercent: 15, minimumAgeYears: 18, ...(large && { licenceClass: 'B' as const }),
    },
    tariff: scooterTariff, multiplier: 1, cityId: 'frankfurt', timeZone: 'Europe/Berlin', parking: 'bays-only',
  };
}
