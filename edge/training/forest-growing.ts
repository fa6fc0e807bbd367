/** Grows an isolation forest as Liu, Ting and Zhou (2008) do: subsamples without replacement, cuts at random, height limit ⌈log2 ψ⌉. */
import { averagePathLength, type IsolationForest } from '../detection/isolation-forest.ts';
import type { Random } from './randomness.ts';

/** @param rows one for each observation. @param sampleSize ψ, 256 in the paper. @returns the forest; the same seed grows the same */
export function growForest(random: Random, rows: readonly ArrayLike<number>[], trees: number, sampleSize: number): IsolationForest {
  const features = rows[0]?.length ?? 0;
  const size = Math.min(sampleSize, rows.length);
  if (features === 0 || size < 2) throw new Error('a forest needs at least two rows with a feature');
  const limit = Math.ceil(Math.log2(size));
  const [roots, cutFeatures, cutValues, rightChildren]: [number[], number[], number[], number[]] = [[], [], [], []];
  const place = (): number => {
    cutValues.push(0);
    rightChildren.push(-1);
    return cutFeatures.push(-1) - 1;
  };
  const grow = (node: number, own: readonly ArrayLike<number>[], depth: number): void => {
    // Features that do not differ any more cannot be cut.
    const ranges = Array.from({ length: features }, (_, feature) => {
      const values = own.map((row) => row[feature] as number);
      return { feature, low: Math.min(...values), high: Math.max(...values) };
    }).filter(({ low, high }) => high > low);
    const cut = ranges[Math.floor(random() * ranges.length)];
    if (depth >= limit || own.length <= 1 || !cut) {
      cutValues[node] = averagePathLength(own.length);
      return;
    }
    // As the file keeps it, so that no row changes sides when it is read back.
    const value = Math.fround(cut.low + random() * (cut.high - cut.low));
    const left = own.filter((row) => (row[cut.feature] as number) < value);
    const right = own.filter((row) => !((row[cut.feature] as number) < value));
    cutFeatures[node] = cut.feature;
    cutValues[node] = value;
    grow(place(), left, depth + 1);
    rightChildren[node] = place();
    grow(rightChildren[node] ?? -1, right, depth + 1);
  };
  for (let tree = 0; tree < trees; tree++) {
    const root = place();
    roots.push(root);
    grow(root, sampleOf(random, rows, size), 0);
  }
  return { features, sampleSize: size, roots: Int32Array.from(roots), cutFeatures: Int32Array.from(cutFeatures), cutValues: Float32Array.from(cutValues), rightChildren: Int32Array.from(rightChildren) };
}

/** Without replacement: the first steps of Fisher and Yates. */
function sampleOf(random: Random, rows: readonly ArrayLike<number>[], size: number): ArrayLike<number>[] {
  const order = Int32Array.from(rows, (_, index) => index);
  for (let index = 0; index < size; index++) {
    const other = index + Math.floor(random() * (order.length - index));
    [order[index], order[other]] = [order[other] as number, order[index] as number];
  }
  return Array.from(order.subarray(0, size), (index) => rows[index] as ArrayLike<number>);
}
