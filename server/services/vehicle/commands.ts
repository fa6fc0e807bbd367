/** Commands to vehicles: sent again and again until the vehicle has proven them, refused them, or time is over. */
import { v7 } from 'uuid';
import type { ModuleClock } from '../../infra/clock/port.ts';
import type { Logger, Metrics } from '../../infra/observability/port.ts';
import { currentTrace, runInTrace, type Trace } from '../../infra/observability/trace.ts';
import type { Database, Transaction } from '../../infra/sql/port.ts';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { iotContract } from '../../iot/contract.ts';
import type { Command, ReportedState } from './contract.ts';
import { type CommandState, deadlineMs, hasRunOut, isOpen, isOverdue, nextCommandState, resendPauseMs, verdictGraceMs, verdictOf } from './domain/commands.ts';
import { observeCommand } from './figures.ts';
import { type CommandRow, findCommand, insertCommand, moveCommand, readOpenCommands } from './store.ts';

interface Entry {
  row: CommandRow;
  /** What the vehicle knows it by: the command's own id, until a vehicle that moved has refused that for good. */
  wireId: string;
  attempts: number;
  firstSentAtMs: number | undefined;
  lastSentAtMs: number;
  nextSendAtMs: number;
  sending: boolean;
  /** Of whoever sent it: the vehicle's answer belongs to it, however late it is asked again. */
  trace: Trace | undefined;
  /** Its time is over, and the vehicle was asked how it stands. */
  asked: boolean;
}

/** A verdict that is written but not yet committed. */
export interface Verdict {
  entry: Entry;
  state: CommandState;
  reason: string | undefined;
  /** Not now: it is tried again, as one that the vehicle has not refused yet. */
  again?: boolean;
}

/** A vehicle that has just spoken is there: send what waits, but not twice in a moment. */
const leastPauseMs = 1_000;
const tickMs = 250;

export const presentCommand = (row: CommandRow): Command => ({
  id: row.id, vehicleId: row.vehicleId, kind: row.kind, ...(row.bookingId !== null && { bookingId: row.bookingId }),
  state: row.state, ...(row.reason !== null && { reason: row.reason }), createdAt: row.createdAt.toISOString(),
});

const sameCommand = (a: CommandRow, b: CommandRow): boolean => a.vehicleId === b.vehicleId && a.kind === b.kind && a.bookingId === b.bookingId && a.riderId === b.riderId;

export class CommandDesk {
  readonly #database: Database;
  readonly #clock: ModuleClock;
  readonly #logger: Logger;
  readonly #metrics: Metrics;
  readonly #iot: Client<typeof iotContract.operations>;
  readonly #open = new Map<string, Entry>();
  readonly #byVehicle = new Map<string, Set<Entry>>();
  readonly #waiters = new Map<string, Set<(row: CommandRow) => void>>();
  #stopTicking: () => Promise<void> = async () => undefined;

  constructor(iot: Client<typeof iotContract.operations>, { database, clock, logger, metrics }: { database: Database; clock: ModuleClock; logger: Logger; metrics: Metrics }) {
    this.#metrics = metrics;
    this.#iot = iot;
    this.#database = database;
    this.#clock = clock;
    this.#logger = logger;
  }

