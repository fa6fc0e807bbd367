/** What a reading found out about a feed: what was used, what was repaired, what was left out, and why. */

/** `info`: read as meant, worth knowing. `warning`: repaired or partly left out. `error`: a feed or an item is lost. */
export type Severity = 'info' | 'warning' | 'error';

export interface Finding {
  severity: Severity;
  /** Stable, for programs: `wrong-type`, `duplicate-id`, `ring-not-closed`, … */
  code: string;
  /** The feed, as GBFS names it: `vehicle_status`. */
  feed: string;
  /** JSON pointer into that feed's document; empty for the document itself. */
  pointer: string;
  /** A sentence for people. */
  message: string;
  /** How many more of the same kind were met in this feed and are not listed one by one. */
  more?: number;
}

/** Nothing can be read: no discovery file and no feed, a location that may not be opened. */
export class GbfsError extends Error {
  override name = 'GbfsError';
  readonly code: string;
  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

const listedPerKind = 10;

/** Collects findings; of one kind in one feed it lists ten and counts the rest, so that a large broken feed stays readable. */
export class Findings {
  readonly #list: Finding[] = [];
  readonly #seen = new Map<string, { last: Finding; count: number }>();

  add(severity: Severity, code: string, feed: string, pointer: string, message: string): void {
    const kind = `${feed} ${code}`;
    const seen = this.#seen.get(kind);
    if (seen && seen.count >= listedPerKind) {
      seen.last.more = (seen.last.more ?? 0) + 1;
      seen.count += 1;
      return;
    }
    const finding: Finding = { severity, code, feed, pointer, message };
    this.#list.push(finding);
    this.#seen.set(kind, { last: finding, count: (seen?.count ?? 0) + 1 });
  }

  get list(): Finding[] {
    return this.#list;
  }
}
