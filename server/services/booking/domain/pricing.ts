/**
 * What a ride costs: pure arithmetic on integer minor units, the same for quotes, live costs,
 * final prices and the simulator.
 */
import type { PriceLine } from '../../../wire/schemas.ts';
import type { Tariff } from '../../vehicle/contract.ts';

export interface PricedTime {
  /** Minutes of riding (or of the booked time), fractions allowed: a started interval counts. */
  ridingMinutes: number;
  pausedMinutes: number;
  /** Minutes between booking and unlocking, where the tariff charges for them. */
  reservedMinutes: number;
  distanceMetres: number;
}

export interface ReturnFacts {
  outsideBay: boolean;
  notPluggedIn: boolean;
  /** Minutes after the booked end, 0 when in time. */
  lateMinutes: number;
}

export interface Price {
  lines: PriceLine[];
  totalMinor: number;
  /** The tax within the total. */
  taxMinor: number;
}

/** Rides that come back this late are not fined. */
export const lateGraceMinutes = 10;
const minutesOfDay = 24 * 60;

/** What the segments of a tariff charge for a duration, in minor units: each started interval costs its rate. */
export function segmentsMinor(tariff: Tariff, minutes: number): number {
  let total = 0;
  for (const { startMinute, endMinute = Number.POSITIVE_INFINITY, intervalMinutes, rateMinor } of tariff.segments) {
    const chargedMinutes = Math.min(minutes, endMinute) - startMinute;
    if (chargedMinutes <= 0) continue;
    total += intervalMinutes === 0 ? rateMinor : Math.ceil(chargedMinutes / intervalMinutes) * rateMinor;
  }
  return total;
}

/** The tax that an amount with tax contains, rounded half up. */
export const includedTaxMinor = (grossMinor: number, taxPercent: number): number => Math.round((grossMinor * taxPercent) / (100 + taxPercent));

/** Lines of the time and the distance: unlock, riding, multiplier, pause, reservation, cap. */
function rideLines(tariff: Tariff, multiplier: number, time: PricedTime): PriceLine[] {
  const byTime = segmentsMinor(tariff, time.ridingMinutes);
  const riding = byTime + Math.ceil((time.distanceMetres / 1000) * tariff.perKilometreMinor);
  const pausedMinutes = Math.ceil(time.pausedMinutes);
  const pause = tariff.pausePerMinuteMinor === undefined ? segmentsMinor(tariff, time.ridingMinutes + time.pausedMinutes) - byTime : pausedMinutes * tariff.pausePerMinuteMinor;
  const surcharge = Math.round(riding * multiplier) - riding;
  const lines: PriceLine[] = [
    { kind: 'unlock', description: 'Unlock', amountMinor: tariff.unlockFeeMinor },
    { kind: 'riding', description: `Ride, ${Math.ceil(time.ridingMinutes)} min`, amountMinor: riding },
    { kind: 'multiplier', description: `Demand in this zone × ${multiplier}`, amountMinor: surcharge },
    { kind: 'pause', description: `Pause, ${pausedMinutes} min`, amountMinor: pause },
    { kind: 'reservation', description: 'Reservation', amountMinor: Math.ceil(time.reservedMinutes) * tariff.reservationPerMinuteMinor },
  ];
  if (tariff.dailyCapMinor !== undefined) {
    const days = Math.max(1, Math.ceil((time.ridingMinutes + time.pausedMinutes) / minutesOfDay));
    const capped = riding + surcharge + pause;
    const cap = days * tariff.dailyCapMinor;
    if (capped > cap) lines.push({ kind: 'cap', description: 'Daily cap', amountMinor: cap - capped });
  }
  return lines;
}

function fineLines(tariff: Tariff, facts: ReturnFacts): PriceLine[] {
  const { fines } = tariff;
  const late = facts.lateMinutes > lateGraceMinutes ? fines.lateFixedMinor + Math.ceil(facts.lateMinutes) * fines.latePerMinuteMinor : 0;
  return [
    { kind: 'fine-parking', description: 'Parked outside a bay', amountMinor: facts.outsideBay ? fines.outsideBayMinor : 0 },
    { kind: 'fine-plug', description: 'Not plugged in', amountMinor: facts.notPluggedIn ? fines.notPluggedInMinor : 0 },
    { kind: 'fine-late', description: 'Returned late', amountMinor: late },
  ];
}

/** The price of a ride with its breakdown; lines of zero are left out, the lines add up to the total. */
export function price(tariff: Tariff, multiplier: number, time: PricedTime, facts?: ReturnFacts): Price {
  const lines = [...rideLines(tariff, multiplier, time), ...(facts ? fineLines(tariff, facts) : [])].filter((line) => line.amountMinor !== 0);
  const totalMinor = lines.reduce((sum, line) => sum + line.amountMinor, 0);
  return { lines, totalMinor, taxMinor: includedTaxMinor(totalMinor, tariff.taxPercent) };
}
