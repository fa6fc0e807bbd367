/** The nearest few of many, page by page. */
export interface Candidate<T> {
  item: T;
  id: string;
  metres: number;
}

/** Where a page ended. */
export type Cursor = Pick<Candidate<unknown>, 'metres' | 'id'>;

const isBefore = (a: Cursor, b: Cursor): boolean => a.metres < b.metres || (a.metres === b.metres && a.id < b.id);
const inOrder = (a: Cursor, b: Cursor): number => (isBefore(a, b) ? -1 : isBefore(b, a) ? 1 : 0);

export const writeCursor = ({ metres, id }: Cursor): string => Buffer.from(JSON.stringify([metres, id])).toString('base64url');

/** @returns undefined for what is no cursor of ours */
export function readCursor(text: string): Cursor | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(text, 'base64url').toString());
    if (!Array.isArray(value)) return undefined;
    const [metres, id] = value as unknown[];
    return typeof metres === 'number' && typeof id === 'string' ? { metres, id } : undefined;
  } catch {
    return undefined;
  }
}

/** Keeps the `limit` nearest after a cursor, whatever the number of candidates: sorts a few at a time. */
export class Nearest<T> {
  readonly #limit: number;
  readonly #after: Cursor | undefined;
  #kept: Candidate<T>[] = [];
  #worst: Cursor | undefined;

  constructor(limit: number, after?: Cursor) {
    this.#limit = limit;
    this.#after = after;
  }

  offer(candidate: Candidate<T>): void {
    if (this.#worst && !isBefore(candidate, this.#worst)) return;
    if (this.#after && !isBefore(this.#after, candidate)) return;
    this.#kept.push(candidate);
    if (this.#kept.length >= 4 * this.#limit) this.#cut();
  }

  #cut(): void {
    this.#kept = this.#kept.sort(inOrder).slice(0, this.#limit);
    if (this.#kept.length === this.#limit) this.#worst = this.#kept.at(-1);
  }

  /** Whether nothing at this distance or farther would be kept any more. */
  isFullWithin(metres: number): boolean {
    if (this.#kept.length >= this.#limit) this.#cut();
    return this.#worst !== undefined && this.#worst.metres <= metres;
  }

  /** Farther candidates are of no use; it only gets smaller. */
  get reachMetres(): number {
    return this.#worst?.metres ?? Infinity;
  }

  /** Nearest first. */
  result(): Candidate<T>[] {
    this.#cut();
    return this.#kept;
  }
}
