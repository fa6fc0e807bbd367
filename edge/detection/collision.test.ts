import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { MotionSample } from '../sensors/port.ts';
import { crashScenes, judgeCrashes, judgeRiding, sampleOf, total, verdictsOf } from '../training/collision-evaluation.ts';
import { inputShape, receptiveField, trainCollision } from '../training/collision-training.ts';
import { randomFor } from '../training/randomness.ts';
import { madeUpRide } from '../training/recordings.ts';
import { wholeRide } from '../training/scenes.ts';
import { StreamingNetwork } from './network.ts';
import { collisionDetector, type CollisionModel, loadCollisionModel } from './collision.ts';

const model = loadCollisionModel(readFileSync(new URL('../models/collision.bin', import.meta.url)));
const rides = Array.from({ length: 6 }, (_, index) => madeUpRide(randomFor(99, `ride ${index}`), `made up ${index}`, 1));
const scenes = crashScenes(99, rides, 4);

/** Never sure and always in doubt, or never in doubt: what stays the same whatever was trained. */
const doubting: CollisionModel = { ...model, sureFrom: 2, unsureFrom: 0 };
const denying: CollisionModel = { ...model, sureFrom: 2, unsureFrom: 2 };

type Moment = Partial<{ x: number; y: number; z: number; wheel: number }>;
const sample = (timeMs: number, { x = 0, y = 0, z = 1 }: Moment): MotionSample => ({ timeMs, accelerationG: [x, y, z], rotationDegreesPerSecond: [0, 0, 0] });
/** Two seconds of even riding at 5 m/s, then these moments, 10 ms each, the last for a second. */
function played(moments: readonly Moment[], used?: CollisionModel) {
  const detector = collisionDetector({ model: used });
  const all = [...Array.from({ length: 200 }, () => ({})), ...moments, ...Array.from({ length: 100 }, () => ({ ...moments.at(-1), x: 0, y: 0, z: 1 }))] as Moment[];
  return all.flatMap((moment, index) => detector.push(sample(index * 10, moment), moment.wheel ?? 5) ?? []);
}

test('DETECTION-05: without a model, over 4 g with a wheel that slips or stops at once is a collision, and neither alone is', () => {
  expect(played([{ x: -6 }, { x: -5, wheel: 2 }, { wheel: 0 }])).toEqual([{ atMs: 2000, peakG: Math.sqrt(37), confidence: 0.5, decidedBy: 'rule' }]);
  expect(played([{ y: 5, wheel: 9 }])).toHaveLength(1);
  expect(played([{ z: 9 }, { z: 7 }])).toEqual([]);
  expect(played([{ wheel: 2 }, { wheel: 0 }])).toEqual([]);
  expect(played([{ x: -3.8, wheel: 0 }])).toEqual([]);
  // The wheel may tell first, or half a second later, and not two seconds later.
  expect(played([{ wheel: 0 }, { x: -6, wheel: 0 }])).toHaveLength(1);
  const calm = (count: number): Moment[] => Array.from({ length: count }, () => ({}));
  expect(played([{ x: -6 }, ...calm(40), { wheel: 0 }])).toHaveLength(1);
  expect(played([{ x: -6 }, ...calm(200), { wheel: 0 }])).toEqual([]);
  // Braking as hard as tyres can is no slip.
  expect(played([{ z: 6 }, ...Array.from({ length: 60 }, (_, index) => ({ wheel: 5 - 0.078 * index })), { wheel: 0.8 }])).toEqual([]);
});

test('DETECTION-06: the rule decides where the model is unsure and is silent where it says no', () => {
  const blow: Moment[] = [{ x: -6, wheel: 2 }, { x: -5, wheel: 0 }];
  expect(played(blow, doubting).map(({ decidedBy }) => decidedBy)).toEqual(['rule']);
  expect(played(blow, denying)).toEqual([]);
  const bySure = scenes.map(({ trace }) => verdictsOf(trace, { ...model, unsureFrom: 2 })[0]).filter((verdict) => verdict !== undefined);
  expect(bySure.every(({ decidedBy, confidence }) => decidedBy === 'model' && confidence >= model.sureFrom)).toBe(true);
});

test('DETECTION-04: a crash brings one verdict, however long it goes on, and the next crash another', () => {
  const detector = collisionDetector({});
  const blows = [2000, 2300, 4000, 6500, 11_000, 30_000];
  const said: number[] = [];
  for (let timeMs = 0; timeMs < 40_000; timeMs += 10) {
    const hit = blows.some((blow) => timeMs >= blow && timeMs < blow + 50);
    const verdict = detector.push(sample(timeMs, { x: hit ? -7 : 0 }), hit ? 0 : 5);
    if (verdict) said.push(verdict.atMs);
  }
  expect(said).toEqual([2000, 30_000]);
  for (const { trace } of scenes) expect(verdictsOf(trace, model).length).toBeLessThanOrEqual(1);
});

