/** Collisions, from motion at 100 Hz: a small network, and a rule where it is absent or unsure. */
import type { MotionSample } from '../sensors/port.ts';
import { openModelFile } from './model-file.ts';
import { type QuantisedNetwork, readNetwork, receptiveFieldOf, StreamingNetwork } from './network.ts';
import type { CollisionDetector, CollisionVerdict } from './port.ts';

export interface CollisionModel {
  version: string;
  network: QuantisedNetwork;
  /** Probability from which the model alone decides. */
  sureFrom: number;
  /** Probability from which the rule may decide; below it, the model says no. */
  unsureFrom: number;
}

/** @throws ModelFileError when the file is damaged or no collision model; go on without a model then */
export function loadCollisionModel(bytes: Uint8Array): CollisionModel {
  const reader = openModelFile(bytes, 'collision');
  const model = { version: reader.text(), sureFrom: reader.number('sureFrom'), unsureFrom: reader.number('unsureFrom'), network: readNetwork(reader) };
  reader.end();
  return model;
}

export interface CollisionOptions {
  /** Without one, the rule decides alone. */
  model?: CollisionModel | undefined;
  /** Hears the probability of every sample; for evaluation. */
  onProbability?: ((probability: number) => void) | undefined;
}

/** Above this, gravity included, the rule asks the wheel. */
const rulePeakG = 4;
/** How far a verdict looks back for the blow that it is about. */
const blowMs = 800;
const remembered = 128;
/** How long a peak, a change of the wheel and a doubt of the model may lie apart and still belong to one another. */
const togetherMs = 600;
/** Tyres brake with at most about 0.8 g; a wheel that changes by this much within `slipWithinMs` slips. */
const slipMetresPerSecond = 2.5;
const slipWithinMs = 250;
/** From riding to standing faster than any brake: within `stopWithinMs`. */
const ridingMetresPerSecond = 2;
const standingMetresPerSecond = 0.5;
const stopWithinMs = 150;
/** A crash goes on with sliding and further blows; what comes within this time of the last of them is the same crash. */
const refractoryMs = 5000;
/** A pause in the samples after which the network must not join what was before. */
const gapMs = 200;
const never = Number.NEGATIVE_INFINITY;

/** The rule: over 4 g, with wheel slip or a sudden stop close to it. */
class CollisionRule {
  #peakAtMs = never;
  #wheelAtMs = never;
  readonly #speeds = new Float64Array(32);
  readonly #times = new Float64Array(32).fill(never);
  #next = 0;

  /** @returns whether a peak and a strange wheel lie together now */
  push(timeMs: number, magnitudeG: number, wheelSpeedMetresPerSecond: number): boolean {
    if (magnitudeG > rulePeakG) this.#peakAtMs = timeMs;
    if (this.#isWheelStrange(timeMs, wheelSpeedMetresPerSecond)) this.#wheelAtMs = timeMs;
    this.#speeds[this.#next] = wheelSpeedMetresPerSecond;
    this.#times[this.#next] = timeMs;
    this.#next = (this.#next + 1) % this.#speeds.length;
    return timeMs - this.#peakAtMs <= togetherMs && timeMs - this.#wheelAtMs <= togetherMs;
  }

  #isWheelStrange(timeMs: number, speed: number): boolean {
    for (let index = 0; index < this.#speeds.length; index++) {
      const agoMs = timeMs - (this.#times[index] as number);
      if (!(agoMs >= 0 && agoMs <= slipWithinMs)) continue;
      const before = this.#speeds[index] as number;
      if (agoMs <= slipWithinMs && Math.abs(speed - before) >= slipMetresPerSecond) return true;
      if (agoMs <= stopWithinMs && before >= ridingMetresPerSecond && speed <= standingMetresPerSecond) return true;
    }
    return false;
  }
}

class Detector implements CollisionDetector {
  readonly #model: CollisionModel | undefined;
  readonly #network: StreamingNetwork | undefined;
  readonly #onProbability: ((probability: number) => void) | undefined;
  readonly #rule = new CollisionRule();
  readonly #inputs = new Float64Array(6);
  readonly #neededSamples: number;
  #seenSamples = 0;
  #lastMs = never;
  #quietUntilMs = never;
  readonly #magnitudes = new Float64Array(remembered);
  readonly #times = new Float64Array(remembered).fill(never);
  #newest = 0;
  #sureBefore = false;
  #unsureAtMs = never;
  #highest = 0;

