/** Group commit: what has come in while one commit was under way goes together into the next. */
import type { EventDefinition } from '../../wire/contract.ts';
import type { Logger } from '../../infra/observability/port.ts';
import type { SeriesTable } from '../../infra/series/port.ts';
import type { Database, Transaction } from '../../infra/sql/port.ts';
import { telemetryContract } from './contract.ts';
import type { Fact } from './domain/facts.ts';
import type { Intake, Taken } from './intake.ts';
import { saveBoots, type SavedVehicle, saveSaid } from './store.ts';

export interface CommitParts {
  intake: Intake;
  history: SeriesTable;
  database: Database;
  logger: Logger;
  /** The state of a vehicle as it is now. */
  packed(row: number): SavedVehicle;
  /** Called at the moment of a taking: nothing comes in between. */
  onTake(cycle: number): void;
  /** The cycle before the first. */
  lastCycle: number;
}

const retryPausesMs = [100, 500, 1000, 2000];

const publish = (transaction: Transaction, { name, data }: Fact): void => transaction.publish(telemetryContract.events[name] as EventDefinition, data.vehicleId, data);

/**
 * History first, then the events with the state that they follow from, in one transaction. A kill between them writes the same
 * rows again, which changes nothing; a kill after them finds the state, and says nothing twice.
 */
export class GroupCommit {
  readonly #parts: CommitParts;
  #cycle: number;
  #running: Promise<void> | undefined;
  #next: Promise<void> | undefined;
  #stopping = false;
  readonly #pauses = new Set<() => void>();
  /** New rows in history since the start. */
  written = 0;
  known = 0;
  outside = 0;
  /** Why nothing can be written at present. */
  trouble: string | undefined;

  constructor(parts: CommitParts) {
    this.#parts = parts;
    this.#cycle = parts.lastCycle;
  }

  /** Resolves when everything that has come in up to now is safe. @throws Error when the program stops before */
  commit(): Promise<void> {
    if (!this.#running) return (this.#running = this.#once());
    this.#next ??= this.#running.catch(() => undefined).then(() => {
      this.#next = undefined;
      return (this.#running = this.#once());
    });
    return this.#next;
  }

  async #once(): Promise<void> {
    try {
      const taken = this.#parts.intake.take();
      const cycle = ++this.#cycle;
      const said = [...taken.touched].map((row) => this.#parts.packed(row));
      this.#parts.onTake(cycle);
      if (taken.rows.length > 0) await this.#untilDone(() => this.#write(taken));
      if (taken.facts.length + taken.boots.length > 0) await this.#untilDone(() => this.#say(taken, cycle, said));
      this.#parts.intake.giveBack(taken.rows);
    } finally {
      this.#running = undefined;
    }
  }

  async #write({ rows }: Taken): Promise<void> {
    const { written, known, outside } = await this.#parts.history.write(rows.view());
    this.written += written;
    this.known += known;
    this.outside += outside;
  }

  async #say({ facts, boots }: Taken, cycle: number, said: readonly SavedVehicle[]): Promise<void> {
    await this.#parts.database.transaction(async (transaction) => {
      for (const fact of facts) publish(transaction, fact);
      if (said.length > 0) await saveSaid(transaction.sql, cycle, said);
      if (boots.length > 0) await saveBoots(transaction.sql, boots);
    });
  }

  /** The database away, the disk full: nothing is given up and nothing more is taken from the log until it goes on. */
  async #untilDone(work: () => Promise<void>): Promise<void> {
    for (let attempt = 0; ; attempt++) {
      try {
        await work();
        if (this.trouble !== undefined) this.#parts.logger.info({}, 'telemetry goes into history again');
        this.trouble = undefined;
        return;
      } catch (error) {
        this.trouble = error instanceof Error ? error.message : String(error);
        if (this.#stopping) throw error;
        this.#parts.logger.error({ error, attempt }, 'telemetry cannot go into history; it waits in the log, and is tried again');
        await this.#pause(retryPausesMs[Math.min(attempt, retryPausesMs.length - 1)] ?? 1000);
        if (this.#stopping) throw error;
      }
    }
  }

  #pause(pauseMs: number): Promise<void> {
    return new Promise((resolve) => {
      const done = () => {
        clearTimeout(timer);
        this.#pauses.delete(done);
        resolve();
      };
      const timer = setTimeout(done, pauseMs);
      this.#pauses.add(done);
    });
  }

  /** What cannot be written now stays in the log. */
  stop(): void {
    this.#stopping = true;
    for (const done of [...this.#pauses]) done();
  }
}
