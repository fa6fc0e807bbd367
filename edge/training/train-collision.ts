/**
 * Trains the collision model, writes `edge/models/collision.bin` and prints its figures on held-out rides as JSON lines:
 * `node edge/training/train-collision.ts --data DIRECTORY [--seed 1] [--evaluate]`, where the directory holds
 * `telemetry/ebike-escooter-dublin`. With `--evaluate` the committed model is judged and nothing is written.
 */
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { type CollisionModel, loadCollisionModel } from '../detection/collision.ts';
import { PayloadWriter } from '../detection/model-file.ts';
import { writeNetwork } from '../detection/network.ts';
import { crashScenes, deciders, interval, judgeCrashes, judgeRiding, percentileOf, total } from './collision-evaluation.ts';
import { fullSize, trainCollision } from './collision-training.ts';
import { crashTypes, severities } from './crashes.ts';
import { ordinaryMounting } from './motion.ts';
import { judgePeople } from './people.ts';
import { randomFor } from './randomness.ts';
import { durationSecondsOf, readRides, splitRides } from './recordings.ts';

const { values } = parseArgs({ options: { data: { type: 'string' }, seed: { type: 'string', default: '1' }, evaluate: { type: 'boolean', default: false } } });
if (!values.data) throw new Error('say where the recordings are: --data DIRECTORY');
const data = values.data;
const seed = Number(values.seed);
/** What decides which model comes out; its digest stands in the card. */
const trainingCode = ['randomness', 'recordings', 'road', 'motion', 'riding', 'crashes', 'scenes', 'network-training', 'collision-evaluation', 'collision-training'];
const modelPath = fileURLToPath(new URL('../models/collision.bin', import.meta.url));
const print = (figures: object): void => void process.stdout.write(`${JSON.stringify({ train: 'collision', ...figures })}\n`);
const digest = (parts: Iterable<string | Uint8Array>): string => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest('hex').slice(0, 16);
};

const folder = join(data, 'telemetry', 'ebike-escooter-dublin');
const rides = readRides(folder);
const split = splitRides(randomFor(seed, 'split'), rides);
const hoursOf = (part: typeof rides) => Number((part.reduce((sum, ride) => sum + durationSecondsOf(ride), 0) / 3600).toFixed(2));
print({ seed, rides: rides.length, ...Object.fromEntries(Object.entries(split).map(([part, own]: [string, typeof rides]) => [part, { rides: own.length, hours: hoursOf(own) }])) });
print({ codeDigest: digest(trainingCode.map((name) => readFileSync(new URL(`${name}.ts`, import.meta.url)))), dataDigest: digest(rides.map((ride) => JSON.stringify(ride))), heldOut: split.heldOut.map(({ id }) => id).join(' ') });

function train(): CollisionModel {
  const started = process.cpuUsage();
  const { model } = trainCollision(seed, split, fullSize, print);
  const writer = new PayloadWriter().text(model.version).number(model.sureFrom).number(model.unsureFrom);
  writeNetwork(writer, model.network);
  const file = writer.file('collision');
  writeFileSync(modelPath, file);
  print({ modelBytes: file.length, processorSeconds: Math.round(process.cpuUsage(started).user / 1e6) });
  return model;
}

if (!values.evaluate) train();
const model = loadCollisionModel(readFileSync(modelPath));

const evaluationSeed = seed + 1000;
const scenes = crashScenes(evaluationSeed, split.heldOut, 50);
const riding = judgeRiding(evaluationSeed, split.heldOut, 5, deciders, model);
const share = (hits: number, of: number) => ({ recall: Number((hits / of).toFixed(3)), interval: interval(hits, of).map((bound) => Number(bound.toFixed(3))), of });
for (const decider of deciders) {
  const { recalls, latenciesMs, early } = judgeCrashes(scenes, decider, model);
  const { hours, falseAlarms } = riding[decider];
  print({
    heldOut: decider, ...share(total(recalls).hits, total(recalls).of), falseAlarms, ridingHours: Number(hours.toFixed(1)), falseAlarmsPerHour: Number((falseAlarms / hours).toFixed(3)), verdictsBeforeTheCrash: early,
    latencyMs: { p50: percentileOf(latenciesMs, 0.5), p90: percentileOf(latenciesMs, 0.9), p99: percentileOf(latenciesMs, 0.99) },
  });
  for (const type of crashTypes) print({ heldOut: decider, type, ...share(total(recalls.filter((row) => row.type === type)).hits, total(recalls.filter((row) => row.type === type)).of), bySeverity: Object.fromEntries(severities.map((severity) => { const { hits, of } = total(recalls.filter((row) => row.type === type && row.severity === severity)); return [severity, Number((hits / of).toFixed(3))]; })) });
}
// Beyond what training has seen.
const beyond = {
  'blows half as long again, sensor 10 degrees askew, three times the noise': crashScenes(evaluationSeed + 1, split.heldOut, 20, { misalignmentDegrees: 10, noiseG: 0.03, noiseDegreesPerSecond: 1 }, { stretch: 1.5 }),
  'the motion of the ride fades instead of ending at once': crashScenes(evaluationSeed + 2, split.heldOut, 20, ordinaryMounting, { fadeSeconds: 0.15 }),
};
for (const [how, strange] of Object.entries(beyond)) {
  for (const decider of deciders) {
    const { hits, of } = total(judgeCrashes(strange, decider, model).recalls);
    print({ heldOut: decider, beyond: how, ...share(hits, of) });
  }
}
for (const figures of judgePeople(join(data, 'imu', 'fall-lsm6dso'), model)) print(figures);