  constructor({ model, onProbability }: CollisionOptions) {
    this.#model = model;
    this.#network = model && new StreamingNetwork(model.network);
    this.#neededSamples = model ? receptiveFieldOf(model.network.layers) : 0;
    this.#onProbability = onProbability;
  }

  push(sample: MotionSample, wheelSpeedMetresPerSecond: number): CollisionVerdict | undefined {
    const { timeMs } = sample;
    const [x, y, z] = sample.accelerationG;
    const magnitudeG = Math.sqrt(x * x + y * y + z * z);
    // One value that is no number would stay in the network for its whole receptive field.
    if (!Number.isFinite(magnitudeG) || !(timeMs > this.#lastMs)) return undefined;
    if (timeMs - this.#lastMs > gapMs) this.#seenSamples = 0;
    this.#lastMs = timeMs;
    this.#newest = (this.#newest + 1) % remembered;
    this.#magnitudes[this.#newest] = magnitudeG;
    this.#times[this.#newest] = timeMs;
    const ruleSays = this.#rule.push(timeMs, magnitudeG, Number.isFinite(wheelSpeedMetresPerSecond) ? wheelSpeedMetresPerSecond : 0);
    const decidedBy = this.#decide(sample, ruleSays);
    if (!decidedBy) return undefined;
    if (timeMs < this.#quietUntilMs) {
      this.#quietUntilMs = Math.max(this.#quietUntilMs, timeMs + refractoryMs);
      return undefined;
    }
    this.#quietUntilMs = timeMs + refractoryMs;
    return { ...this.#blow(timeMs), confidence: this.#confidence(decidedBy), decidedBy };
  }

  /** Where the blow began, which is where half of its strength was first exceeded, and how hard it has been so far. */
  #blow(timeMs: number): { atMs: number; peakG: number } {
    let [peakG, strongest, atMs] = [0, 0, timeMs];
    for (const [index, time] of this.#times.entries()) {
      if (timeMs - time > blowMs) continue;
      const magnitudeG = this.#magnitudes[index] as number;
      peakG = Math.max(peakG, magnitudeG);
      strongest = Math.max(strongest, Math.abs(magnitudeG - 1));
    }
    for (const [index, time] of this.#times.entries()) {
      if (timeMs - time <= blowMs && time < atMs && Math.abs((this.#magnitudes[index] as number) - 1) > strongest / 2) atMs = time;
    }
    return { atMs, peakG };
  }

  #decide(sample: MotionSample, ruleSays: boolean): 'model' | 'rule' | undefined {
    if (!this.#model || !this.#network) return ruleSays ? 'rule' : undefined;
    const probability = this.#probability(sample, this.#network);
    this.#onProbability?.(probability);
    // Until the network has seen only what belongs together, it is unsure.
    if (this.#seenSamples < this.#neededSamples) {
      this.#seenSamples++;
      this.#sureBefore = false;
      return ruleSays ? 'rule' : undefined;
    }
    // Two samples in a row: a single one may be a fault of the sensor.
    const sure = probability >= this.#model.sureFrom;
    const decided = sure && this.#sureBefore;
    this.#sureBefore = sure;
    if (decided) {
      this.#highest = probability;
      return 'model';
    }
    if (probability >= this.#model.unsureFrom) {
      this.#highest = sample.timeMs - this.#unsureAtMs > togetherMs ? probability : Math.max(this.#highest, probability);
      this.#unsureAtMs = sample.timeMs;
    }
    return ruleSays && sample.timeMs - this.#unsureAtMs <= togetherMs ? 'rule' : undefined;
  }

  #probability({ accelerationG, rotationDegreesPerSecond }: MotionSample, network: StreamingNetwork): number {
    for (let axis = 0; axis < 3; axis++) {
      this.#inputs[axis] = accelerationG[axis as 0];
      const rotation = rotationDegreesPerSecond[axis as 0];
      this.#inputs[3 + axis] = Number.isFinite(rotation) ? rotation : 0;
    }
    return 1 / (1 + Math.exp(-network.push(this.#inputs)));
  }

  #confidence(decidedBy: 'model' | 'rule'): number {
    if (decidedBy === 'model') return this.#highest;
    return this.#model ? Math.max(0.5, this.#highest) : 0.5;
  }
}

/** One for each vehicle; keeps about a second of motion. */
export const collisionDetector = (options: CollisionOptions = {}): CollisionDetector => new Detector(options);