test('DETECTION-07: a verdict says when the blow began and how hard it has been', () => {
  let told = 0;
  for (const { trace, crash } of scenes.filter((scene) => scene.crash.plan.type !== 'fall')) {
    const [verdict] = verdictsOf(trace, model);
    if (!verdict) continue;
    told++;
    const until = Math.round(verdict.saidAtMs / 10);
    const peakG = Math.max(...Array.from({ length: 81 }, (_, back) => Math.hypot(...sampleOf(trace, Math.max(0, until - back)).accelerationG)));
    expect(verdict.peakG).toBeLessThanOrEqual(peakG + 1e-6);
    expect(verdict.peakG).toBeGreaterThan(1);
    expect(verdict.atMs).toBeLessThanOrEqual(verdict.saidAtMs);
    expect(verdict.atMs).toBeGreaterThan(crash.impactSecond * 1000 - 810);
  }
  expect(told).toBeGreaterThan(30);
});

test('DETECTION-08: samples that are late, twice or no numbers change nothing; after a pause the network waits', () => {
  const scene = scenes.find(({ trace }) => verdictsOf(trace, model).length === 1);
  if (!scene) throw new Error('the model found no crash');
  const expected = verdictsOf(scene.trace, model).map(({ saidAtMs: _, ...verdict }) => verdict);
  const detector = collisionDetector({ model });
  const said = [];
  for (let index = 0; index < scene.trace.wheel.length; index++) {
    const good = sampleOf(scene.trace, index);
    const wrong: MotionSample[] = [good, { ...good, timeMs: good.timeMs - 50 }, { ...good, timeMs: Number.NaN }, { ...good, timeMs: good.timeMs + 1, accelerationG: [Number.NaN, 0, 0] }, { ...good, timeMs: good.timeMs + 1, accelerationG: [0, 0, Number.POSITIVE_INFINITY] }];
    for (const one of wrong) said.push(...[detector.push(one, scene.trace.wheel[index] ?? 0)].filter((verdict) => verdict !== undefined));
  }
  expect(said).toEqual(expected);
  // Asleep until the middle of the blow: the network has not seen enough to be sure.
  const late = collisionDetector({ model: { ...model, unsureFrom: 2 } });
  const from = Math.round(scene.crash.plan.atSecond * 100);
  for (let index = from; index < from + receptiveField; index++) expect(late.push(sampleOf(scene.trace, index), 0)).toBeUndefined();
});

test('DETECTION-09: the committed model keeps what its card says, on crashes and rides that nobody has seen', () => {
  const card = /Small set: (\d+) of (\d+) crashes found, (\d+) false alarms/.exec(readFileSync(new URL('../models/collision.card.md', import.meta.url), 'utf8'))?.slice(1).map(Number) ?? [];
  const riding = judgeRiding(99, rides, 2, ['both'], model);
  const crashes = judgeCrashes(scenes, 'both', model);
  const { hits, of } = total(crashes.recalls);
  expect(of).toBe(card[1]);
  // Sines and exponentials differ in their last digit from machine to machine.
  expect(Math.abs(hits - (card[0] ?? 0))).toBeLessThanOrEqual(1);
  expect(Math.abs(riding.both.falseAlarms - (card[2] ?? 0))).toBeLessThanOrEqual(1);
  expect(crashes.early).toBe(0);
  // The rule alone finds fewer: otherwise the model is not worth its place.
  expect(total(judgeCrashes(scenes, 'rule', model).recalls).hits).toBeLessThan(hits);
  expect(crashes.latenciesMs.toSorted((a, b) => a - b)[Math.floor(crashes.latenciesMs.length / 2)]).toBeLessThanOrEqual(100);
});

test('DETECTION-22: a verdict takes far less than 50 ms from its sample', () => {
  const detector = collisionDetector({ model });
  const trace = wholeRide(randomFor(1, 'time'), madeUpRide(randomFor(1, 'time'), 'time', 1));
  const times: number[] = [];
  for (let index = 0; index < trace.wheel.length; index++) {
    const one = sampleOf(trace, index);
    const before = performance.now();
    detector.push(one, trace.wheel[index] ?? 0);
    times.push(performance.now() - before);
  }
  expect(times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]).toBeLessThan(50);
});

test('DETECTION-23, DETECTION-03: the same seed trains the same model, and its INT8 says what its floats say', () => {
  const split = { training: rides.slice(0, 2), validation: rides.slice(2, 3), heldOut: [] };
  const train = () => trainCollision(5, split, { crashes: 6, everyday: 6, epochs: 2, thresholdRides: 1, validationCrashes: 1 }, () => undefined);
  const { model: first, network } = train();
  expect(train().model).toEqual(first);
  const { motion } = scenes[0]?.trace ?? { motion: new Float32Array() };
  const section = motion.slice(500 * 6, 800 * 6);
  const floats = network.forward(section.map((value, at) => value / (inputShape.normalisation[at % 6] ?? 1)));
  const streaming = new StreamingNetwork(first.network);
  const differences = Array.from(floats, (logit, at) => Math.abs(streaming.push(section.subarray(at * 6, at * 6 + 6)) - logit)).slice(receptiveField);
  const spread = Math.max(...floats) - Math.min(...floats);
  expect(spread).toBeGreaterThan(0);
  expect(differences.reduce((sum, difference) => sum + difference, 0) / differences.length).toBeLessThan(0.05 * spread);
});
