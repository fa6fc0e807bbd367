/** Tampering with a locked vehicle: rules for what a switch or a wheel tells, and an isolation forest for motion that is unlike being parked. */
import type { BodyState, MotionSample } from '../sensors/port.ts';
import { anomalyScore, type IsolationForest, readForest } from './isolation-forest.ts';
import { openModelFile, ModelFileError } from './model-file.ts';
import { featureNames, ParkedMotion } from './parked-motion.ts';
import type { TamperDetector, TamperKind, TamperVerdict } from './port.ts';

export interface TamperModel {
  version: string;
  forest: IsolationForest;
  /** Score from which a window is unusual. */
  unusualFrom: number;
}

/** @throws ModelFileError when the file is damaged or no tamper model; go on without a model then */
export function loadTamperModel(bytes: Uint8Array): TamperModel {
  const reader = openModelFile(bytes, 'tamper');
  const model = { version: reader.text(), unusualFrom: reader.number('unusualFrom'), forest: readForest(reader) };
  reader.end();
  if (model.forest.features !== featureNames.length) throw new ModelFileError(`the forest judges ${model.forest.features} features; this agent has ${featureNames.length}`);
  return model;
}

export interface TamperOptions {
  /** Without one, the rules decide alone. */
  model?: TamperModel | undefined;
  /** Hears the score of every window; for evaluation. */
  onScore?: ((score: number) => void) | undefined;
}

/** Whoever locks the vehicle still has a hand on it. */
const settleMs = 10_000;
const movedMetres = 2;
const movingMetresPerSecond = 0.7;
const movingForMs = 300;
const tiltedDegrees = 30;
/** How long a kind must be quiet before it can be told of again. */
const quietMs = 30_000;
/** So many unusual windows in a row, half a second apart: one blow is in four windows of two seconds, and no attack. */
export const unusualWindows = 5;
/** A window that is calmer is never unusual, whatever else it is. */
export const weakestG = 0.1;
const gapMs = 1000;
const never = Number.NEGATIVE_INFINITY;

const kinds: readonly TamperKind[] = ['moved-while-locked', 'battery-removed', 'enclosure-opened', 'tilted', 'unusual'];

class Detector implements TamperDetector {
  readonly #model: TamperModel | undefined;
  readonly #onScore: ((score: number) => void) | undefined;
  readonly #motion = new ParkedMotion();
  /** When each kind was last seen, told of or not. */
  readonly #seenAtMs = new Map<TamperKind, number>();
  readonly #confidences = new Map<TamperKind, number>();
  #lockedAtMs = never;
  #lastMs = never;
  #odometerMetres = 0;
  #wheelTurnsSinceMs = never;
  #windowsUnusual = 0;

  constructor({ model, onScore }: TamperOptions) {
    this.#model = model;
    this.#onScore = onScore;
  }

  push(sample: MotionSample, body: BodyState, isLocked: boolean): TamperVerdict | undefined {
    const { timeMs } = sample;
    if (!isLocked) {
      this.#lockedAtMs = never;
      return undefined;
    }
    if (this.#lockedAtMs === never) this.#begin(timeMs, body);
    if (!(timeMs > this.#lastMs) || !sample.accelerationG.every(Number.isFinite) || !sample.rotationDegreesPerSecond.every(Number.isFinite)) return undefined;
    if (timeMs - this.#lastMs > gapMs) this.#windowsUnusual = 0;
    this.#lastMs = timeMs;
    this.#confidences.clear();
    this.#askBody(body);
    const hasWindow = this.#motion.push(sample);
    if (timeMs - this.#lockedAtMs >= settleMs) {
      this.#askWheel(timeMs, body);
      if (hasWindow) this.#askMotion();
      // Also between two windows: lying on its side lasts, and is told of once.
      if (this.#motion.tiltDegrees >= tiltedDegrees) this.#confidences.set('tilted', 1);
    }
    return this.#tell(timeMs);
  }

  #begin(timeMs: number, { odometerMetres }: BodyState): void {
    this.#lockedAtMs = timeMs;
    this.#lastMs = never;
    this.#odometerMetres = odometerMetres;
    this.#wheelTurnsSinceMs = never;
    this.#windowsUnusual = 0;
    this.#seenAtMs.clear();
    this.#motion.restart();
  }

  #askBody({ batteryPresent, enclosureClosed }: BodyState): void {
    if (!batteryPresent) this.#confidences.set('battery-removed', 1);
    if (!enclosureClosed) this.#confidences.set('enclosure-opened', 1);
  }

  #askWheel(timeMs: number, { odometerMetres, wheelSpeedMetresPerSecond }: BodyState): void {
    if (!(wheelSpeedMetresPerSecond >= movingMetresPerSecond)) this.#wheelTurnsSinceMs = never;
    else if (this.#wheelTurnsSinceMs === never) this.#wheelTurnsSinceMs = timeMs;
    const turns = this.#wheelTurnsSinceMs !== never && timeMs - this.#wheelTurnsSinceMs >= movingForMs;
    const moved = odometerMetres - this.#odometerMetres >= movedMetres;
    if (turns || moved) {
      this.#confidences.set('moved-while-locked', 1);
      this.#odometerMetres = odometerMetres;
    }
  }

  #askMotion(): void {
    const { peakG, features } = this.#motion;
    if (!this.#model) return;
    const score = anomalyScore(this.#model.forest, features);
    this.#onScore?.(score);
    this.#windowsUnusual = peakG >= weakestG && score >= this.#model.unusualFrom ? this.#windowsUnusual + 1 : 0;
    if (this.#windowsUnusual >= unusualWindows) this.#confidences.set('unusual', score);
  }

  #tell(timeMs: number): TamperVerdict | undefined {
    let told: TamperVerdict | undefined;
    for (const kind of kinds) {
      const confidence = this.#confidences.get(kind);
      if (confidence === undefined) continue;
      const isQuiet = timeMs - (this.#seenAtMs.get(kind) ?? never) >= quietMs;
      // One verdict a call; the next kind is told with the next sample.
      if (isQuiet && told) continue;
      this.#seenAtMs.set(kind, timeMs);
      if (isQuiet) told = { kind, atMs: timeMs, confidence, decidedBy: kind === 'unusual' ? 'model' : 'rule' };
    }
    return told;
  }
}

/** One for each vehicle; keeps two seconds of motion. */
export const tamperDetector = (options: TamperOptions = {}): TamperDetector => new Detector(options);
