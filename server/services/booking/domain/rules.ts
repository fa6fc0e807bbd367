/** Who may book what, and when. Pure: the time and all facts come in. */
import type { ProblemCode } from '../../../wire/problem.ts';
import type { VehicleType } from '../../../wire/schemas.ts';
import type { Eligibility } from '../../user/contract.ts';
import type { RentableVehicle, VehicleModel } from '../../vehicle/contract.ts';

export interface BookingTerms {
  /** For a fixed time (cars, vans), or open-ended (scooters, eBikes). */
  fixedTime: boolean;
  furthestStartMs: number;
  shortestMs: number;
  longestMs: number;
  /** The reservation is held for this long from now when no start was named … */
  holdMs: number;
  /** … and for this long after the named start. */
  graceAfterStartMs: number;
}

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const dayMs = 24 * hourMs;

const openEnded: BookingTerms = { fixedTime: false, furthestStartMs: 30 * minuteMs, shortestMs: minuteMs, longestMs: 12 * hourMs, holdMs: 30 * minuteMs, graceAfterStartMs: 10 * minuteMs };
const fixed: BookingTerms = { fixedTime: true, furthestStartMs: 7 * dayMs, shortestMs: 30 * minuteMs, longestMs: 7 * dayMs, holdMs: hourMs, graceAfterStartMs: hourMs };

export const termsOf = (type: VehicleType): BookingTerms => (type === 'car' || type === 'van' ? fixed : openEnded);

/** A start named by the rider's clock may lie this far in the past. */
const clockToleranceMs = 2 * minuteMs;
const defaultOpenEndedMinutes = 20;
const defaultFixedMinutes = 60;

export interface Plan {
  startsAtMs: number;
  /** Planned duration, that quote and authorisation are for. */
  minutes: number;
  fixedTime: boolean;
  /** Fixed time: when the ride has to be over. Open-ended: the latest possible end. */
  endsAtMs: number;
  /** Unless unlocked by then, the booking expires. */
  reservedUntilMs: number;
}

export type Refusal = { refused: ProblemCode; detail: string };
export const isRefusal = (value: object): value is Refusal => 'refused' in value;

/** When the ride may be, or why not. */
export function plan(type: VehicleType, nowMs: number, wish: { startsAtMs?: number; minutes?: number }): Plan | Refusal {
  const terms = termsOf(type);
  const startsAtMs = Math.max(wish.startsAtMs ?? nowMs, nowMs);
  if (wish.startsAtMs !== undefined && wish.startsAtMs < nowMs - clockToleranceMs) return { refused: 'outside-booking-window', detail: 'the start lies in the past' };
  if (startsAtMs - nowMs > terms.furthestStartMs) {
    return { refused: 'outside-booking-window', detail: terms.fixedTime ? 'cars and vans are booked up to 7 days ahead' : 'scooters and eBikes are reserved up to 30 minutes ahead' };
  }
  const minutes = wish.minutes ?? (terms.fixedTime ? defaultFixedMinutes : defaultOpenEndedMinutes);
  const durationMs = minutes * minuteMs;
  if (durationMs < terms.shortestMs || durationMs > terms.longestMs) {
    return { refused: 'duration-not-allowed', detail: `from ${terms.shortestMs / minuteMs} minutes to ${terms.longestMs / hourMs} hours` };
  }
  const reservedUntilMs = wish.startsAtMs === undefined ? nowMs + terms.holdMs : startsAtMs + terms.graceAfterStartMs;
  const endsAtMs = terms.fixedTime ? startsAtMs + durationMs : reservedUntilMs + terms.longestMs;
  return { startsAtMs, minutes, fixedTime: terms.fixedTime, endsAtMs, reservedUntilMs: terms.fixedTime ? Math.min(reservedUntilMs, endsAtMs) : reservedUntilMs };
}

/** Age in full years on a day. @param birthDate and @param onDate as YYYY-MM-DD */
export function ageYears(birthDate: string, onDate: string): number {
  const years = Number(onDate.slice(0, 4)) - Number(birthDate.slice(0, 4));
  return onDate.slice(5) < birthDate.slice(5) ? years - 1 : years;
}

/** EU classes include smaller ones: who may drive a C1 may drive a B and an AM. */
const includedBy: Record<'AM' | 'B' | 'C1', readonly string[]> = {
  AM: ['AM', 'A1', 'A2', 'A', 'B', 'BE', 'C1', 'C'],
  B: ['B', 'BE', 'C1', 'C'],
  C1: ['C1', 'C'],
};

/** Why this rider may not drive this model at that time; `undefined` when nothing stands against it. */
export function riderRefusal(rider: Eligibility, model: VehicleModel, plan: Plan): Refusal | undefined {
  if (rider.state !== 'active') return { refused: 'account-suspended', detail: 'the account may not book' };
  const startDate = new Date(plan.startsAtMs).toISOString().slice(0, 10);
  const endDate = new Date(plan.fixedTime ? plan.endsAtMs : plan.startsAtMs).toISOString().slice(0, 10);
  if (ageYears(rider.birthDate, startDate) < model.minimumAgeYears) return { refused: 'too-young', detail: `from ${model.minimumAgeYears} years` };
  if (model.licenceClass) {
    if (!rider.identityVerified) return { refused: 'identity-not-verified', detail: 'cars and vans need a verified identity' };
    const { licence } = rider;
    const { licenceClass } = model;
    if (!licence?.verified || licence.expiresOn < endDate || !licence.classes.some((held) => includedBy[licenceClass].includes(held))) {
      return { refused: 'licence-required', detail: `class ${licenceClass}, valid until the end of the ride` };
    }
  }
  return undefined;
}

/** Why this vehicle cannot be booked for that time. Whether another booking holds it, the database decides. */
export function vehicleRefusal({ vehicle, model }: RentableVehicle, plan: Plan, nowMs: number): Refusal | undefined {
  if (vehicle.status === 'out-of-service') return { refused: 'vehicle-unavailable', detail: 'out of service' };
  // A car for next week may stand anywhere, in any state of charge, today.
  if (plan.startsAtMs - nowMs > 30 * minuteMs) return undefined;
  if (model.propulsion !== 'human' && vehicle.batteryPercent < model.minimumBatteryPercent) {
    return { refused: 'battery-too-low', detail: `${Math.floor(vehicle.batteryPercent)} %, at least ${model.minimumBatteryPercent} % are needed` };
  }
  switch (vehicle.status) {
    case 'available':
      return undefined;
    case 'reserved':
    case 'in-use':
      return { refused: 'vehicle-taken', detail: 'somebody else has it' };
    case 'low-battery':
      return { refused: 'battery-too-low', detail: 'too little charge for a ride' };
    case 'offline':
    case 'unlocked':
      return { refused: 'vehicle-unavailable', detail: `the vehicle is ${vehicle.status}` };
  }
}
