import type { Sql } from 'postgres';
import type { SeriesTables } from './tables.ts';

const longestBytes = 80;

const isSubject = (subject: unknown): subject is string =>
  typeof subject === 'string' && subject.isWellFormed() && !subject.includes('\0') && subject.length > 0 && Buffer.byteLength(subject) <= longestBytes;

/** Numbers of subjects: given once, never changed, so that a process may remember all that it has seen. */
export class Subjects {
  readonly #sql: Sql;
  readonly #table: string;
  readonly #known = new Map<string, number>();

  constructor(sql: Sql, tables: SeriesTables) {
    this.#sql = sql;
    this.#table = tables.subjects;
  }

  /**
   * Numbers of all subjects, new ones included.
   * @throws TypeError when one is not text of 1 to 80 bytes
   */
  async numbersOf(subjects: readonly string[]): Promise<Int32Array> {
    const numbers = new Int32Array(subjects.length);
    const unknown = this.#lookUp(subjects, numbers);
    if (unknown.size === 0) return numbers;
    for (const subject of unknown) if (!isSubject(subject)) throw new TypeError(`a subject is text of 1 to ${longestBytes} bytes, not ${JSON.stringify(subject)}`);
    await this.#learn([...unknown].sort());
    this.#lookUp(subjects, numbers);
    return numbers;
  }

  /** @returns its number, or undefined when nothing was written for it */
  async numberOf(subject: string): Promise<number | undefined> {
    if (!this.#known.has(subject) && isSubject(subject)) await this.#load([subject]);
    return this.#known.get(subject);
  }

  #lookUp(subjects: readonly string[], numbers: Int32Array): Set<string> {
    const unknown = new Set<string>();
    let before: string | undefined;
    let number = 0;
    for (let row = 0; row < subjects.length; row++) {
      const subject = subjects[row] as string;
      if (subject !== before) {
        before = subject;
        const known = this.#known.get(subject);
        if (known === undefined) unknown.add(subject);
        number = known ?? -1;
      }
      numbers[row] = number;
    }
    return unknown;
  }

  async #load(subjects: readonly string[]): Promise<void> {
    const rows = await this.#sql<{ id: number; subject: string }[]>`select id, subject from ${this.#sql(this.#table)} where subject = any(${subjects}::text[])`;
    for (const { id, subject } of rows) this.#known.set(subject, id);
  }

  async #learn(subjects: readonly string[]): Promise<void> {
    const table = this.#sql(this.#table);
    await this.#load(subjects);
    const missing = subjects.filter((subject) => !this.#known.has(subject));
    if (missing.length === 0) return;
    await this.#sql`insert into ${table} (subject) select unnest(${missing}::text[]) on conflict do nothing`;
    await this.#load(missing);
  }
}
