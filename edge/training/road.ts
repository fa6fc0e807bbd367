/**
 * What the road does to a vehicle: a random profile of an ISO 8608 class with potholes, kerbs and bumps on it, under a
 * quarter-vehicle of two masses (vehicle on its tyre, rider on arms, legs or saddle), at 1 kHz.
 * The tyre pushes and never pulls, so a vehicle takes off from an edge and lands.
 */
import { between, choose, normal, type Random } from './randomness.ts';

export const gravityMetresPerSecond2 = 9.81;
export const stepsPerSecond = 1000;
const stepSeconds = 1 / stepsPerSecond;

/** Roughness Gd(n0) in m³ at n0 = 0.1 cycles a metre: the geometric means of classes A to E in ISO 8608. */
export const roughnessOfClass = { A: 16e-6, B: 64e-6, C: 256e-6, D: 1024e-6, E: 4096e-6 } as const;
export type RoadClass = keyof typeof roughnessOfClass;

/** Half of a vehicle on one wheel. Common values of mass and stiffness; not measured on one vehicle. */
export interface Suspension {
  vehicleKilograms: number;
  riderKilograms: number;
  tyreNewtonPerMetre: number;
  tyreNewtonSecondPerMetre: number;
  riderNewtonPerMetre: number;
  riderNewtonSecondPerMetre: number;
  /** Of the tyre's footprint and wheel, which ride over what is shorter. */
  smoothingMetres: number;
}

export function drawSuspension(random: Random, vehicle: 'bike' | 'scooter'): Suspension {
  const rider = { riderKilograms: between(random, 25, 48), riderNewtonPerMetre: between(random, 6000, 16_000), riderNewtonSecondPerMetre: between(random, 300, 800) };
  if (vehicle === 'bike') return { ...rider, vehicleKilograms: between(random, 10, 14), tyreNewtonPerMetre: between(random, 70_000, 140_000), tyreNewtonSecondPerMetre: between(random, 150, 400), smoothingMetres: between(random, 0.07, 0.12) };
  // Air, or honeycomb of solid rubber.
  const tyre = random() < 0.5 ? between(random, 60_000, 110_000) : between(random, 140_000, 240_000);
  return { ...rider, vehicleKilograms: between(random, 7, 12), tyreNewtonPerMetre: tyre, tyreNewtonSecondPerMetre: between(random, 200, 500), smoothingMetres: between(random, 0.04, 0.07) };
}

/** A shape on the road, from where the wheel meets it. */
export interface Obstacle {
  atSecond: number;
  lengthMetres: number;
  /** Height over this share of the length, 0 to 1; what it is at 1 stays. */
  heightMetres: (share: number) => number;
}

const raised = (share: number): number => (1 - Math.cos(2 * Math.PI * share)) / 2;
export const pothole = (random: Random, atSecond: number): Obstacle => {
  const depth = between(random, 0.015, 0.07);
  return { atSecond, lengthMetres: between(random, 0.25, 0.9), heightMetres: (share) => -depth * Math.min(1, 3 * raised(share)) * (share < 1 ? 1 : 0) };
};
export const speedBump = (random: Random, atSecond: number): Obstacle => {
  const height = between(random, 0.03, 0.08);
  return { atSecond, lengthMetres: between(random, 0.4, 2.5), heightMetres: (share) => height * raised(Math.min(1, share)) };
};
/** Up or down by a kerb; the wheel's radius makes a ramp of it. */
export const kerb = (random: Random, atSecond: number, up: boolean): Obstacle => {
  const height = between(random, 0.02, up ? 0.09 : 0.14) * (up ? 1 : -1);
  return { atSecond, lengthMetres: up ? between(random, 0.12, 0.25) : 0.03, heightMetres: (share) => height * Math.min(1, share) };
};

const classes: readonly [RoadClass, ...RoadClass[]] = ['A', 'A', 'B', 'B', 'B', 'C', 'C', 'D'];

export interface Stretch {
  fromSecond: number;
  road: RoadClass;
}

/** Surfaces that change every 5 to 40 seconds; now and then cobbles. */
export function drawStretches(random: Random, seconds: number): Stretch[] {
  const stretches: Stretch[] = [];
  for (let fromSecond = 0; fromSecond < seconds; fromSecond += between(random, 5, 40)) stretches.push({ fromSecond, road: random() < 0.06 ? 'E' : choose(random, classes) });
  return stretches;
}

/**
 * @param speeds in m/s, 100 a second
 * @returns acceleration of the vehicle without gravity in g, 100 a second, each the mean of ten steps as behind a sensor's filter
 */
export function ridenRoad(random: Random, suspension: Suspension, speeds: Float32Array, stretches: readonly Stretch[], obstacles: readonly Obstacle[]): Float32Array {
  const { vehicleKilograms, riderKilograms, tyreNewtonPerMetre, tyreNewtonSecondPerMetre, riderNewtonPerMetre, riderNewtonSecondPerMetre, smoothingMetres } = suspension;
  const result = new Float32Array(speeds.length);
  const weight = vehicleKilograms + riderKilograms;
  const open = obstacles.toSorted((a, b) => a.atSecond - b.atSecond).map((obstacle) => ({ ...obstacle, metres: -1 }));
  let [stretch, profile, smooth, vehicle, vehicleSpeed, rider, riderSpeed] = [0, 0, 0, 0, 0, 0, 0];
  for (let sample = 0; sample < speeds.length; sample++) {
    const second = sample / 100;
    const speed = speeds[sample] as number;
    while ((stretches[stretch + 1]?.fromSecond ?? Infinity) <= second) stretch++;
    const roughness = 2 * Math.PI * 0.1 * Math.sqrt(roughnessOfClass[stretches[stretch]?.road ?? 'B'] * speed);
    let sum = 0;
    for (let step = 0; step < 10; step++) {
      // White noise through a first-order filter has the spectrum of ISO 8608 above 0.01 cycles a metre.
      profile += (-2 * Math.PI * 0.01 * speed * profile + roughness * normal(random) * Math.sqrt(stepsPerSecond / 2)) * stepSeconds;
      let height = profile;
      for (const obstacle of open) {
        if (second < obstacle.atSecond) break;
        obstacle.metres = obstacle.metres < 0 ? 0 : obstacle.metres + speed * stepSeconds;
        height += obstacle.heightMetres(Math.min(1, obstacle.metres / obstacle.lengthMetres));
      }
      const smoothSpeed = ((height - smooth) * Math.max(speed, 0.2)) / smoothingMetres;
      smooth += smoothSpeed * stepSeconds;
      const tyre = Math.max(0, tyreNewtonPerMetre * (smooth - vehicle) + tyreNewtonSecondPerMetre * (smoothSpeed - vehicleSpeed) + weight * gravityMetresPerSecond2);
      const body = riderNewtonPerMetre * (vehicle - rider) + riderNewtonSecondPerMetre * (vehicleSpeed - riderSpeed) + riderKilograms * gravityMetresPerSecond2;
      const acceleration = (tyre - body) / vehicleKilograms - gravityMetresPerSecond2;
      vehicleSpeed += acceleration * stepSeconds;
      riderSpeed += (body / riderKilograms - gravityMetresPerSecond2) * stepSeconds;
      vehicle += vehicleSpeed * stepSeconds;
      rider += riderSpeed * stepSeconds;
      sum += acceleration;
    }
    result[sample] = sum / 10 / gravityMetresPerSecond2;
  }
  return result;
}
