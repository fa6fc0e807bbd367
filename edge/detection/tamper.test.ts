import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { BodyState, MotionSample } from '../sensors/port.ts';
import { growForest } from '../training/forest-growing.ts';
import { fallenScene, parkedScene } from '../training/parked.ts';
import { normal, randomFor } from '../training/randomness.ts';
import { judgeAttacks, judgeDays, parkedBody, tamperVerdictsOf } from '../training/tamper-evaluation.ts';
import { anomalyScore, averagePathLength, readForest, writeForest } from './isolation-forest.ts';
import { ModelFileError, openModelFile, PayloadWriter } from './model-file.ts';
import { loadTamperModel, tamperDetector } from './tamper.ts';

const model = loadTamperModel(readFileSync(new URL('../models/tamper.bin', import.meta.url)));
const still = (timeMs: number): MotionSample => ({ timeMs, accelerationG: [0, 0, 1], rotationDegreesPerSecond: [0, 0, 0] });

/** Plays this body to a detector, ten samples a second are enough for what is no motion. */
function played(seconds: number, bodyAt: (second: number) => Partial<BodyState>, isLocked: (second: number) => boolean = () => true): string[] {
  const detector = tamperDetector({ model });
  const said: string[] = [];
  for (let timeMs = 0; timeMs < seconds * 1000; timeMs += 100) {
    const verdict = detector.push(still(timeMs), { ...parkedBody, ...bodyAt(timeMs / 1000) }, isLocked(timeMs / 1000));
    if (verdict) said.push(`${verdict.kind} ${verdict.atMs / 1000} ${verdict.decidedBy}`);
  }
  return said;
}

test('DETECTION-17: battery, enclosure, wheel and tilt of a locked vehicle are told once, until they have been quiet', () => {
  expect(played(60, (second) => ({ batteryPresent: second < 20 }))).toEqual(['battery-removed 20 rule']);
  expect(played(60, (second) => ({ enclosureClosed: second < 20 }))).toEqual(['enclosure-opened 20 rule']);
  expect(played(60, (second) => ({ batteryPresent: second < 20, enclosureClosed: second < 20 }))).toEqual(['battery-removed 20 rule', 'enclosure-opened 20.1 rule']);
  expect(played(60, (second) => ({ wheelSpeedMetresPerSecond: second > 20 ? 1.2 : 0 }))).toEqual(['moved-while-locked 20.4 rule']);
  expect(played(60, (second) => ({ odometerMetres: second > 20 ? 1003 : 1000 }))).toEqual(['moved-while-locked 20.1 rule']);
  // A contact that chatters is one opening; the same after half a minute of quiet is another.
  expect(played(120, (second) => ({ enclosureClosed: !(second >= 20 && second < 25 && second % 1 < 0.5) }))).toEqual(['enclosure-opened 20 rule']);
  expect(played(120, (second) => ({ enclosureClosed: !(second === 20 || second === 70) }))).toEqual(['enclosure-opened 20 rule', 'enclosure-opened 70 rule']);
  // Turning by hand for a moment is no journey.
  expect(played(60, (second) => ({ wheelSpeedMetresPerSecond: second === 20 ? 1 : 0 }))).toEqual([]);
  for (let index = 0; index < 10; index++) expect(tamperVerdictsOf(fallenScene(randomFor(index, 'fallen')), undefined).map(({ kind }) => kind)).toEqual(['tilted']);
});

test('DETECTION-18: an unlocked vehicle tells nothing, and one just locked nothing of its motion', () => {
  const broken = () => ({ batteryPresent: false, enclosureClosed: false, wheelSpeedMetresPerSecond: 5 });
  expect(played(60, broken, () => false)).toEqual([]);
  expect(played(9, () => ({ wheelSpeedMetresPerSecond: 5 }))).toEqual([]);
  // What was told under one lock is told anew under the next.
  expect(played(40, (second) => ({ enclosureClosed: Math.floor(second) % 20 !== 15 }), (second) => Math.floor(second) !== 18)).toEqual(['enclosure-opened 15 rule', 'enclosure-opened 35 rule']);
});

test('DETECTION-19: a still vehicle is never unusual, whatever the model says of stillness', () => {
  const random = randomFor(4, 'still');
  const detector = tamperDetector({ model: { ...model, unusualFrom: 0 } });
  for (let index = 0; index < 60_000; index++) {
    const noisy = [0, 0, 0].map(() => normal(random) * 0.01) as [number, number, number];
    expect(detector.push({ timeMs: index * 10, accelerationG: [noisy[0], noisy[1], 1 + noisy[2]], rotationDegreesPerSecond: noisy }, parkedBody, true)).toBeUndefined();
  }
});

