import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { floatLayers, StreamingFloats } from '../../bench/edge/float-network.ts';
import { crashScenes } from '../training/collision-evaluation.ts';
import { drawLayers, type FloatLayer, quantised, TrainedNetwork } from '../training/network-training.ts';
import { normal, randomFor } from '../training/randomness.ts';
import { madeUpRide } from '../training/recordings.ts';
import { collisionDetector, loadCollisionModel } from './collision.ts';
import { ModelFileError, PayloadWriter } from './model-file.ts';
import { type QuantisedNetwork, receptiveFieldOf, StreamingNetwork, writeNetwork } from './network.ts';
import { loadTamperModel } from './tamper.ts';

const shapes = [{ outputs: 5, kernel: 3, dilation: 1 }, { outputs: 4, kernel: 4, dilation: 3 }, { outputs: 1, kernel: 1, dilation: 1 }];
const inputShape = { normalisation: [1, 2, 4], range: [8, 16, 32] };
const committed = (name: string): Buffer => readFileSync(new URL(`../models/${name}.bin`, import.meta.url));

/** The same sums the slow way: every window from its beginning. */
function wholeWindow({ inputScales, layers }: QuantisedNetwork, samples: readonly number[][]): number {
  let columns = samples.map((sample) => sample.map((value, index) => Math.max(-32_767, Math.min(32_767, Math.round(value / (inputScales[index] ?? 1))))));
  let logit = 0;
  for (const [index, { inputs, outputs, kernel, dilation, weights, bias, multipliers }] of layers.entries()) {
    columns = columns.slice((kernel - 1) * dilation).map((_, time) => Array.from({ length: outputs }, (_unused, output) => {
      let sum = bias[output] ?? 0;
      for (let tap = 0; tap < kernel; tap++) for (let input = 0; input < inputs; input++) sum += (weights[(output * kernel + tap) * inputs + input] ?? 0) * (columns[time + tap * dilation]?.[input] ?? 0);
      if (index === layers.length - 1) logit = sum * (multipliers[output] ?? 0);
      return Math.max(0, Math.min(127, Math.round(sum * (multipliers[output] ?? 0))));
    }));
  }
  return logit;
}

function noise(seed: string, samples: number): number[][] {
  const random = randomFor(7, seed);
  return Array.from({ length: samples }, () => [normal(random), normal(random) * 3, normal(random) * 5]);
}

function trained(): { layers: FloatLayer[]; network: QuantisedNetwork; float: TrainedNetwork } {
  const layers = drawLayers(randomFor(3, 'layers'), 3, shapes);
  const float = new TrainedNetwork(layers, 60);
  float.forward(Float32Array.from(noise('calibration', 60).flatMap((sample) => sample.map((value, index) => value / (inputShape.normalisation[index] ?? 1)))));
  return { layers, float, network: quantised(layers, float.peaks(), inputShape) };
}

test('DETECTION-02: sample by sample the network says what the whole window says', () => {
  const { network } = trained();
  const field = receptiveFieldOf(network.layers);
  const samples = noise('samples', 200);
  const streaming = new StreamingNetwork(network);
  const said = samples.map((sample) => streaming.push(sample));
  for (let time = field - 1; time < samples.length; time++) expect(said[time]).toBe(wholeWindow(network, samples.slice(time + 1 - field, time + 1)));
  expect(new Set(said).size).toBeGreaterThan(100);
});

test('DETECTION-03: INT8 and float agree', () => {
  const { network, float } = trained();
  const field = receptiveFieldOf(network.layers);
  const samples = noise('calibration', 60);
  const logits = float.forward(Float32Array.from(samples.flatMap((sample) => sample.map((value, index) => value / (inputShape.normalisation[index] ?? 1)))));
  const streaming = new StreamingNetwork(network);
  const spread = Math.max(...logits) - Math.min(...logits);
  const differences = samples.map((sample, time) => Math.abs(streaming.push(sample) - (logits[time] ?? 0)));
  expect(Math.max(...differences.slice(field - 1))).toBeLessThan(0.05 * spread);
});

