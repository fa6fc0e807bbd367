/**
 * PostgreSQL for one module: its own schema, its own role, and the tables that make events and
 * timers part of a transaction.
 *
 * Promises:
 * - a transaction's events are appended to the event log if and only if it commits (outbox), at least once;
 * - a timer that was scheduled in a committed transaction fires at or after its time, at least once,
 *   on one worker at a time, across restarts, until its handler has resolved or it was cancelled. One worker at a time also
 *   holds for a handler that takes long, as long as its process reaches the database: the claim is renewed;
 * - an event handled through `consume` has its effects once, however often it is delivered (inbox); while
 *   the database is away events wait, they are not given up.
 */
import type { Fragment, Sql, TransactionSql } from 'postgres';
import type { z } from 'zod';
import type { EventDefinition } from '../../wire/contract.ts';
import type { CloudEvent } from '../events/port.ts';

export interface Timer {
  /** Names the handler: `reservation-expiry`. */
  kind: string;
  /** With the kind, names the timer; scheduling the same again moves it. */
  key: string;
  dueAt: Date;
  payload?: unknown;
}

export interface Transaction {
  sql: TransactionSql;
  /** Sends the event when the transaction commits. `subject` keeps the order. */
  publish<D extends z.ZodType>(event: EventDefinition<D>, subject: string, data: z.input<D>): void;
  schedule(timer: Timer): void;
  cancelTimer(kind: string, key: string): void;
}

export interface TimerFired {
  kind: string;
  key: string;
  dueAt: Date;
  payload: unknown;
  /** 1 at the first try. */
  attempt: number;
}

export interface Database {
  /** For single statements. Camel-cased columns: `vehicle_id` reads as `vehicleId`. */
  sql: Sql;
  /** Commits when `work` resolves, rolls back when it throws. Deadlocks and serialization failures are tried again. */
  transaction<T>(work: (transaction: Transaction) => Promise<T>): Promise<T>;
  /** Repeats the work for as long as the database is away; other errors are thrown. For consumers with transactions of their own. */
  whileReachable(work: () => Promise<void>): Promise<void>;
  /** Registers what timers of a kind do. One that throws is tried again with growing pauses. */
  onTimer(kind: string, handle: (timer: TimerFired) => Promise<void>): void;
  /** Told of each event of a transaction that has committed in this process: for figures, as it is told once or, after a cut, never. */
  onPublished(listen: (event: CloudEvent) => void): void;
  /**
   * Handles each event once, from one place in a module: its id and the effects of `handle` commit together. Name definitions, not
   * whole topics, where only some events matter: the others then cost nothing.
   */
  consume(
    events: readonly (string | EventDefinition)[],
    handle: (event: CloudEvent, transaction: Transaction) => Promise<void>,
  ): void;
}

/**
 * A condition that always holds, and lets the statement's commit return before it is on the disk.
 *
 * For what can be asked for again, and only in a statement that is a transaction of its own: a power cut
 * within the next fraction of a second forgets it; a kill of the program does not. A later commit that does
 * wait takes it to the disk, too.
 */
export const doNotWaitForDisk = (sql: Sql | TransactionSql): Fragment => sql`set_config('synchronous_commit', 'off', true) = 'off'`;
