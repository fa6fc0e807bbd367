/**
 * Isolation forest (Liu, Ting, Zhou 2008). What differs from the rest is cut off from it by few random cuts; the score is
 * 2^(-mean path length / c(n)), where c(n) is the mean path length of an unsuccessful search in a binary tree of n values.
 */
import { ModelFileError, type PayloadReader, type PayloadWriter } from './model-file.ts';

export interface IsolationForest {
  features: number;
  /** Values that each tree was grown from. */
  sampleSize: number;
  /** Where each tree begins. */
  roots: Int32Array;
  /** The feature that a node cuts, or -1 in a leaf. */
  cutFeatures: Int32Array;
  /** Values below go left. In a leaf: the path length that is added for the values that were left there. */
  cutValues: Float32Array;
  /** The left child is the next node: trees lie in the order in which a walk from left to right meets their nodes. */
  rightChildren: Int32Array;
}

const eulerGamma = 0.5772156649015329;

/** c(n) of the paper. The harmonic numbers are exact for small n, where the paper's approximation is not. */
export function averagePathLength(count: number): number {
  if (count <= 1) return 0;
  let harmonic = 0;
  if (count <= 1000) for (let term = 1; term < count; term++) harmonic += 1 / term;
  else harmonic = Math.log(count - 1) + eulerGamma + 1 / (2 * (count - 1));
  return 2 * harmonic - (2 * (count - 1)) / count;
}

/** @param values one for each feature. @returns from 0 to 1: near 0.5 and below is ordinary, near 1 is isolated */
export function anomalyScore(forest: IsolationForest, values: ArrayLike<number>): number {
  const { roots, cutFeatures, cutValues, rightChildren } = forest;
  let total = 0;
  for (let tree = 0; tree < roots.length; tree++) {
    let node = roots[tree] as number;
    let depth = 0;
    for (let feature = cutFeatures[node] as number; feature >= 0; feature = cutFeatures[node] as number) {
      node = (values[feature] as number) < (cutValues[node] as number) ? node + 1 : (rightChildren[node] as number);
      depth++;
    }
    total += depth + (cutValues[node] as number);
  }
  return 2 ** (-total / roots.length / averagePathLengths.of(forest.sampleSize));
}

/** The same few sizes are asked for again and again. */
const averagePathLengths = {
  known: new Map<number, number>(),
  of(count: number): number {
    let length = this.known.get(count);
    if (length === undefined) this.known.set(count, (length = averagePathLength(count)));
    return length;
  },
};

/** @throws ModelFileError, also when the nodes are no whole trees */
export function readForest(reader: PayloadReader): IsolationForest {
  const features = reader.integer('the number of features', 1, 100);
  const sampleSize = reader.integer('the size of the sample', 2, 100_000);
  const trees = reader.integer('the number of trees', 1, 10_000);
  const nodes = reader.integer('the number of nodes', trees, 10_000_000);
  const cutFeatures = Int32Array.from(reader.int8s(nodes));
  const cutValues = reader.numbers('a cut', nodes);
  if (cutFeatures.some((feature) => feature < -1 || feature >= features)) throw new ModelFileError('the forest cuts a feature that there is not');
  return { features, sampleSize, cutFeatures, cutValues, ...joined(cutFeatures, trees) };
}

/** Which nodes belong together follows from their order alone. */
function joined(cutFeatures: Int32Array, trees: number): Pick<IsolationForest, 'roots' | 'rightChildren'> {
  const rightChildren = new Int32Array(cutFeatures.length).fill(-1);
  const roots: number[] = [];
  /** Cuts whose right side has not begun. */
  const open: number[] = [];
  let isRoot = true;
  for (const [node, feature] of cutFeatures.entries()) {
    if (isRoot) roots.push(node);
    isRoot = false;
    if (feature >= 0) {
      open.push(node);
      continue;
    }
    const parent = open.pop();
    if (parent === undefined) isRoot = true;
    else rightChildren[parent] = node + 1;
  }
  if (!isRoot || roots.length !== trees) throw new ModelFileError('the nodes of the forest are no whole trees');
  return { roots: Int32Array.from(roots), rightChildren };
}

export function writeForest(writer: PayloadWriter, { features, sampleSize, roots, cutFeatures, cutValues }: IsolationForest): void {
  writer.integer(features).integer(sampleSize).integer(roots.length).integer(cutFeatures.length).int8s(Int8Array.from(cutFeatures)).numbers(cutValues);
}
