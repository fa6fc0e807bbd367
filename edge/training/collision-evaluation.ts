/** What the detector of the agent, as it runs on vehicles, makes of recordings: found, missed, invented, and how late. */
import { collisionDetector, type CollisionModel } from '../detection/collision.ts';
import type { CollisionVerdict } from '../detection/port.ts';
import type { MotionSample } from '../sensors/port.ts';
import { type CrashPlan, type CrashType, crashTypes, severities, type Severity } from './crashes.ts';
import { type Mounting, ordinaryMounting, samplesPerSecond, type Trace } from './motion.ts';
import { randomFor } from './randomness.ts';
import { durationSecondsOf, type Ride } from './recordings.ts';
import { crashScene, type CrashScene, wholeRide } from './scenes.ts';

/** Who decides. */
export type Decider = 'rule' | 'model' | 'both';
export const deciders: readonly Decider[] = ['rule', 'model', 'both'];

/** A model that is never unsure leaves the rule nothing to say. */
const modelFor = (decider: Decider, model: CollisionModel): CollisionModel | undefined => (decider === 'rule' ? undefined : decider === 'model' ? { ...model, unsureFrom: 2 } : model);

export interface Said extends CollisionVerdict {
  /** Of the sample that the verdict came with, from the beginning. */
  saidAtMs: number;
}

/** Plays a recording to a new detector. */
export function verdictsOf(trace: Trace, model: CollisionModel | undefined, onProbability?: (probability: number) => void): Said[] {
  const detector = collisionDetector({ model, onProbability });
  const said: Said[] = [];
  for (let sample = 0; sample < trace.wheel.length; sample++) {
    const verdict = detector.push(sampleOf(trace, sample), trace.wheel[sample] as number);
    if (verdict) said.push({ ...verdict, saidAtMs: sample * (1000 / samplesPerSecond) });
  }
  return said;
}

export function sampleOf({ motion }: Trace, sample: number): MotionSample {
  const at = sample * 6;
  const value = (channel: number): number => motion[at + channel] as number;
  return { timeMs: sample * (1000 / samplesPerSecond), accelerationG: [value(0), value(1), value(2)], rotationDegreesPerSecond: [value(3), value(4), value(5)] };
}

const leadSeconds = 6;
const aftermathSeconds = 4;

/** Of crashes by type and severity, so many of each. */
export function crashScenes(seed: number, rides: readonly Ride[], each: number, mounting: Mounting = ordinaryMounting, shape: Pick<CrashPlan, 'stretch' | 'fadeSeconds'> = {}): CrashScene[] {
  return crashTypes.flatMap((type) => severities.flatMap((severity) => Array.from({ length: each }, (_, index) => crashScene(randomFor(seed, `${type} ${severity} ${index}`), rides, type, severity, leadSeconds, aftermathSeconds, mounting, shape))));
}

/** Wilson's interval, 95%. */
export function interval(hits: number, of: number): [low: number, high: number] {
  if (of === 0) return [0, 1];
  const [z, share] = [1.96, hits / of];
  const middle = (share + (z * z) / (2 * of)) / (1 + (z * z) / of);
  const half = (z * Math.sqrt((share * (1 - share)) / of + (z * z) / (4 * of * of))) / (1 + (z * z) / of);
  return [Math.max(0, middle - half), Math.min(1, middle + half)];
}

export interface Recall {
  type: CrashType;
  severity: Severity;
  hits: number;
  of: number;
}

export interface CrashFigures {
  recalls: Recall[];
  /** From the impact's first sample beyond 4 g (beyond 2 g for those that stay below 4) to the verdict; negative when told before. */
  latenciesMs: number[];
  /** Verdicts before anything happened. */
  early: number;
}

/** The first sample of the impact that a rule on acceleration alone could take for one. */
function firstOverMs({ trace, crash }: CrashScene): number {
  const from = Math.floor(crash.impactSecond * samplesPerSecond);
  const found = [4, 2, 0].map((limit) => {
    for (let sample = from; sample < trace.wheel.length; sample++) if (Math.hypot(...trace.motion.subarray(sample * 6, sample * 6 + 3)) > limit) return sample;
    return undefined;
  });
  return (found.find((sample) => sample !== undefined && sample - from < samplesPerSecond) ?? from) * (1000 / samplesPerSecond);
}

export function judgeCrashes(scenes: readonly CrashScene[], decider: Decider, model: CollisionModel): CrashFigures {
  const figures: CrashFigures = { recalls: crashTypes.flatMap((type) => severities.map((severity) => ({ type, severity, hits: 0, of: 0 }))), latenciesMs: [], early: 0 };
  for (const scene of scenes) {
    const { type, severity, atSecond } = scene.crash.plan;
    const recall = figures.recalls.find((row) => row.type === type && row.severity === severity);
    if (!recall) continue;
    recall.of++;
    const said = verdictsOf(scene.trace, modelFor(decider, model));
    if (said.some(({ saidAtMs }) => saidAtMs < atSecond * 1000)) figures.early++;
    const hit = said.find(({ saidAtMs }) => saidAtMs >= atSecond * 1000 && saidAtMs <= (scene.crash.impactSecond + 2.5) * 1000);
    if (!hit) continue;
    recall.hits++;
    figures.latenciesMs.push(hit.saidAtMs - firstOverMs(scene));
  }
  return figures;
}

export interface RidingFigures {
  hours: number;
  falseAlarms: number;
}

/** @param repetitions how often each ride is ridden, on another road and with other everyday events each time */
export function judgeRiding(seed: number, rides: readonly Ride[], repetitions: number, decidersAsked: readonly Decider[], model: CollisionModel): Record<Decider, RidingFigures> {
  const figures: Record<Decider, RidingFigures> = { rule: { hours: 0, falseAlarms: 0 }, model: { hours: 0, falseAlarms: 0 }, both: { hours: 0, falseAlarms: 0 } };
  for (const ride of rides) {
    for (let repetition = 0; repetition < repetitions; repetition++) {
      const trace = wholeRide(randomFor(seed, `${ride.id} ${repetition}`), ride);
      for (const decider of decidersAsked) {
        figures[decider].hours += durationSecondsOf(ride) / 3600;
        figures[decider].falseAlarms += verdictsOf(trace, modelFor(decider, model)).length;
      }
    }
  }
  return figures;
}

export const total = (recalls: readonly Recall[]): { hits: number; of: number } => recalls.reduce((sum, { hits, of }) => ({ hits: sum.hits + hits, of: sum.of + of }), { hits: 0, of: 0 });

export const percentileOf = (values: readonly number[], share: number): number => values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))] ?? Number.NaN;
