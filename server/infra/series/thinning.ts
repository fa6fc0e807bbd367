interface Kept<T> {
  item: T;
  timeMs: number;
  value: number | null;
  order: number;
}

interface Slot<T> {
  first: Kept<T>;
  least: Kept<T> | undefined;
  greatest: Kept<T> | undefined;
}

export interface ThinningOptions {
  /** Slots are spread evenly from here … */
  fromMs: number;
  /** … to here. */
  toMs: number;
  maximumPoints: number;
  /** Whether the least and the greatest value of each slot are kept, instead of its first item. */
  hasExtremes: boolean;
}

/**
 * Thins out what comes in order of time: as much as `maximumPoints` stays as it is, else the first and the last,
 * and of each of so many slots of equal length one item, or the two with the extremes.
 */
export class Thinning<T> {
  readonly #options: ThinningOptions;
  readonly #slots: (Slot<T> | undefined)[];
  readonly #slotMs: number;
  #all: Kept<T>[] = [];
  #count = 0;
  #first: Kept<T> | undefined;
  #last: Kept<T> | undefined;
  #least: Kept<T> | undefined;
  #greatest: Kept<T> | undefined;

  constructor(options: ThinningOptions) {
    this.#options = options;
    const places = options.maximumPoints - 2;
    this.#slots = Array.from({ length: options.hasExtremes ? Math.floor(places / 2) : places });
    this.#slotMs = Math.max(1, options.toMs - options.fromMs) / Math.max(1, this.#slots.length);
  }

  /** @param value of the column whose extremes are kept */
  add(item: T, timeMs: number, value: number | null): void {
    const kept: Kept<T> = { item, timeMs, value, order: this.#count++ };
    if (this.#count <= this.#options.maximumPoints) this.#all.push(kept);
    this.#first ??= kept;
    this.#last = kept;
    if (value !== null) {
      if (value < (this.#least?.value ?? Number.POSITIVE_INFINITY)) this.#least = kept;
      if (value > (this.#greatest?.value ?? Number.NEGATIVE_INFINITY)) this.#greatest = kept;
    }
    const index = Math.min(this.#slots.length - 1, Math.floor((timeMs - this.#options.fromMs) / this.#slotMs));
    if (index < 0) return;
    const slot = (this.#slots[index] ??= { first: kept, least: undefined, greatest: undefined });
    if (value === null) return;
    if (value < (slot.least?.value ?? Number.POSITIVE_INFINITY)) slot.least = kept;
    if (value > (slot.greatest?.value ?? Number.NEGATIVE_INFINITY)) slot.greatest = kept;
  }

  /** What stays, in the order in which it came. */
  kept(): T[] {
    if (this.#count <= this.#options.maximumPoints) return this.#all.map(({ item }) => item);
    const chosen = new Map<number, Kept<T>>();
    const choose = (kept: Kept<T> | undefined) => kept && chosen.set(kept.order, kept);
    choose(this.#first);
    choose(this.#last);
    // With fewer than four points there is no room for both extremes.
    for (const extreme of this.#options.hasExtremes ? [this.#greatest, this.#least] : []) if (extreme && (chosen.has(extreme.order) || chosen.size < this.#options.maximumPoints)) choose(extreme);
    for (const slot of this.#slots) {
      const wanted = this.#options.hasExtremes && slot?.least ? [slot.least, slot.greatest] : [slot?.first];
      for (const kept of wanted) if (kept && chosen.size < this.#options.maximumPoints) choose(kept);
    }
    return [...chosen.values()].sort((one, other) => one.order - other.order).map(({ item }) => item);
  }
}
