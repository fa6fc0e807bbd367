/** Two seconds of motion of a parked vehicle as a few numbers that the isolation forest judges. */
import type { MotionSample } from '../sensors/port.ts';

export const windowSamples = 200;
/** Half a second: how often a window is looked at. */
export const hopSamples = 50;
const blockSamples = 25;
const channels = 6;
/** Below this a window is still. Sensor noise is about a tenth of it. */
export const stillG = 0.05;
const stillDegreesPerSecond = 4;

export const featureNames = [
  'strength', 'peak', 'crest', 'share of time in motion', 'roughness', 'roughness to strength', 'slow sway', 'rotation', 'rotation peak', 'tilt', 'turn', 'sideways to upright', 'seconds in motion',
] as const;

/** So that a doubling counts the same everywhere, and sensor noise for nothing. */
const logOf = (value: number, floor: number): number => Math.log2(Math.max(value, floor) / floor);

export class ParkedMotion {
  readonly #ring = new Float64Array(windowSamples * channels);
  readonly #mean = new Float64Array(channels);
  readonly #block = new Float64Array(3);
  readonly #rest = new Float64Array(3);
  readonly features = new Float64Array(featureNames.length);
  #hasRest = false;
  #count = 0;
  #next = 0;
  #windowsInMotion = 0;
  /** Of the last window, in g: the strongest departure from rest. */
  peakG = 0;
  /** Of the last window's mean against the attitude at rest. */
  tiltDegrees = 0;

  /** @returns whether a window is complete, and `features` new */
  push({ accelerationG, rotationDegreesPerSecond }: MotionSample): boolean {
    const at = this.#next * channels;
    for (let axis = 0; axis < 3; axis++) {
      this.#ring[at + axis] = accelerationG[axis as 0];
      this.#ring[at + 3 + axis] = rotationDegreesPerSecond[axis as 0];
    }
    this.#next = (this.#next + 1) % windowSamples;
    this.#count++;
    if (this.#count < windowSamples || this.#count % hopSamples !== 0) return false;
    this.#describe();
    return true;
  }

  /** Whether the attitude at rest is known; without it there is no tilt. */
  get hasRest(): boolean {
    return this.#hasRest;
  }

  restart(): void {
    this.#count = 0;
    this.#next = 0;
    this.#hasRest = false;
    this.#windowsInMotion = 0;
    this.tiltDegrees = 0;
    this.peakG = 0;
  }

  #describe(): void {
    this.#averages();
    const spread = this.#spread();
    const isStill = spread.peakG < stillG && spread.rotationPeak < stillDegreesPerSecond;
    if (!this.#hasRest && isStill) {
      this.#rest.set(this.#mean.subarray(0, 3));
      this.#hasRest = true;
    }
    this.peakG = spread.peakG;
    this.tiltDegrees = this.#hasRest ? this.#tilt() : 0;
    this.#windowsInMotion = isStill ? Math.max(0, this.#windowsInMotion - 4) : Math.min(240, this.#windowsInMotion + 1);
    const { features } = this;
    features[0] = logOf(spread.strengthG, 0.01);
    features[1] = logOf(spread.peakG, 0.02);
    features[2] = logOf(spread.peakG / Math.max(spread.strengthG, 0.005), 1);
    features[3] = spread.shareInMotion;
    features[4] = logOf(spread.roughnessG, 0.01);
    features[5] = logOf(spread.roughnessG / Math.max(spread.strengthG, 0.005), 0.1);
    features[6] = logOf(this.#sway(), 0.005);
    features[7] = logOf(spread.rotation, 0.5);
    features[8] = logOf(spread.rotationPeak, 1);
    features[9] = logOf(this.tiltDegrees, 1);
    features[10] = logOf(Math.abs(this.#mean[5] as number) * (windowSamples / 100), 1);
    features[11] = logOf(spread.sidewaysG / Math.max(spread.uprightG, 0.005), 0.1);
    features[12] = logOf((this.#windowsInMotion * hopSamples) / 100, 0.5);
  }

  #averages(): void {
    this.#mean.fill(0);
    for (let at = 0; at < this.#ring.length; at++) this.#mean[at % channels] = (this.#mean[at % channels] as number) + (this.#ring[at] as number) / windowSamples;
  }

  /** Departures from the window's own mean, so that a vehicle that leans differently looks the same. */
  #spread() {
    let [sideways, upright, roughness, rotation, peak, rotationPeak, moving] = [0, 0, 0, 0, 0, 0, 0];
    for (let index = 0; index < windowSamples; index++) {
      // In order of time, beginning with the oldest.
      const at = ((this.#next + index) % windowSamples) * channels;
      const before = ((this.#next + Math.max(0, index - 1)) % windowSamples) * channels;
      let length = 0;
      let turning = 0;
      for (let axis = 0; axis < 3; axis++) {
        const departure = (this.#ring[at + axis] as number) - (this.#mean[axis] as number);
        const step = (this.#ring[at + axis] as number) - (this.#ring[before + axis] as number);
        const turn = this.#ring[at + 3 + axis] as number;
        length += departure * departure;
        roughness += step * step;
        turning += turn * turn;
        if (axis === 2) upright += departure * departure;
      }
      sideways += length;
      rotation += turning;
      peak = Math.max(peak, length);
      rotationPeak = Math.max(rotationPeak, turning);
      if (length > stillG * stillG) moving++;
    }
    return {
      strengthG: Math.sqrt(sideways / windowSamples), sidewaysG: Math.sqrt((sideways - upright) / windowSamples), uprightG: Math.sqrt(upright / windowSamples),
      roughnessG: Math.sqrt(roughness / windowSamples), rotation: Math.sqrt(rotation / windowSamples),
      peakG: Math.sqrt(peak), rotationPeak: Math.sqrt(rotationPeak), shareInMotion: moving / windowSamples,
    };
  }

  /** How far the means of quarter seconds wander: lifting and dragging do, buzzing does not. */
  #sway(): number {
    let total = 0;
    for (let start = 0; start < windowSamples; start += blockSamples) {
      this.#block.fill(0);
      for (let index = start; index < start + blockSamples; index++) {
        const at = ((this.#next + index) % windowSamples) * channels;
        for (let axis = 0; axis < 3; axis++) this.#block[axis] = (this.#block[axis] as number) + (this.#ring[at + axis] as number) / blockSamples;
      }
      for (let axis = 0; axis < 3; axis++) total += ((this.#block[axis] as number) - (this.#mean[axis] as number)) ** 2;
    }
    return Math.sqrt(total / (windowSamples / blockSamples));
  }

  #tilt(): number {
    const [x = 0, y = 0, z = 0] = this.#mean;
    const [restX = 0, restY = 0, restZ = 0] = this.#rest;
    const lengths = Math.hypot(x, y, z) * Math.hypot(restX, restY, restZ);
    return lengths > 0 ? (Math.acos(Math.max(-1, Math.min(1, (x * restX + y * restY + z * restZ) / lengths))) * 180) / Math.PI : 0;
  }
}
