/** Randomness that a seed replays, in [0, 1): training and evaluation give the same on every machine. */
export type Random = () => number;

/** Mulberry32 with a stream of its own for each name (FNV-1a), so that one part never changes what another draws. */
export function randomFor(seed: number, name: string): Random {
  let state = 0x811c9dc5 ^ seed;
  for (const character of name) state = Math.imul(state ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

export const between = (random: Random, from: number, to: number): number => from + random() * (to - from);
export const sign = (random: Random): number => (random() < 0.5 ? -1 : 1);
export const choose = <T>(random: Random, items: readonly [T, ...T[]]): T => items[Math.floor(random() * items.length)] ?? items[0];

/** Standard normal: Box and Muller. */
export const normal = (random: Random): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());

/** Fisher and Yates. */
export function shuffled<T>(random: Random, items: readonly T[]): T[] {
  const order = items.map((item) => ({ item, key: random() }));
  return order.toSorted((a, b) => a.key - b.key).map(({ item }) => item);
}
