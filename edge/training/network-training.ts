/**
 * Training of the causal, dilated network that edge/detection/network.ts runs: forward and backward over whole sections,
 * Adam, and the step from floats to INT8. Small enough to write out; a framework takes longer to load than this to learn.
 */
import type { QuantisedLayer, QuantisedNetwork } from '../detection/network.ts';
import { normal, type Random } from './randomness.ts';

export interface FloatLayer {
  inputs: number;
  outputs: number;
  kernel: number;
  dilation: number;
  /** [output][tap, oldest first][input] */
  weights: Float32Array;
  bias: Float32Array;
}

export interface LayerShape {
  outputs: number;
  kernel: number;
  dilation: number;
}

/** What full scale of a sensor stands for at the input of the network. */
export interface InputShape {
  /** Divides the sensor's value. */
  normalisation: readonly number[];
  /** The sensor's range, which is the INT16's. */
  range: readonly number[];
}

export function drawLayers(random: Random, inputCount: number, shapes: readonly LayerShape[]): FloatLayer[] {
  let inputs = inputCount;
  return shapes.map((shape, index) => {
    const fan = shape.kernel * inputs;
    const strength = Math.sqrt((index + 1 < shapes.length ? 2 : 1) / fan);
    const layer = { ...shape, inputs, weights: Float32Array.from({ length: shape.outputs * fan }, () => normal(random) * strength), bias: new Float32Array(shape.outputs) };
    inputs = shape.outputs;
    return layer;
  });
}

/** The taps of every time of a section in one row each: [time][tap][input]. */
function tapsOf({ inputs, kernel, dilation }: FloatLayer, input: Float32Array, times: number, into: Float32Array): void {
  const width = kernel * inputs;
  for (let time = 0; time < times; time++) {
    for (let tap = 0; tap < kernel; tap++) {
      const from = (time - (kernel - 1 - tap) * dilation) * inputs;
      const to = time * width + tap * inputs;
      if (from < 0) into.fill(0, to, to + inputs);
      else for (let channel = 0; channel < inputs; channel++) into[to + channel] = input[from + channel] as number;
    }
  }
}

interface Work {
  taps: Float32Array;
  output: Float32Array;
  /** Of the loss by the output. */
  slope: Float32Array;
  weightSlopes: Float32Array;
  biasSlopes: Float32Array;
  moments: readonly [Float32Array, Float32Array, Float32Array, Float32Array];
}

/** A network in training, for sections of one length. */
export class TrainedNetwork {
  readonly layers: readonly FloatLayer[];
  readonly #times: number;
  readonly #work: readonly Work[];
  #step = 0;