test('DETECTION-08: motion that is late or no number changes nothing', () => {
  const trace = parkedScene(randomFor(1, 'x'), 'neighbour');
  const scores: number[] = [];
  tamperVerdictsOf(trace, model, (score) => scores.push(score));
  const again: number[] = [];
  const detector = tamperDetector({ model, onScore: (score) => again.push(score) });
  for (let index = 0; index < trace.wheel.length; index++) {
    const [x = 0, y = 0, z = 0, rx = 0, ry = 0, rz = 0] = trace.motion.subarray(index * 6, index * 6 + 6);
    const good: MotionSample = { timeMs: index * 10, accelerationG: [x, y, z], rotationDegreesPerSecond: [rx, ry, rz] };
    for (const one of [good, good, { ...good, timeMs: good.timeMs - 30 }, { ...good, timeMs: good.timeMs + 1, accelerationG: [0, Number.NaN, 0] as const }]) detector.push(one, parkedBody, true);
  }
  expect(again).toEqual(scores);
  expect(scores.length).toBeGreaterThan(20);
});

test('DETECTION-20: the forest scores as the paper says', () => {
  // c(n) by its definition; 10.24 is the paper's figure for 256 values.
  expect([0, 1, 2, 3].map(averagePathLength)).toEqual([0, 0, 1, 5 / 3]);
  expect(averagePathLength(256)).toBeCloseTo(10.24, 1);
  expect(averagePathLength(1001) - averagePathLength(1000)).toBeCloseTo(2 / 1001, 3);
  const random = randomFor(2, 'cloud');
  const cloud = Array.from({ length: 2000 }, () => [normal(random), normal(random), 5]);
  const forest = growForest(randomFor(3, 'forest'), cloud, 100, 256);
  const score = (...values: number[]) => anomalyScore(forest, values);
  const all = cloud.map((row) => anomalyScore(forest, row)).toSorted((a, b) => a - b);
  expect(all[1000]).toBeGreaterThan(0.38);
  expect(all[1000]).toBeLessThan(0.5);
  expect(score(0, 0, 5)).toBeLessThan(score(2, 0, 5));
  expect(score(2, 0, 5)).toBeLessThan(score(4, 4, 5));
  expect(score(6, 6, 5)).toBeGreaterThan(0.7);
  // What never differs is never cut; no tree is deeper than ⌈log2 256⌉.
  expect(forest.cutFeatures.some((feature) => feature === 2)).toBe(false);
  const depth = (node: number): number => ((forest.cutFeatures[node] ?? -1) < 0 ? 0 : 1 + Math.max(depth(node + 1), depth(forest.rightChildren[node] ?? 0)));
  expect(Math.max(...Array.from(forest.roots, depth))).toBe(8);
  // Values that are all alike: nothing to cut, the expected path, a score of one half.
  expect(anomalyScore(growForest(random, Array.from({ length: 300 }, () => [1, 1]), 10, 256), [1, 1])).toBeCloseTo(0.5, 6);
});

test('DETECTION-01: a forest is read back as it was, and one whose nodes are no trees is refused', () => {
  const random = randomFor(6, 'file');
  const forest = growForest(random, Array.from({ length: 500 }, () => [normal(random), random()]), 20, 128);
  const fileOf = (changed: typeof forest): Buffer => {
    const writer = new PayloadWriter();
    writeForest(writer, changed);
    return writer.file('tamper');
  };
  const read = readForest(openModelFile(fileOf(forest), 'tamper'));
  expect(read).toEqual(forest);
  expect(() => readForest(openModelFile(fileOf({ ...forest, cutFeatures: forest.cutFeatures.slice(0, -1), cutValues: forest.cutValues.slice(0, -1) }), 'tamper'))).toThrow('no whole trees');
  expect(() => readForest(openModelFile(fileOf({ ...forest, features: 1 }), 'tamper'))).toThrow(ModelFileError);
  expect(() => loadTamperModel(new PayloadWriter().text('1').number(0.5).file('tamper'))).toThrow(ModelFileError);
});

test('DETECTION-21: the committed model keeps what its card says, on attacks and days that nobody has seen', () => {
  const card = /Small set: (\d+) of (\d+) attacks found, (\d+) false alarms/.exec(readFileSync(new URL('../models/tamper.card.md', import.meta.url), 'utf8'))?.slice(1).map(Number) ?? [];
  const attacks = judgeAttacks(77, 6, model);
  expect(attacks.reduce((sum, row) => sum + row.of, 0)).toBe(card[1]);
  expect(Math.abs(attacks.reduce((sum, row) => sum + row.hits, 0) - (card[0] ?? 0))).toBeLessThanOrEqual(1);
  expect(attacks.reduce((sum, row) => sum + row.byModel, 0)).toBeGreaterThan(30);
  expect(Math.abs(judgeDays(77, 0.25, model).falseAlarms - (card[2] ?? 0))).toBeLessThanOrEqual(1);
});

test('DETECTION-22: a verdict takes far less than 200 ms from its sample', () => {
  const detector = tamperDetector({ model });
  const times: number[] = [];
  for (let index = 0; index < 5000; index++) {
    const before = performance.now();
    detector.push(still(index * 10), parkedBody, true);
    times.push(performance.now() - before);
  }
  expect(times.toSorted((a, b) => a - b)[Math.floor(times.length * 0.99)]).toBeLessThan(200);
});
