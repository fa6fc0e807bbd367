/**
 * What GBFS has no field for, by vehicle type: deposit, ranges, speeds, ages. Imported cities start from these tables;
 * Fines are 0: an operator publishes none in its feed.
 */
import type { CityDefinitionInput } from '../services/vehicle/contract.ts';

export type VehicleTypeName = CityDefinitionInput['bays'][number]['vehicleTypes'][number];
export type Propulsion = CityDefinitionInput['models'][number]['propulsion'];

/** Deposit in whole units of the euro; other currencies by `unitsPerEuro`. */
const depositInEuro: Record<VehicleTypeName, number> = { scooter: 10, ebike: 10, car: 100, van: 150 };

/** Round figures near the exchange rate: a deposit is a convention, not a conversion. In minor units per euro. */
const minorUnitsPerEuro: Record<string, number> = {
  EUR: 100, CHF: 100, GBP: 100, USD: 100, NOK: 1_000, SEK: 1_000, DKK: 750, PLN: 400, CZK: 2_500, HUF: 40_000, RON: 500, BGN: 200, ISK: 150, JPY: 160, NZD: 200,
};

/** Minor units; undefined for a currency without a convention. */
export function defaultDepositMinor(type: VehicleTypeName, currency: string): number | undefined {
  const perEuro = minorUnitsPerEuro[currency];
  return perEuro === undefined ? undefined : depositInEuro[type] * perEuro;
}

/** Euro cents to unlock and per minute. */
const pricesInEuro: Record<VehicleTypeName, { unlockFeeMinor: number; perMinuteMinor: number }> = {
  scooter: { unlockFeeMinor: 100, perMinuteMinor: 23 },
  ebike: { unlockFeeMinor: 100, perMinuteMinor: 15 },
  car: { unlockFeeMinor: 0, perMinuteMinor: 32 },
  van: { unlockFeeMinor: 0, perMinuteMinor: 42 },
};

/** Where a feed has no pricing plan; rented at only when asked for. Undefined for a currency without a convention. */
export function defaultPrices(type: VehicleTypeName, currency: string): { unlockFeeMinor: number; perMinuteMinor: number } | undefined {
  const perEuro = minorUnitsPerEuro[currency];
  if (perEuro === undefined) return undefined;
  const { unlockFeeMinor, perMinuteMinor } = pricesInEuro[type];
  return { unlockFeeMinor: Math.round((unlockFeeMinor * perEuro) / 100), perMinuteMinor: Math.round((perMinuteMinor * perEuro) / 100) };
}

/** A bicycle without a motor goes as far as its rider: a long day's ride. */
export const defaultRangeMetres = (type: VehicleTypeName, propulsion: Propulsion): number => {
  if (type === 'scooter') return 45_000;
  if (type === 'ebike') return propulsion === 'human' ? 100_000 : 80_000;
  return propulsion === 'electric' ? 300_000 : 600_000;
};

export const defaultSpeedKilometresPerHour: Record<VehicleTypeName, number> = { scooter: 20, ebike: 25, car: 130, van: 120 };

/** The least age by law or by this platform's account rule, whichever is higher; a feed may ask for more. */
export const minimumAgeYears: Record<VehicleTypeName, number> = { scooter: 18, ebike: 18, car: 18, van: 18 };

/** Below this no ride starts. Muscles never run low. */
export const minimumBatteryPercent = (propulsion: Propulsion): number => (propulsion === 'human' ? 0 : propulsion === 'combustion' ? 5 : 15);
