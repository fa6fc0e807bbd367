/** The SQL of attempts. Every change of a row names the state that it expects: of two that race, one wins. */
import { type Database, doNotWaitForDisk } from '../../infra/sql/port.ts';
import type { Outcome, Provider } from './contract.ts';

export type AttemptKind = 'authorise' | 'capture' | 'void' | 'refund';
export type AttemptState = 'asking' | 'unknown' | 'action-required' | 'final';

export interface AttemptRow<Request = unknown> {
  attempt: string;
  kind: AttemptKind;
  request: Request;
  state: AttemptState;
  provider: Provider;
  outcome: Outcome | null;
  requestedAt: Date;
  /** When it went to the provider, or was last heard of. */
  updatedAt: Date;
}

export class AttemptStore {
  readonly #database: Database;

  constructor(database: Database) {
    this.#database = database;
  }

  /** @returns false when the attempt is known already */
  async begin({ attempt, kind, request, provider, now }: { attempt: string; kind: AttemptKind; request: unknown; provider: Provider; now: Date }): Promise<boolean> {
    const { sql } = this.#database;
    const inserted = await sql`
      insert into attempts (attempt, kind, request, state, provider, requested_at, updated_at)
      values (${attempt}, ${kind}, ${sql.json(request as never)}, 'asking', ${provider}, ${now}, ${now})
      on conflict (attempt) do nothing`;
    return inserted.count > 0;
  }

  async find(attempt: string): Promise<AttemptRow | undefined> {
    const [row] = await this.#database.sql<AttemptRow[]>`select attempt, kind, request, state, provider, outcome, requested_at, updated_at from attempts where attempt = ${attempt}`;
    return row;
  }

  /** Goes on to another provider. @returns false when somebody else has decided meanwhile */
  async moveOn(attempt: string, from: Provider, to: Provider, now: Date): Promise<boolean> {
    const moved = await this.#database.sql`update attempts set provider = ${to}, updated_at = ${now} where attempt = ${attempt} and state = 'asking' and provider = ${from}`;
    return moved.count > 0;
  }

  /** Writes what a provider has said, unless the attempt is final or has gone on to another provider. */
  async settle(attempt: string, provider: Provider, state: AttemptState, outcome: Outcome | null, now: Date): Promise<boolean> {
    const { sql } = this.#database;
    const settled = await sql`
      update attempts set state = ${state}, outcome = coalesce(${outcome === null ? null : sql.json(outcome as never)}, outcome), updated_at = ${now}
      where attempt = ${attempt} and provider = ${provider} and state <> 'final' and ${doNotWaitForDisk(sql)}`;
    return settled.count > 0;
  }

  /** Drops what ended long ago. @returns how many attempts that were */
  async forgetFinal(before: Date): Promise<number> {
    const forgotten = await this.#database.sql`delete from attempts where state = 'final' and updated_at < ${before}`;
    return forgotten.count;
  }
}
