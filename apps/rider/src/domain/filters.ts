/** Which vehicles a rider wants to see. */
import type { Vehicle, VehicleType } from '../api/contract';
import { distanceMetres, type Position } from './distance';

export interface Filters {
  type: VehicleType | undefined;
  minBatteryPercent: number | undefined;
  maxPricePerMinuteMinor: number | undefined;
}

export const noFilters: Filters = { type: undefined, minBatteryPercent: undefined, maxPricePerMinuteMinor: undefined };

/** Whether a rider who wants this would rent that. */
export function fits(vehicle: Vehicle, { type, minBatteryPercent, maxPricePerMinuteMinor }: Filters): boolean {
  return (
    vehicle.status === 'available' &&
    (type === undefined || vehicle.type === type) &&
    (minBatteryPercent === undefined || vehicle.batteryPercent >= minBatteryPercent) &&
    (maxPricePerMinuteMinor === undefined || vehicle.pricePerMinuteMinor <= maxPricePerMinuteMinor)
  );
}

export function countFilters({ minBatteryPercent, maxPricePerMinuteMinor }: Filters): number {
  return [minBatteryPercent, maxPricePerMinuteMinor].filter((each) => each !== undefined).length;
}

export interface Near {
  vehicle: Vehicle;
  metres: number;
}

/** The nearest first. */
export function byDistance(vehicles: readonly Vehicle[], from: Position): Near[] {
  return vehicles.map((vehicle) => ({ vehicle, metres: distanceMetres(from, vehicle.position) })).sort((a, b) => a.metres - b.metres);
}

/** Four round steps between the cheapest and the dearest price of what is shown, for the price filter. */
export function priceSteps(vehicles: readonly Vehicle[]): number[] {
  const prices = [...new Set(vehicles.map((vehicle) => Math.ceil(vehicle.pricePerMinuteMinor)))].sort((a, b) => a - b);
  if (prices.length <= 4) return prices.slice(0, -1);
  return [0.2, 0.4, 0.6, 0.8].map((share) => prices[Math.floor(share * (prices.length - 1))] ?? 0).filter((price, index, all) => all.indexOf(price) === index);
}
