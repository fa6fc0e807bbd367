/**
 * A causal, dilated 1-D convolutional network that moves on by one sample at a time. Each layer keeps the columns that its
 * kernel still needs in a ring, so a sample costs one column of every layer and nothing is worked out twice or allocated.
 * Weights and activations are INT8 (the input INT16), sums INT32, with a scale for each output channel.
 */
import { ModelFileError, type PayloadReader, type PayloadWriter } from './model-file.ts';

export interface QuantisedLayer {
  inputs: number;
  outputs: number;
  kernel: number;
  /** Samples between two taps of the kernel. */
  dilation: number;
  /** [output][tap, oldest first][input] */
  weights: Int8Array;
  /** In units of the sum. */
  bias: Int32Array;
  /** Sum → next activation (0 to 127), or → the logit in the last layer. */
  multipliers: Float32Array;
}

export interface QuantisedNetwork {
  /** What one step of each INT16 input stands for. */
  inputScales: Float32Array;
  layers: readonly QuantisedLayer[];
}

/** How many samples the newest output has seen. */
export const receptiveFieldOf = (layers: readonly Pick<QuantisedLayer, 'kernel' | 'dilation'>[]): number => layers.reduce((samples, { kernel, dilation }) => samples + (kernel - 1) * dilation, 1);

const maximumChannels = 256;

/** @throws ModelFileError */
export function readNetwork(reader: PayloadReader): QuantisedNetwork {
  const inputCount = reader.integer('the number of inputs', 1, maximumChannels);
  const inputScales = reader.numbers('a scale of the input', inputCount);
  const layers: QuantisedLayer[] = [];
  let inputs = inputCount;
  for (let left = reader.integer('the number of layers', 1, 16); left > 0; left--) {
    const outputs = reader.integer('the outputs of a layer', 1, maximumChannels);
    const kernel = reader.integer('the kernel of a layer', 1, 16);
    const dilation = reader.integer('the dilation of a layer', 1, 256);
    layers.push({ inputs, outputs, kernel, dilation, weights: reader.int8s(outputs * kernel * inputs), bias: reader.int32s(outputs), multipliers: reader.numbers('a multiplier', outputs) });
    inputs = outputs;
  }
  if (inputs !== 1) throw new ModelFileError(`the network has ${inputs} outputs; it must have one`);
  return { inputScales, layers };
}

export function writeNetwork(writer: PayloadWriter, { inputScales, layers }: QuantisedNetwork): void {
  writer.integer(inputScales.length).numbers(inputScales).integer(layers.length);
  for (const { outputs, kernel, dilation, weights, bias, multipliers } of layers) writer.integer(outputs).integer(kernel).integer(dilation).int8s(weights).int32s(bias).numbers(multipliers);
}

/** One layer at work: its ring, and the taps in one row so that the sums run over memory in order. */
class StreamingLayer {
  readonly #layer: QuantisedLayer;
  readonly #ring: Int16Array;
  readonly #columns: number;
  readonly #taps: Int32Array;
  readonly #sums: Int32Array;
  readonly output: Int32Array;
  #newest = -1;

  constructor(layer: QuantisedLayer) {
    this.#layer = layer;
    this.#columns = (layer.kernel - 1) * layer.dilation + 1;
    this.#ring = new Int16Array(this.#columns * layer.inputs);
    this.#taps = new Int32Array(layer.kernel * layer.inputs);
    this.#sums = new Int32Array(layer.outputs);
    this.output = new Int32Array(layer.outputs);
  }

  /** Takes a column of inputs in. */
  take(column: Int32Array): void {
    const { inputs, kernel, dilation } = this.#layer;
    this.#newest = this.#newest + 1 === this.#columns ? 0 : this.#newest + 1;
    this.#ring.set(column, this.#newest * inputs);
    // The column after the newest is the oldest, which is the first tap.
    let from = this.#newest + 1 === this.#columns ? 0 : this.#newest + 1;
    for (let tap = 0, to = 0; tap < kernel; tap++) {
      for (let input = 0, at = from * inputs; input < inputs; input++) this.#taps[to++] = this.#ring[at++] as number;
      from += dilation;
      if (from >= this.#columns) from -= this.#columns;
    }
  }

  /** Four rows of weights at once, so that each tap is read once for all of them. */
  #sumFour(output: number): void {
    const { weights, bias } = this.#layer;
    const [taps, sums, length] = [this.#taps, this.#sums, this.#taps.length];
    let [first, second, third, fourth] = [bias[output] as number, bias[output + 1] as number, bias[output + 2] as number, bias[output + 3] as number];
    for (let index = 0, at = output * length; index < length; index++, at++) {
      const tap = taps[index] as number;
      first = (first + Math.imul(weights[at] as number, tap)) | 0;
      second = (second + Math.imul(weights[at + length] as number, tap)) | 0;
      third = (third + Math.imul(weights[at + 2 * length] as number, tap)) | 0;
      fourth = (fourth + Math.imul(weights[at + 3 * length] as number, tap)) | 0;
    }
    sums[output] = first;
    sums[output + 1] = second;
    sums[output + 2] = third;
    sums[output + 3] = fourth;
  }

  #sumAll(): Int32Array {
    const { weights, bias, outputs } = this.#layer;
    const [taps, sums, length] = [this.#taps, this.#sums, this.#taps.length];
    let output = 0;
    for (; output + 4 <= outputs; output += 4) this.#sumFour(output);
    for (; output < outputs; output++) {
      let sum = bias[output] as number;
      for (let index = 0, at = output * length; index < length; index++, at++) sum = (sum + Math.imul(weights[at] as number, taps[index] as number)) | 0;
      sums[output] = sum;
    }
    return sums;
  }

  /** The next column, as activations from 0 to 127. */
  activate(): Int32Array {
    const { outputs, multipliers } = this.#layer;
    const sums = this.#sumAll();
    for (let output = 0; output < outputs; output++) {
      const value = Math.round((sums[output] as number) * (multipliers[output] as number));
      this.output[output] = value < 0 ? 0 : value > 127 ? 127 : value;
    }
    return this.output;
  }

  /** The one output of the last layer. */
  logit(): number {
    return (this.#sumAll()[0] as number) * (this.#layer.multipliers[0] as number);
  }
}

export class StreamingNetwork {
  readonly #scales: Float32Array;
  readonly #layers: readonly StreamingLayer[];
  readonly #input: Int32Array;

  constructor({ inputScales, layers }: QuantisedNetwork) {
    this.#scales = inputScales;
    this.#layers = layers.map((layer) => new StreamingLayer(layer));
    this.#input = new Int32Array(inputScales.length);
  }

  /** @param values one for each input, in their units. @returns the logit after this sample */
  push(values: ArrayLike<number>): number {
    for (let index = 0; index < this.#input.length; index++) {
      const steps = Math.round((values[index] as number) / (this.#scales[index] as number));
      this.#input[index] = steps > 32_767 ? 32_767 : steps < -32_767 ? -32_767 : steps;
    }
    let column = this.#input;
    const last = this.#layers.length - 1;
    for (let index = 0; index < last; index++) {
      const layer = this.#layers[index] as StreamingLayer;
      layer.take(column);
      column = layer.activate();
    }
    const head = this.#layers[last] as StreamingLayer;
    head.take(column);
    return head.logit();
  }
}
