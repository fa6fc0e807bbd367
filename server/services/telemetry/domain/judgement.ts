/** What of a vehicle's word can be: times against the moment of arrival, positions against the one before. */

/** A record in the units of the wire cannot be, and why. */
export type Refusal = 'position' | 'jump' | 'speed' | 'battery' | 'odometer';

/** A clock may be ahead of ours by so much before it counts as wrong. */
export const clockToleranceMs = 5 * 60_000;
/** Vehicles keep unsent records for a day; what says that it is older than a week has a wrong clock. */
export const latestMs = 7 * 24 * 3_600_000;

const fastestCentimetresPerSecond = 10_000;
const fullPerMille = 1000;
const farthestDecimetres = 2 ** 50;
/** A van on a motorway, a lorry that carries scooters, an error of the receiver: beyond that it was not the vehicle. */
const fastestMetresPerSecond = 70;
const receiverErrorMetres = 500;
const metresPerE7 = 0.011_131_949;
const radiansPerE7 = Math.PI / 180 / 1e7;

export const isPlausible = (timeMs: number, arrivedAtMs: number): boolean => timeMs <= arrivedAtMs + clockToleranceMs && timeMs > arrivedAtMs - latestMs;

/**
 * What to add to the vehicle's clock: 0 for a clock that can be right. A clock that is a year off is taken to have made its newest
 * record when it arrived; what was found out once holds until the vehicle starts again, so that a batch that is sent twice gets the same times.
 * @param newestMs the newest record of a batch, by the vehicle's clock
 * @param knownOffsetMs of an earlier batch since the same start of the vehicle; 0 for none
 */
export function clockOffsetMs(newestMs: number, arrivedAtMs: number, knownOffsetMs: number): number {
  if (isPlausible(newestMs, arrivedAtMs)) return 0;
  if (knownOffsetMs !== 0 && isPlausible(newestMs + knownOffsetMs, arrivedAtMs)) return knownOffsetMs;
  return Math.round(arrivedAtMs - newestMs);
}

/**
 * Bounds the times of a batch in place; the newest record is last. A clock that was set in the middle of a batch leaves times
 * that cannot be before it: they get the time of the record after them.
 */
export function boundTimes(timesMs: Float64Array, length: number, arrivedAtMs: number, offsetMs: number): void {
  let next = arrivedAtMs;
  for (let index = length - 1; index >= 0; index--) {
    const timeMs = (timesMs[index] ?? 0) + offsetMs;
    next = isPlausible(timeMs, arrivedAtMs) ? timeMs : next;
    timesMs[index] = next;
  }
}

/** What a record says of itself; 0° north 0° east is what receivers say that know nothing. */
export function refusalOf(latitudeE7: number, longitudeE7: number, speedCentimetresPerSecond: number, batteryPerMille: number, odometerDecimetres: number): Refusal | undefined {
  if (latitudeE7 > 9e8 || latitudeE7 < -9e8 || longitudeE7 > 18e8 || longitudeE7 < -18e8 || (latitudeE7 === 0 && longitudeE7 === 0)) return 'position';
  if (speedCentimetresPerSecond < 0 || speedCentimetresPerSecond > fastestCentimetresPerSecond) return 'speed';
  if (batteryPerMille < 0 || batteryPerMille > fullPerMille) return 'battery';
  return odometerDecimetres < 0 || odometerDecimetres > farthestDecimetres ? 'odometer' : undefined;
}

/** Along the surface, as if it were flat: right to a percent within a city, and never too short by much. */
export function metresBetween(latitudeE7: number, longitudeE7: number, otherLatitudeE7: number, otherLongitudeE7: number): number {
  const north = (otherLatitudeE7 - latitudeE7) * metresPerE7;
  let turned = otherLongitudeE7 - longitudeE7;
  if (turned > 18e8) turned -= 36e8;
  else if (turned < -18e8) turned += 36e8;
  const east = turned * metresPerE7 * Math.cos(latitudeE7 * radiansPerE7);
  return Math.sqrt(north * north + east * east);
}

/** Farther than anything travels in that time. */
export const isJump = (metres: number, passedMs: number): boolean => metres > receiverErrorMetres && metres > receiverErrorMetres + (fastestMetresPerSecond * Math.max(0, passedMs)) / 1000;