  constructor(layers: readonly FloatLayer[], times: number) {
    this.layers = layers;
    this.#times = times;
    this.#work = layers.map(({ inputs, outputs, kernel, weights }) => ({
      taps: new Float32Array(times * kernel * inputs), output: new Float32Array(times * outputs), slope: new Float32Array(times * outputs),
      weightSlopes: new Float32Array(weights.length), biasSlopes: new Float32Array(outputs),
      moments: [new Float32Array(weights.length), new Float32Array(weights.length), new Float32Array(outputs), new Float32Array(outputs)],
    }));
  }

  /** @param section [time][input], normalised. @returns the logit of every time; the next call overwrites it */
  forward(section: Float32Array): Float32Array {
    let input = section;
    for (const [index, layer] of this.layers.entries()) {
      const { taps, output } = this.#work[index] as Work;
      const width = layer.kernel * layer.inputs;
      const isLast = index === this.layers.length - 1;
      tapsOf(layer, input, this.#times, taps);
      for (let time = 0; time < this.#times; time++) {
        for (let channel = 0; channel < layer.outputs; channel++) {
          let sum = layer.bias[channel] as number;
          for (let at = time * width, weight = channel * width, end = at + width; at < end; at++, weight++) sum += (taps[at] as number) * (layer.weights[weight] as number);
          output[time * layer.outputs + channel] = isLast || sum > 0 ? sum : 0;
        }
      }
      input = output;
    }
    return input;
  }

  /** Highest activation of each layer in the last section. */
  peaks(): number[] {
    return this.#work.map(({ output }) => output.reduce((highest, value) => Math.max(highest, value), 0));
  }

  /**
   * Adds the slopes of one section, after `forward`.
   * @param targets of every time: 1, 0, or -1 where it does not count
   * @returns the mean cross-entropy
   */
  backward(targets: Int8Array): number {
    const last = this.#work.length - 1;
    const { output, slope } = this.#work[last] as Work;
    const counting = targets.reduce((count, target) => count + (target >= 0 ? 1 : 0), 0) || 1;
    let loss = 0;
    for (let time = 0; time < this.#times; time++) {
      const target = targets[time] as number;
      const logit = output[time] as number;
      slope[time] = target < 0 ? 0 : (1 / (1 + Math.exp(-logit)) - target) / counting;
      if (target >= 0) loss += Math.log1p(Math.exp(-Math.abs(logit))) + (target ? Math.max(0, -logit) : Math.max(0, logit));
    }
    for (let index = last; index >= 0; index--) this.#backwardLayer(index);
    return loss / counting;
  }

  #backwardLayer(index: number): void {
    const layer = this.layers[index] as FloatLayer;
    const { taps, slope, weightSlopes, biasSlopes } = this.#work[index] as Work;
    const below = this.#work[index - 1];
    const width = layer.kernel * layer.inputs;
    const row = new Float32Array(width);
    below?.slope.fill(0);
    for (let time = 0; time < this.#times; time++) {
      row.fill(0);
      let any = false;
      for (let channel = 0; channel < layer.outputs; channel++) {
        const value = slope[time * layer.outputs + channel] as number;
        if (value === 0) continue;
        any = true;
        biasSlopes[channel] = (biasSlopes[channel] as number) + value;
        for (let tap = 0, at = time * width, weight = channel * width; tap < width; tap++, at++, weight++) {
          weightSlopes[weight] = (weightSlopes[weight] as number) + value * (taps[at] as number);
          row[tap] = (row[tap] as number) + value * (layer.weights[weight] as number);
        }
      }
      if (any && below) this.#handDown(layer, below, time, row);
    }
  }

  #handDown({ inputs, kernel, dilation }: FloatLayer, below: Work, time: number, row: Float32Array): void {
    for (let tap = 0; tap < kernel; tap++) {
      const from = (time - (kernel - 1 - tap) * dilation) * inputs;
      if (from < 0) continue;
      for (let channel = 0; channel < inputs; channel++) {
        // A rectifier that is shut hands nothing down.
        if ((below.output[from + channel] as number) > 0) below.slope[from + channel] = (below.slope[from + channel] as number) + (row[tap * inputs + channel] as number);
      }
    }
  }

  /** One step of Adam with what `backward` has collected from this many sections. */
  step(sections: number, rate: number): void {
    this.#step++;
    for (const [index, { weights, bias }] of this.layers.entries()) {
      const { weightSlopes, biasSlopes, moments } = this.#work[index] as Work;
      this.#adam(weights, weightSlopes, moments[0], moments[1], sections, rate, 1e-4);
      this.#adam(bias, biasSlopes, moments[2], moments[3], sections, rate, 0);
    }
  }

  #adam(values: Float32Array, slopes: Float32Array, first: Float32Array, second: Float32Array, sections: number, rate: number, decay: number): void {
    const [firstCorrection, secondCorrection] = [1 - 0.9 ** this.#step, 1 - 0.999 ** this.#step];
    for (let index = 0; index < values.length; index++) {
      const slope = (slopes[index] as number) / sections;
      const mean = (first[index] = 0.9 * (first[index] as number) + 0.1 * slope);
      const square = (second[index] = 0.999 * (second[index] as number) + 0.001 * slope * slope);
      values[index] = (values[index] as number) * (1 - rate * decay) - (rate * (mean / firstCorrection)) / (Math.sqrt(square / secondCorrection) + 1e-8);
    }
    slopes.fill(0);
  }

  /** Slopes as collected so far; for a test against differences. */
  slopesOf(layer: number): { weights: Float32Array; bias: Float32Array } {
    const { weightSlopes, biasSlopes } = this.#work[layer] as Work;
    return { weights: weightSlopes, bias: biasSlopes };
  }
}

/**
 * Weights as INT8 with a scale for each output channel, activations as 0 to 127 of the highest that calibration saw.
 * @param peaks highest activation of each layer
 */
export function quantised(layers: readonly FloatLayer[], peaks: readonly number[], { normalisation, range }: InputShape): QuantisedNetwork {
  const inputScales = Float32Array.from(range, (full) => full / 32_767);
  // What one step of each input of a layer is worth to the floats.
  let steps = normalisation.map((divisor, input) => (inputScales[input] as number) / divisor);
  return {
    inputScales,
    layers: layers.map((layer, index): QuantisedLayer => {
      const { inputs, outputs, kernel, dilation } = layer;
      const width = kernel * inputs;
      const [weights, bias, multipliers] = [new Int8Array(layer.weights.length), new Int32Array(outputs), new Float32Array(outputs)];
      const step = index === layers.length - 1 ? 1 : (peaks[index] as number) / 127;
      for (let output = 0; output < outputs; output++) {
        const row = Array.from(layer.weights.subarray(output * width, (output + 1) * width), (weight, at) => weight * (steps[at % inputs] as number));
        const scale = Math.max(...row.map(Math.abs), 1e-12) / 127;
        weights.set(row.map((weight) => Math.round(weight / scale)), output * width);
        bias[output] = Math.round((layer.bias[output] as number) / scale);
        multipliers[output] = scale / step;
      }
      steps = Array.from({ length: outputs }, () => step);
      return { inputs, outputs, kernel, dilation, weights, bias, multipliers };
    }),
  };
}
