/** Motion at 100 Hz under construction: what the vehicle does in the world, and at the end what its sensor says of it. */
import { between, normal, type Random } from './randomness.ts';
import { gravityMetresPerSecond2 } from './road.ts';

export const samplesPerSecond = 100;

/** What a recording of a vehicle would hold. */
export interface Trace {
  /** Six a sample: acceleration x, y, z in g with gravity, rotation x, y, z in degrees a second. */
  motion: Float32Array;
  /** By the wheel, in m/s. */
  wheel: Float32Array;
}

/** Range of the sensor, as of common six-axis chips. */
const rangeG = 16;
const rangeDegreesPerSecond = 2000;

/** How good the sensor is and how straight it sits; drawn for each vehicle. */
export interface Mounting {
  /** Turns about the axes, in degrees. */
  misalignmentDegrees: number;
  noiseG: number;
  noiseDegreesPerSecond: number;
}
export const ordinaryMounting: Mounting = { misalignmentDegrees: 3, noiseG: 0.01, noiseDegreesPerSecond: 0.3 };

export class MotionDraft {
  readonly count: number;
  /** Without gravity, along the axes of the vehicle, in g. */
  readonly forceG: readonly [Float32Array, Float32Array, Float32Array];
  /** To the right positive, beyond the lean that balances a curve. */
  readonly rollDegrees: Float32Array;
  /** Nose up positive. */
  readonly pitchDegrees: Float32Array;
  /** The lean that balances a curve: turns the sensor but gives no force to the side. */
  readonly leanDegrees: Float32Array;
  readonly yawDegreesPerSecond: Float32Array;
  /** 1 while something carries the vehicle, 0 in free fall. */
  readonly support: Float32Array;
  readonly wheel: Float32Array;

  constructor(count: number) {
    const row = () => new Float32Array(count);
    this.count = count;
    this.forceG = [row(), row(), row()];
    [this.rollDegrees, this.pitchDegrees, this.leanDegrees, this.yawDegreesPerSecond, this.wheel] = [row(), row(), row(), row(), row()];
    this.support = row().fill(1);
  }

  /**
   * A blow: half-sine or haversine with this change of speed, then the frame rings.
   * @param direction along x, y, z; need not have length 1
   */
  blow(random: Random, atSecond: number, { speedChange, seconds, direction, haversine = false, ringing = 0.3 }: Blow): void {
    const length = Math.hypot(...direction) || 1;
    // The mean is Δv/T; the peak is π/2 of it for a half-sine and twice it for a haversine.
    const peakG = ((haversine ? 2 : Math.PI / 2) * speedChange) / seconds / gravityMetresPerSecond2;
    const [ringHertz, decaySeconds] = [between(random, 12, 45), between(random, 0.02, 0.09)];
    const phases = [random(), random(), random()].map((phase) => phase * 2 * Math.PI);
    const strengths = phases.map(() => between(random, 0.3, 1) * ringing * peakG);
    const last = Math.min(this.count, Math.ceil((atSecond + seconds + 8 * decaySeconds) * samplesPerSecond));
    for (let sample = Math.max(0, Math.floor(atSecond * samplesPerSecond)); sample < last; sample++) {
      let pulse = 0;
      for (let part = 0; part < 10; part++) {
        const share = (sample / samplesPerSecond + part / 1000 - atSecond) / seconds;
        if (share > 0 && share < 1) pulse += (haversine ? (1 - Math.cos(2 * Math.PI * share)) / 2 : Math.sin(Math.PI * share)) / 10;
      }
      const since = sample / samplesPerSecond - atSecond;
      const envelope = since < seconds ? Math.max(0, since / seconds) : Math.exp(-(since - seconds) / decaySeconds);
      for (let axis = 0; axis < 3; axis++) {
        const row = this.forceG[axis as 0];
        const ring = (strengths[axis] as number) * envelope * Math.sin(2 * Math.PI * ringHertz * since + (phases[axis] as number));
        row[sample] = (row[sample] as number) + (pulse * peakG * (direction[axis] as number)) / length + ring;
      }
    }
  }

  /** Adds to a row from one time to another, with a share that runs from 0 to 1. */
  add(row: Float32Array, fromSecond: number, toSecond: number, value: (share: number, before: number) => number): void {
    const [from, to] = [fromSecond, toSecond].map((second) => Math.round(second * samplesPerSecond)) as [number, number];
    for (let sample = Math.max(0, from); sample < Math.min(this.count, to); sample++) row[sample] = (row[sample] as number) + value((sample - from) / Math.max(1, to - from), row[sample] as number);
  }

  /** Rubbing, rolling, rattling: noise with this strength on all axes. */
  rattle(random: Random, fromSecond: number, toSecond: number, strengthG: (share: number) => number): void {
    for (const row of this.forceG) {
      let slow = 0;
      this.add(row, fromSecond, toSecond, (share) => {
        slow += 0.5 * (normal(random) - slow);
        return slow * 1.7 * strengthG(share);
      });
    }
  }

  /** What the sensor says. */
  sensed(random: Random, mounting: Mounting): Trace {
    const motion = new Float32Array(this.count * 6);
    const [turnX, turnY, turnZ] = [0, 1, 2].map(() => (normal(random) * mounting.misalignmentDegrees * Math.PI) / 180 / 1.7) as [number, number, number];
    const bias = Array.from({ length: 6 }, (_, channel) => normal(random) * (channel < 3 ? 0.01 : 0.5));
    const rate = (row: Float32Array, sample: number): number => ((row[Math.min(this.count - 1, sample + 1)] as number) - (row[Math.max(0, sample - 1)] as number)) * (samplesPerSecond / 2);
    for (let sample = 0; sample < this.count; sample++) {
      const [roll, pitch, lean] = [this.rollDegrees, this.pitchDegrees, this.leanDegrees].map((row) => ((row[sample] as number) * Math.PI) / 180) as [number, number, number];
      const up = this.support[sample] as number;
      const yaw = this.yawDegreesPerSecond[sample] as number;
      const values = [
        (this.forceG[0][sample] as number) + up * Math.sin(pitch),
        (this.forceG[1][sample] as number) + up * Math.sin(roll) * Math.cos(pitch),
        (this.forceG[2][sample] as number) + up * Math.cos(roll) * Math.cos(pitch) * (1 / Math.cos(lean)),
        rate(this.rollDegrees, sample) + rate(this.leanDegrees, sample),
        -rate(this.pitchDegrees, sample) + yaw * Math.sin(roll + lean),
        yaw * Math.cos(roll + lean),
      ] as [number, number, number, number, number, number];
      for (let group = 0; group < 6; group += 3) {
        const [x, y, z] = [values[group] as number, values[group + 1] as number, values[group + 2] as number];
        // Small turns: good enough for a sensor that sits a few degrees askew.
        const turned = [x + turnZ * y - turnY * z, y - turnZ * x + turnX * z, z + turnY * x - turnX * y];
        const [noise, range] = group === 0 ? [mounting.noiseG, rangeG] : [mounting.noiseDegreesPerSecond, rangeDegreesPerSecond];
        for (let axis = 0; axis < 3; axis++) {
          const value = (turned[axis] as number) + (bias[group + axis] as number) + normal(random) * noise;
          motion[sample * 6 + group + axis] = Math.max(-range, Math.min(range, value));
        }
      }
    }
    return { motion, wheel: this.wheel.slice() };
  }
}

export interface Blow {
  /** In m/s. */
  speedChange: number;
  seconds: number;
  direction: readonly [x: number, y: number, z: number];
  haversine?: boolean;
  /** Share of the peak with which the frame rings afterwards. */
  ringing?: number;
}