test('DETECTION-03: activations in INT8 change no probability of the committed model by much', () => {
  const { network } = loadCollisionModel(committed('collision'));
  const rides = [madeUpRide(randomFor(1, 'agree'), 'agree', 1)];
  const scenes = crashScenes(11, rides, 1);
  const differences = scenes.flatMap(({ trace }) => {
    const [streaming, floats] = [new StreamingNetwork(network), new StreamingFloats(floatLayers(network))];
    const probability = (logit: number): number => 1 / (1 + Math.exp(-logit));
    return Array.from(trace.wheel, (_, at) => trace.motion.subarray(at * 6, at * 6 + 6)).map((values) => Math.abs(probability(streaming.push(values)) - probability(floats.push(values)))).slice(125);
  }).toSorted((a, b) => a - b);
  expect(differences[Math.floor(differences.length * 0.99)]).toBeLessThan(0.15);
  expect(differences[Math.floor(differences.length * 0.9)]).toBeLessThan(0.01);
});

test('DETECTION-23: the slopes of training are those of differences', () => {
  const times = 24;
  const layers = drawLayers(randomFor(5, 'slopes'), 3, shapes);
  const network = new TrainedNetwork(layers, times);
  const section = Float32Array.from(noise('section', times).flat());
  const targets = Int8Array.from({ length: times }, (_, time) => (time < 8 ? -1 : time % 3 === 0 ? 1 : 0));
  network.forward(section);
  network.backward(targets);
  const slopes = layers.map((_, index) => network.slopesOf(index).weights.slice());
  const lossWith = (layer: FloatLayer, weight: number, by: number): number => {
    const before = layer.weights[weight] ?? 0;
    layer.weights[weight] = before + by;
    network.forward(section);
    const loss = network.backward(targets);
    layer.weights[weight] = before;
    return loss;
  };
  for (const [index, layer] of layers.entries()) {
    for (const weight of [0, 3, layer.weights.length - 1]) {
      const difference = (lossWith(layer, weight, 1e-2) - lossWith(layer, weight, -1e-2)) / 2e-2;
      expect(slopes[index]?.[weight]).toBeCloseTo(difference, 2);
    }
  }
});

test('DETECTION-01: a damaged, cut or foreign model file is refused with a sentence, and the rule goes on', () => {
  const file = committed('collision');
  for (let at = 0; at < file.length; at += Math.ceil(file.length / 97)) {
    const damaged = Buffer.from(file);
    damaged.writeUInt8(damaged.readUInt8(at) ^ 0x10, at);
    expect(() => loadCollisionModel(damaged)).toThrow(ModelFileError);
    expect(() => loadCollisionModel(file.subarray(0, at))).toThrow(ModelFileError);
  }
  expect(() => loadCollisionModel(Buffer.concat([file, Buffer.from([0])]))).toThrow(/announces/);
  expect(() => loadCollisionModel(committed('tamper'))).toThrow('not for collision');
  expect(() => loadTamperModel(file)).toThrow('not for tamper');
  expect(() => loadCollisionModel(Buffer.alloc(4 * 1024 * 1024))).toThrow('are the most');
  // Rightly signed off, but nonsense within.
  expect(() => loadCollisionModel(new PayloadWriter().text('1.0.0').number(0.5).number(Number.NaN).file('collision'))).toThrow('unsureFrom is no number');
  const writer = new PayloadWriter().text('1.0.0').number(0.5).number(0.2);
  const { network } = trained();
  writeNetwork(writer, { ...network, layers: network.layers.slice(0, 2) });
  expect(() => loadCollisionModel(writer.file('collision'))).toThrow('outputs; it must have one');
  // What an agent does then.
  const detector = collisionDetector({});
  const still = { rotationDegreesPerSecond: [0, 0, 0] as const };
  for (let time = 0; time < 300; time += 10) detector.push({ ...still, timeMs: time, accelerationG: [0, 0, 1] }, 5);
  detector.push({ ...still, timeMs: 300, accelerationG: [-6, 0, 1] }, 5);
  expect(detector.push({ ...still, timeMs: 310, accelerationG: [-6, 0, 1] }, 0)).toMatchObject({ decidedBy: 'rule', atMs: 300 });
});
