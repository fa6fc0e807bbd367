/** From sections to a model of the agent: training, a look for false alarms in training rides, thresholds from validation rides. */
import type { CollisionModel } from '../detection/collision.ts';
import { receptiveFieldOf } from '../detection/network.ts';
import { crashScenes, verdictsOf } from './collision-evaluation.ts';
import { samplesPerSecond } from './motion.ts';
import { drawLayers, type InputShape, type LayerShape, quantised, TrainedNetwork } from './network-training.ts';
import { type Random, randomFor, shuffled } from './randomness.ts';
import type { Ride, Split } from './recordings.ts';
import { crashSection, everydaySection, type Section, wholeRide } from './scenes.ts';

export const shapes: readonly LayerShape[] = [
  { outputs: 12, kernel: 5, dilation: 1 }, { outputs: 16, kernel: 5, dilation: 3 }, { outputs: 16, kernel: 5, dilation: 9 }, { outputs: 24, kernel: 5, dilation: 18 }, { outputs: 1, kernel: 1, dilation: 1 },
];
export const receptiveField = receptiveFieldOf(shapes);
export const inputShape: InputShape = { normalisation: [3, 3, 3, 200, 200, 200], range: [16, 16, 16, 2000, 2000, 2000] };
const times = 300;
export const modelVersion = '1.0.0';

export interface TrainingSize {
  crashes: number;
  everyday: number;
  epochs: number;
  /** How often each validation ride is ridden to find the thresholds. */
  thresholdRides: number;
  /** Of each type and severity, to tell how it goes. */
  validationCrashes: number;
}
export const fullSize: TrainingSize = { crashes: 1800, everyday: 2200, epochs: 16, thresholdRides: 6, validationCrashes: 10 };

function normalised({ motion, targets }: Section): Section {
  return { motion: motion.map((value, at) => value / (inputShape.normalisation[at % 6] as number)), targets };
}

function epoch(network: TrainedNetwork, sections: readonly Section[], random: Random, rate: number): number {
  const [batch, order] = [16, shuffled(random, sections)];
  let loss = 0;
  for (let from = 0; from < order.length; from += batch) {
    const part = order.slice(from, from + batch);
    for (const { motion, targets } of part) {
      network.forward(motion);
      loss += network.backward(targets);
    }
    network.step(part.length, rate);
  }
  return loss / order.length;
}

function toModel(network: TrainedNetwork, sections: readonly Section[]): CollisionModel {
  const highest = network.layers.map(() => [] as number[]);
  for (const { motion } of sections.filter((_, index) => index % 4 === 0)) {
    network.forward(motion);
    for (const [layer, peak] of network.peaks().entries()) highest[layer]?.push(peak);
  }
  // The highest of all is an accident; what lies above 99.5% of the peaks is cut.
  const peaks = highest.map((values) => values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.995)] ?? 1);
  return { version: modelVersion, network: quantised(network.layers, peaks, inputShape), sureFrom: 0.5, unsureFrom: 0.5 };
}

/** Sections around moments of training rides that the network takes for crashes. */
function mistakes(seed: number, rides: readonly Ride[], model: CollisionModel): Section[] {
  return rides.flatMap((ride) => {
    const trace = wholeRide(randomFor(seed, `mistakes ${ride.id}`), ride);
    const found: Section[] = [];
    let [sample, next] = [0, times];
    verdictsOf(trace, model, (probability) => {
      if (probability > 0.2 && sample >= next && sample + 60 < trace.wheel.length) {
        const targets = new Int8Array(times).fill(0).fill(-1, 0, receptiveField);
        found.push({ motion: trace.motion.slice((sample + 60 - times) * 6, (sample + 60) * 6), targets });
        next = sample + samplesPerSecond;
      }
      sample++;
    });
    return found;
  });
}

/** The highest probability in each section of a second, of everyday riding and of crashes: what thresholds are chosen from. */
function chooseThresholds(seed: number, rides: readonly Ride[], model: CollisionModel, repetitions: number): CollisionModel {
  const everyday: number[] = [];
  for (let repetition = 0; repetition < repetitions; repetition++) {
    for (const ride of rides) {
      const last = [0, 0];
      let [sample, peak] = [0, 0];
      verdictsOf(wholeRide(randomFor(seed, `threshold ${ride.id} ${repetition}`), ride), model, (probability) => {
        last[sample % 2] = probability;
        peak = Math.max(peak, Math.min(last[0] ?? 0, last[1] ?? 0));
        if (++sample % 500 === 0) {
          everyday.push(peak);
          peak = 0;
        }
      });
    }
  }
  const falling = everyday.toSorted((a, b) => b - a);
  // Nothing in these hours of validation rides is above it, with a margin towards 1.
  const highest = falling[0] ?? 0.5;
  const sureFrom = Math.max(0.6, Math.min(0.995, highest + (1 - highest) * 0.2));
  // The rule may speak in one window of five seconds in five hundred.
  const unsureFrom = Math.min(sureFrom * 0.8, Math.max(0.02, falling[Math.floor(falling.length / 500)] ?? 0.1));
  return { ...model, sureFrom, unsureFrom };
}

/** @param tell hears how far it is */
export function trainCollision(seed: number, { training, validation }: Split, size: TrainingSize, tell: (figures: object) => void): { model: CollisionModel; network: TrainedNetwork } {
  const random = randomFor(seed, 'collision training');
  const sections = [
    ...Array.from({ length: size.crashes }, (_, index) => crashSection(randomFor(seed, `crash ${index}`), training, times, receptiveField)),
    ...Array.from({ length: size.everyday }, (_, index) => everydaySection(randomFor(seed, `everyday ${index}`), training, times, receptiveField)),
  ].map(normalised);
  const network = new TrainedNetwork(drawLayers(random, 6, shapes), times);
  tell({ sections: sections.length, receptiveField, parameters: network.layers.reduce((sum, { weights, bias }) => sum + weights.length + bias.length, 0) });
  for (let done = 0; done < size.epochs; done++) {
    const rate = 0.0015 + 0.0015 * Math.cos((Math.PI * done) / size.epochs);
    tell({ epoch: done + 1, loss: Number(epoch(network, sections, random, rate).toFixed(4)) });
    if (done === Math.floor(size.epochs / 2) || done === Math.floor(size.epochs * 0.75)) {
      const found = mistakes(seed + done, training, toModel(network, sections)).map(normalised);
      // Seen twice as often as the rest: they are few and near the border.
      sections.push(...found, ...found);
      tell({ mistakesAdded: found.length });
    }
  }
  const model = chooseThresholds(seed, validation, toModel(network, sections), size.thresholdRides);
  const scenes = crashScenes(seed + 1, validation, size.validationCrashes);
  tell({ sureFrom: model.sureFrom, unsureFrom: model.unsureFrom, validationCrashesFound: scenes.filter(({ trace }) => verdictsOf(trace, model).length > 0).length, of: scenes.length });
  return { model, network };
}
