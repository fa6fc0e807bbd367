/** How a vehicle moves, drains and charges: pure functions of time. WGS84 degrees, metres, seconds, percent. */
import type { Position, VehicleType } from '../server/wire/schemas.ts';

const metresPerDegree = 111_195;

interface Kind {
  speedMetresPerSecond: number;
  rangeMetres: number;
  chargePercentPerSecond: number;
}

/** Speeds in city traffic; ranges where the model says none; 22 kW into a car, a hub charger for two-wheelers. */
export const kinds: Record<VehicleType, Kind> = {
  scooter: { speedMetresPerSecond: 5, rangeMetres: 40_000, chargePercentPerSecond: 0.01 },
  ebike: { speedMetresPerSecond: 5.5, rangeMetres: 70_000, chargePercentPerSecond: 0.01 },
  car: { speedMetresPerSecond: 8.5, rangeMetres: 300_000, chargePercentPerSecond: 0.012 },
  van: { speedMetresPerSecond: 8, rangeMetres: 220_000, chargePercentPerSecond: 0.009 },
};

/** Good to a thousandth within a city. */
export function metresBetween(from: Position, to: Position): number {
  const north = (to.lat - from.lat) * metresPerDegree;
  const east = (to.lon - from.lon) * metresPerDegree * Math.cos((((from.lat + to.lat) / 2) * Math.PI) / 180);
  return Math.hypot(north, east);
}

export interface Motion {
  position: Position;
  odometerMetres: number;
  batteryPercent: number;
  speedMetresPerSecond: number;
}

/** Rides straight towards a destination for some time; stands when it is there or empty. */
export function rideStep(motion: Motion, destination: Position, options: { seconds: number; speedMetresPerSecond: number; rangeMetres: number }): Motion & { arrived: boolean } {
  const distance = metresBetween(motion.position, destination);
  const reachable = (motion.batteryPercent / 100) * options.rangeMetres;
  const gone = Math.min(distance, options.seconds * options.speedMetresPerSecond, reachable);
  const share = distance === 0 ? 1 : gone / distance;
  const arrived = gone >= distance;
  const batteryPercent = Math.max(0, motion.batteryPercent - (gone / options.rangeMetres) * 100);
  return {
    position: arrived ? { ...destination } : { lat: motion.position.lat + (destination.lat - motion.position.lat) * share, lon: motion.position.lon + (destination.lon - motion.position.lon) * share },
    odometerMetres: motion.odometerMetres + gone,
    batteryPercent,
    speedMetresPerSecond: arrived || batteryPercent === 0 ? 0 : options.speedMetresPerSecond,
    arrived,
  };
}

export const chargeStep = (batteryPercent: number, type: VehicleType, seconds: number): number => Math.min(100, batteryPercent + kinds[type].chargePercentPerSecond * seconds);
