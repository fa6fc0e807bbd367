/** Versions by the precedence of SemVer 2.0.0: negative when `a` is older than `b`. Build metadata is not part of our versions. */
export function compareVersions(a: string, b: string): number {
  const split = (version: string) => {
    const [core = '', ...rest] = version.split('-');
    return { numbers: core.split('.').map(Number), labels: rest.length === 0 ? [] : rest.join('-').split('.') };
  };
  const [left, right] = [split(a), split(b)];
  for (let index = 0; index < 3; index++) {
    const difference = (left.numbers[index] ?? 0) - (right.numbers[index] ?? 0);
    if (difference !== 0) return difference;
  }
  if (left.labels.length === 0 || right.labels.length === 0) return right.labels.length - left.labels.length;
  for (let index = 0; index < Math.max(left.labels.length, right.labels.length); index++) {
    const difference = compareLabels(left.labels[index], right.labels[index]);
    if (difference !== 0) return difference;
  }
  return 0;
}

function compareLabels(left: string | undefined, right: string | undefined): number {
  if (left === undefined || right === undefined) return left === right ? 0 : left === undefined ? -1 : 1;
  const numeric = [left, right].map((label) => /^\d+$/.test(label));
  if (numeric[0] && numeric[1]) return Number(left) - Number(right);
  if (numeric[0] !== numeric[1]) return numeric[0] ? -1 : 1;
  return left === right ? 0 : left < right ? -1 : 1;
}
