/** A value inside a feed's document that knows where it is, so that a wrong one becomes a finding with a JSON pointer. */
import type { Findings, Severity } from '../finding.ts';
import type { LocalisedText, Position } from '../model.ts';

const instantText = /^\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?([Zz]|[+-]\d\d:?\d\d)$/;
const languageTag = /^[A-Za-z]{2,8}([-_][A-Za-z0-9]{1,8})*$/;

/** Readers answer undefined for what is absent (null counts as absent) and, with a finding, for what is of no use. */
export class Place {
  readonly feed: string;
  readonly pointer: string;
  readonly value: unknown;
  readonly #findings: Findings;

  constructor(feed: string, pointer: string, value: unknown, findings: Findings) {
    this.feed = feed;
    this.pointer = pointer;
    this.value = value;
    this.#findings = findings;
  }

  report(severity: Severity, code: string, message: string): void {
    this.#findings.add(severity, code, this.feed, this.pointer, message);
  }

  get isAbsent(): boolean {
    return this.value === undefined || this.value === null;
  }

  get isObject(): boolean {
    return typeof this.value === 'object' && this.value !== null && !Array.isArray(this.value);
  }

  /** The member of that name; absent when there is none or this is no object. */
  at(name: string): Place {
    const record = this.isObject ? (this.value as Record<string, unknown>) : {};
    const member = Object.hasOwn(record, name) ? record[name] : undefined;
    return new Place(this.feed, `${this.pointer}/${name.replaceAll('~', '~0').replaceAll('/', '~1')}`, member, this.#findings);
  }

  /** The first member that is present, for names that changed between versions. */
  either(...names: string[]): Place {
    return names.map((name) => this.at(name)).find((place) => !place.isAbsent) ?? this.at(names[0] ?? '');
  }

  entries(): [string, Place][] {
    if (!this.isObject) return [];
    return Object.keys(this.value as object).map((name) => [name, this.at(name)]);
  }

  /** The elements that are objects; others are reported and left out. */
  objects(): Place[] {
    return this.list().filter((place) => {
      if (!place.isObject) place.report('warning', 'wrong-type', `expected an object, found ${kindOf(place.value)}; left out`);
      return place.isObject;
    });
  }

  list(): Place[] {
    if (this.isAbsent) return [];
    if (!Array.isArray(this.value)) {
      this.report('warning', 'wrong-type', `expected a list, found ${kindOf(this.value)}; read as empty`);
      return [];
    }
    return this.value.map((value, index) => new Place(this.feed, `${this.pointer}/${index}`, value, this.#findings));
  }

  /** A number is taken as its digits, with a finding: ids are often written so. */
  text(): string | undefined {
    if (this.isAbsent) return undefined;
    if (typeof this.value === 'string') return this.value;
    if (typeof this.value === 'number' && Number.isFinite(this.value)) {
      this.report('info', 'number-for-text', 'expected a text, found a number; read as its digits');
      return String(this.value);
    }
    return this.#wrong('a text');
  }

  /** A text that is not blank, else a finding that says what is lost without it. */
  requiredText(consequence: string): string | undefined {
    if (this.isAbsent) {
      this.report('warning', 'missing-field', `required but absent; ${consequence}`);
      return undefined;
    }
    const text = this.text()?.trim();
    if (text === '') this.report('warning', 'missing-field', `required but empty; ${consequence}`);
    return text === '' ? undefined : text;
  }

  number(): number | undefined {
    if (this.isAbsent) return undefined;
    if (typeof this.value === 'number' && Number.isFinite(this.value)) return this.value;
    if (typeof this.value === 'string' && /^\s*[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?\s*$/.test(this.value) && Number.isFinite(Number(this.value))) {
      this.report('info', 'text-for-number', 'expected a number, found a text with one; read as the number');
      return Number(this.value);
    }
    return this.#wrong('a number');
  }

  /** A number that is not negative. */
  amount(): number | undefined {
    const number = this.number();
    if (number === undefined || number >= 0) return number;
    this.report('warning', 'out-of-range', `expected a number from 0 up, found ${number}; ignored`);
    return undefined;
  }

  count(): number | undefined {
    const number = this.amount();
    if (number === undefined || Number.isSafeInteger(number)) return number;
    this.report('warning', 'out-of-range', `expected a whole number, found ${number}; ignored`);
    return undefined;
  }

  /** 0 and 1, as GBFS 1 wrote them, and the words are taken too. */
  boolean(): boolean | undefined {
    if (this.isAbsent) return undefined;
    if (typeof this.value === 'boolean') return this.value;
    const known = new Map<unknown, boolean>([[0, false], [1, true], ['0', false], ['1', true], ['false', false], ['true', true]]);
    const meant = known.get(this.value);
    if (meant === undefined) return this.#wrong('true or false');
    this.report('info', 'number-for-boolean', `expected true or false, found ${JSON.stringify(this.value)}; read as ${meant}`);
    return meant;
  }

  /** POSIX seconds (2.x) or RFC 3339 (3.x) → UTC instant. */
  instant(): string | undefined {
    if (this.isAbsent) return undefined;
    const milliseconds = typeof this.value === 'number' ? this.value * 1000 : typeof this.value === 'string' && instantText.test(this.value) ? Date.parse(this.value) : Number.NaN;
    if (!Number.isFinite(milliseconds) || Math.abs(milliseconds) > 8.64e15) return this.#wrong('a point in time');
    return new Date(milliseconds).toISOString();
  }

  /** A plain text (2.x, in the language of its feed) or a list of `{ text, language }` (3.x). */
  localised(language: string): LocalisedText | undefined {
    if (this.isAbsent) return undefined;
    if (!Array.isArray(this.value)) {
      const text = this.text();
      return text === undefined || text.trim() === '' ? undefined : { [language]: text };
    }
    const texts: LocalisedText = {};
    for (const translation of this.objects()) {
      const tag = translation.at('language').text() ?? language;
      const text = translation.at('text').text();
      if (text === undefined || text.trim() === '') continue;
      if (languageTag.test(tag)) texts[tag.replaceAll('_', '-')] ??= text;
      else translation.at('language').report('warning', 'language-invalid', `"${tag.slice(0, 40)}" is no language tag; the text is left out`);
    }
    return Object.keys(texts).length > 0 ? texts : undefined;
  }

  texts(): string[] {
    return this.list().flatMap((place) => place.text() ?? []);
  }

  /** `lat` and `lon` of this object. Absent, out of range or 0/0 give undefined; the latter two with a finding. */
  position(): Position | undefined {
    const lat = this.at('lat').number();
    const lon = this.at('lon').number();
    if (lat === undefined || lon === undefined) return undefined;
    if (Math.abs(lat) > 90 || Math.abs(lon) > 180) {
      this.report('warning', 'position-out-of-range', `latitude ${lat}, longitude ${lon} is no place on Earth; ignored`);
      return undefined;
    }
    if (lat === 0 && lon === 0) {
      this.report('warning', 'position-null', 'latitude 0, longitude 0 stands for "unknown"; ignored');
      return undefined;
    }
    return { lat, lon };
  }

  #wrong(expected: string): undefined {
    this.report('warning', 'wrong-type', `expected ${expected}, found ${kindOf(this.value)}; ignored`);
    return undefined;
  }
}

function kindOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'object') return 'an object';
  const shown = JSON.stringify(value) ?? typeof value;
  return shown.length > 60 ? `${shown.slice(0, 57)}…` : shown;
}

/** Items with ids: the first of each id stays, later ones are reported. */
export function uniqueById<T extends { id: string }>(read: { place: Place; item: T }[]): T[] {
  const kept = new Map<string, T>();
  for (const { place, item } of read) {
    if (kept.has(item.id)) place.report('warning', 'duplicate-id', `"${item.id}" is there twice; the first is kept`);
    else kept.set(item.id, item);
  }
  return [...kept.values()];
}
