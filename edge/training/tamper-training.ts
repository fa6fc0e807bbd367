/** The isolation forest of being parked, and from which score on a window is unusual. */
import { anomalyScore, type IsolationForest, writeForest } from '../detection/isolation-forest.ts';
import { PayloadWriter } from '../detection/model-file.ts';
import { ParkedMotion } from '../detection/parked-motion.ts';
import { type TamperModel, unusualWindows, weakestG } from '../detection/tamper.ts';
import { sampleOf } from './collision-evaluation.ts';
import { growForest } from './forest-growing.ts';
import type { Trace } from './motion.ts';
import { everydayPerDay, parkedKinds, parkedScene } from './parked.ts';
import { randomFor } from './randomness.ts';

const trees = 50;
const sampleSize = 1024;
const trainingDays = 3;
const validationDays = 10;
/** Whoever has just locked the vehicle moves it; the detector listens from then on. */
const settledSamples = 1000;

/** The windows of parked days, those of happenings, as the detector sees them. */
export function parkedWindows(seed: number, days: number): Float64Array[] {
  return parkedKinds.flatMap((kind) => Array.from({ length: Math.ceil(days * everydayPerDay[kind]) }, (_, index) => index).flatMap((index) => {
    const trace = parkedScene(randomFor(seed, `window ${kind} ${index}`), kind);
    const motion = new ParkedMotion();
    const windows: Float64Array[] = [];
    for (let sample = 0; sample < trace.wheel.length; sample++) if (motion.push(sampleOf(trace, sample)) && sample > settledSamples) windows.push(motion.features.slice());
    return windows;
  }));
}

/** The score that a whole scene reaches: the highest threshold at which the detector would still have spoken. */
function reached(forest: IsolationForest, trace: Trace): number {
  const motion = new ParkedMotion();
  const last: number[] = [];
  let highest = 0;
  for (let sample = 0; sample < trace.wheel.length; sample++) {
    if (!motion.push(sampleOf(trace, sample)) || sample <= settledSamples) continue;
    last.push(motion.peakG >= weakestG ? anomalyScore(forest, motion.features) : 0);
    if (last.length >= unusualWindows) highest = Math.max(highest, Math.min(...last.slice(-unusualWindows)));
  }
  return highest;
}

/** @param tell hears how far it is. The threshold lets one false alarm through in five days of validation. */
export function trainTamper(seed: number, tell: (figures: object) => void): TamperModel {
  const windows = parkedWindows(seed, trainingDays);
  const forest = growForest(randomFor(seed, 'forest'), windows, trees, sampleSize);
  tell({ windows: windows.length, trees, sampleSize, nodes: forest.cutFeatures.length });
  const highest = parkedKinds.flatMap((kind) => Array.from({ length: validationDays * everydayPerDay[kind] }, (_, index) => reached(forest, parkedScene(randomFor(seed, `validation ${kind} ${index}`), kind)))).toSorted((a, b) => b - a);
  const unusualFrom = (highest[Math.floor(validationDays / 5)] ?? 1) + 1e-6;
  tell({ unusualFrom, validationScenes: highest.length, highest: highest.slice(0, 5).map((score) => Number(score.toFixed(4))) });
  return { version: '1.0.0', forest, unusualFrom };
}

export function tamperFile({ version, unusualFrom, forest }: TamperModel): Buffer {
  const writer = new PayloadWriter().text(version).number(unusualFrom);
  writeForest(writer, forest);
  return writer.file('tamper');
}
