/** Randomness that a seed replays. */
export type Random = () => number;

/** Mulberry32: 32 bits of state, the same on every machine. @returns numbers in [0, 1) */
export function seededRandom(seed: number): Random {
  let state = seed | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A stream of its own for each name, so that what one does never changes what another draws (FNV-1a). */
export function randomFor(seed: number, name: string): Random {
  let hash = 0x811c9dc5 ^ seed;
  for (const character of name) hash = Math.imul(hash ^ (character.codePointAt(0) ?? 0), 0x01000193);
  return seededRandom(hash);
}

/** Waiting times of events that come by themselves: exponential with this mean. */
export const waitingTime = (random: Random, mean: number): number => -Math.log(1 - random()) * mean;

/** @returns undefined for an empty list */
export const pick = <T>(random: Random, items: readonly T[]): T | undefined => items[Math.floor(random() * items.length)];
