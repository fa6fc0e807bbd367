/** The collision network in float32, as one would write it down: the yardstick of the INT8 one. */
import type { QuantisedLayer, QuantisedNetwork } from '../../edge/detection/network.ts';

interface FloatLayer extends Omit<QuantisedLayer, 'weights' | 'bias' | 'multipliers'> {
  weights: Float32Array;
  bias: Float32Array;
}

/** The same weights, scaled back. */
export function floatLayers({ inputScales, layers }: QuantisedNetwork): FloatLayer[] {
  return layers.map(({ weights, bias, multipliers, ...layer }, index) => {
    const width = layer.kernel * layer.inputs;
    const stepOf = (input: number): number => (index === 0 ? (inputScales[input] ?? 1) : 1);
    return {
      ...layer,
      weights: Float32Array.from(weights, (weight, at) => (weight * (multipliers[Math.floor(at / width)] ?? 0)) / stepOf(at % layer.inputs)),
      bias: Float32Array.from(bias, (value, output) => value * (multipliers[output] ?? 0)),
    };
  });
}

/** Each sample works out its whole window, layer by layer, as a network without memory does. @param window [time][input] */
export function wholeWindowLogit(layers: readonly FloatLayer[], window: Float32Array): number {
  let columns = window;
  let times = window.length / (layers[0]?.inputs ?? 1);
  for (const [index, { inputs, outputs, kernel, dilation, weights, bias }] of layers.entries()) {
    const left = times - (kernel - 1) * dilation;
    const next = new Float32Array(left * outputs);
    for (let time = 0; time < left; time++) {
      for (let output = 0; output < outputs; output++) {
        let sum = bias[output] as number;
        for (let tap = 0; tap < kernel; tap++) for (let input = 0; input < inputs; input++) sum += (weights[(output * kernel + tap) * inputs + input] as number) * (columns[(time + tap * dilation) * inputs + input] as number);
        next[time * outputs + output] = index === layers.length - 1 ? sum : Math.max(0, sum);
      }
    }
    [columns, times] = [next, left];
  }
  return columns[columns.length - 1] ?? Number.NaN;
}

/** One column of each layer a sample, as the INT8 one does it, with floats. */
export class StreamingFloats {
  readonly #layers: readonly FloatLayer[];
  readonly #rings: Float32Array[];
  readonly #newest: number[];

  constructor(layers: readonly FloatLayer[]) {
    this.#layers = layers;
    this.#rings = layers.map(({ inputs, kernel, dilation }) => new Float32Array(((kernel - 1) * dilation + 1) * inputs));
    this.#newest = layers.map(() => -1);
  }

  push(sample: Float32Array): number {
    let column = sample;
    for (const [index, { inputs, outputs, kernel, dilation, weights, bias }] of this.#layers.entries()) {
      const ring = this.#rings[index] as Float32Array;
      const columns = ring.length / inputs;
      const newest = (this.#newest[index] = ((this.#newest[index] as number) + 1) % columns);
      ring.set(column, newest * inputs);
      const next = new Float32Array(outputs);
      for (let output = 0; output < outputs; output++) {
        let sum = bias[output] as number;
        for (let tap = 0; tap < kernel; tap++) {
          const from = ((newest + 1 + tap * dilation) % columns) * inputs;
          for (let input = 0; input < inputs; input++) sum += (weights[(output * kernel + tap) * inputs + input] as number) * (ring[from + input] as number);
        }
        next[output] = index === this.#layers.length - 1 ? sum : Math.max(0, sum);
      }
      column = next;
    }
    return column[0] ?? Number.NaN;
  }
}