  /** Takes up what was open when the program ended. */
  async start(): Promise<void> {
    for (const row of await readOpenCommands(this.#database.sql)) this.#add(row);
    this.#stopTicking = this.#clock.every(tickMs, () => this.#tick().catch((error: unknown) => this.#logger.error({ error }, 'commands cannot be sent; tried again')));
  }

  async stop(): Promise<void> {
    await this.#stopTicking();
    for (const [id, waiters] of this.#waiters) {
      const row = this.#open.get(id)?.row;
      if (row) for (const wake of waiters) wake(row);
    }
  }

  /**
   * Stores a command, sends it, and waits for its verdict. The same id again is the same command.
   * @throws Problem `idempotency-key-reused` when the id belongs to another command
   */
  async send(row: CommandRow, waitMs: number, signal: AbortSignal): Promise<CommandRow> {
    const stored = await insertCommand(this.#database.sql, row);
    if (!sameCommand(stored, row)) throw new Problem('idempotency-key-reused', 'this id belongs to another command');
    if (!isOpen(stored.state)) return stored;
    const entry = this.#open.get(stored.id) ?? this.#add(stored);
    const verdict = this.#verdict(stored.id, waitMs, signal);
    if (entry.attempts === 0) await this.#deliver(entry);
    return (await verdict) ?? (await findCommand(this.#database.sql, stored.id)) ?? stored;
  }

  /**
   * Ends what is open of a kind, because the opposite is wanted now. Written here, settled when committed.
   */
  async supersede(transaction: Transaction, vehicleId: string, kind: Command['kind']): Promise<Verdict[]> {
    const verdicts = [...(this.#byVehicle.get(vehicleId) ?? [])].filter(({ row }) => row.kind === kind).map((entry): Verdict => ({ entry, state: 'refused', reason: 'superseded' }));
    for (const { entry, state, reason } of verdicts) await moveCommand(transaction.sql, entry.row.id, state, reason);
    return verdicts;
  }

  find = (id: string): Promise<CommandRow | undefined> => findCommand(this.#database.sql, id);

  #add(row: CommandRow): Entry {
    const known = this.#open.get(row.id);
    if (known) return known;
    const entry: Entry = { row, wireId: row.id, attempts: 0, firstSentAtMs: undefined, lastSentAtMs: 0, nextSendAtMs: 0, sending: false, trace: currentTrace(), asked: false };
    this.#open.set(row.id, entry);
    const ofVehicle = this.#byVehicle.get(row.vehicleId);
    if (ofVehicle) ofVehicle.add(entry);
    else this.#byVehicle.set(row.vehicleId, new Set([entry]));
    return entry;
  }

  #verdict(id: string, waitMs: number, signal: AbortSignal): Promise<CommandRow | undefined> {
    if (waitMs === 0 || signal.aborted) return Promise.resolve(undefined);
    return new Promise((resolve) => {
      const waiters = this.#waiters.get(id) ?? new Set();
      const done = (row?: CommandRow) => {
        clearTimeout(timer);
        signal.removeEventListener('abort', onAbort);
        waiters.delete(done);
        if (waiters.size === 0) this.#waiters.delete(id);
        resolve(row);
      };
      const onAbort = () => done();
      const timer = setTimeout(done, waitMs);
      signal.addEventListener('abort', onAbort, { once: true });
      waiters.add(done);
      this.#waiters.set(id, waiters);
    });
  }

  /**
   * What a report says about the open commands of its vehicle. Written with the report, settled when committed.
   * @param known remembers over the reports of one batch what has a verdict already
   */
  async judge(transaction: Transaction, report: ReportedState, reportedAtMs: number, known: Map<string, Verdict>): Promise<void> {
    for (const entry of this.#byVehicle.get(report.vehicleId) ?? []) {
      const { row, firstSentAtMs } = entry;
      const before = known.get(row.id);
      if (before && !before.again) continue;
      const verdict = verdictOf({ id: entry.wireId, kind: row.kind, bookingId: row.bookingId ?? undefined, firstSentAtMs, isAwaited: this.#waiters.has(row.id) }, report, reportedAtMs);
      if (!verdict) continue;
      if (verdict.event === 'refused-for-now') {
        known.set(row.id, { entry, state: row.state, reason: verdict.reason, again: true });
        continue;
      }
      const state = nextCommandState(row.state, verdict.event);
      await moveCommand(transaction.sql, row.id, state, verdict.reason);
      known.set(row.id, { entry, state, reason: verdict.reason });
    }
  }

  /** Verdicts are committed: forget the commands and tell who waits. */
  settle(verdicts: Iterable<Verdict>): void {
    for (const { entry, state, reason, again } of verdicts) {
      if (again) {
        entry.wireId = v7();
        continue;
      }
      const row: CommandRow = { ...entry.row, state, reason: reason ?? null };
      entry.row = row;
      this.#open.delete(row.id);
      const ofVehicle = this.#byVehicle.get(row.vehicleId);
      ofVehicle?.delete(entry);
      if (ofVehicle?.size === 0) this.#byVehicle.delete(row.vehicleId);
      observeCommand(this.#metrics, row, this.#clock.nowMs());
      for (const wake of this.#waiters.get(row.id) ?? []) wake(row);
    }
  }

  /** The vehicle has spoken, so it is connected: what waits for it goes out now. */
  heard(vehicleId: string): void {
    for (const entry of this.#byVehicle.get(vehicleId) ?? []) entry.nextSendAtMs = Math.min(entry.nextSendAtMs, entry.lastSentAtMs + leastPauseMs);
  }

  async #deliver(entry: Entry): Promise<void> {
    if (entry.sending) return;
    await (entry.trace ? runInTrace(entry.trace, () => this.#hand(entry)) : this.#hand(entry));
  }

  async #hand(entry: Entry): Promise<void> {
    entry.sending = true;
    const nowMs = this.#clock.nowMs();
    const { row } = entry;
    entry.attempts += 1;
    entry.lastSentAtMs = nowMs;
    entry.nextSendAtMs = nowMs + resendPauseMs(entry.attempts);
    try {
      const { connected } = await this.#iot.deliverCommand({
        body: {
          vehicleId: row.vehicleId,
          message: {
            commandId: entry.wireId, kind: row.kind, bookingId: row.bookingId, riderId: row.riderId, issuedAt: row.createdAt.toISOString(),
            expiresAt: new Date(deadlineMs({ kind: row.kind, expiresAtMs: row.expiresAt.getTime() }, nowMs)).toISOString(),
          },
        },
      });
      if (!connected) return;
      entry.firstSentAtMs ??= nowMs;
      if (entry.row.state !== 'pending') return;
      entry.row = { ...entry.row, state: nextCommandState(entry.row.state, 'delivered') };
      await moveCommand(this.#database.sql, row.id, 'sent');
    } catch (error) {
      this.#logger.warn({ error, commandId: row.id }, 'a command could not be handed to the broker; tried again');
    } finally {
      entry.sending = false;
    }
  }

  /** Its time is over and the vehicle has not said a word about it: whoever reports now tells whether it was done. */
  async #ask(entry: Entry, nowMs: number): Promise<void> {
    entry.asked = true;
    const message = { commandId: v7(), kind: 'locate', bookingId: null, riderId: null, issuedAt: new Date(nowMs).toISOString(), expiresAt: new Date(nowMs + 2 * verdictGraceMs).toISOString() } as const;
    try {
      await this.#iot.deliverCommand({ body: { vehicleId: entry.row.vehicleId, message } });
    } catch (error) {
      this.#logger.warn({ error, commandId: entry.row.id }, 'the vehicle could not be asked how a command ended');
    }
  }

  async #tick(): Promise<void> {
    const nowMs = this.#clock.nowMs();
    for (const entry of [...this.#open.values()]) {
      const { row } = entry;
      if (hasRunOut({ kind: row.kind, expiresAtMs: row.expiresAt.getTime() }, nowMs)) {
        await moveCommand(this.#database.sql, row.id, 'expired');
        // A verdict may have been committed in the meantime: what is stored counts.
        const stored = await findCommand(this.#database.sql, row.id);
        this.settle([{ entry, state: stored?.state ?? 'expired', reason: stored?.reason ?? undefined }]);
      } else if (entry.nextSendAtMs <= nowMs && nowMs <= deadlineMs({ kind: row.kind, expiresAtMs: row.expiresAt.getTime() }, nowMs)) {
        await this.#deliver(entry);
      } else if (!entry.asked && isOverdue({ kind: row.kind, expiresAtMs: row.expiresAt.getTime() }, nowMs)) {
        await this.#ask(entry, nowMs);
      }
    }
  }
}
