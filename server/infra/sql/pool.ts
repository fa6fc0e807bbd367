/**
 * Connections that may be lost at any moment.
 *
 * postgres.js 3.4.9 rolls a transaction back on a connection that is gone, which ends the whole program
 * (https://github.com/porsager/postgres/issues/1208), lets the rest of a transaction run on whatever connection comes
 * after it, and never gets such a connection back. So nothing is sent after a loss, and the pool is replaced.
 *
 * Each of its connections first asks for the array types, and when it is lost at that moment nobody catches the error, and
 * arrays are sent malformed from then on. So they are asked for once, and every later connection is given the answer.
 *
 * What is asked for between the error of a connection and its end is given to that connection, and never answered. The library
 * tells it when it is made to end, so a pool that was replaced is, after a while.
 *
 * What could not even be sent, because the server let no connection in, is tried again for a while: it may be restarting, or
 * others have all its connections at this moment.
 */
import type { Sql, TransactionSql } from 'postgres';
import { isWithoutSlot } from './unreachable.ts';

export interface Pool {
  /** Stays valid when the pool behind it is replaced; its `begin` is `transaction`. */
  sql: Sql;
  /** Commits when `work` resolves, rolls back when it throws. @throws what `isUnreachable` knows when the connection is lost, wherever `work` is then */
  transaction<T>(work: (transaction: TransactionSql) => Promise<T>): Promise<T>;
  /** @param timeoutSeconds what is under way by then is cut off */
  end(timeoutSeconds?: number): Promise<void>;
}

const lost = (): Error => Object.assign(new Error('the connection was lost in the middle of a transaction'), { code: 'CONNECTION_CLOSED' });
const aMoment = (): Promise<void> => new Promise((resume) => setImmediate(resume));
const forEver = (): Promise<never> => new Promise(() => undefined);

/** What the library keeps in a statement: who runs it, and whom to tell that it failed. */
interface Statement {
  handler(statement: Statement): unknown;
  reject(error: unknown): void;
}
const isStatement = (made: unknown): made is Statement => typeof made === 'object' && made !== null && 'handler' in made && 'reject' in made;

interface Watched {
  /** The connection of the transaction is gone. */
  isLost(): boolean;
  /** Some connection of the pool was lost since the transaction began; whether it is this one, a moment will tell. */
  mayBeLost(): boolean;
}

/** Refuses statements once the connection is lost, those that follow the failed one at once included. */
function guarded(transaction: TransactionSql, { isLost, mayBeLost }: Watched): TransactionSql {
  const guard = (made: unknown): unknown => {
    if (!isStatement(made)) return made;
    const send = made.handler;
    made.handler = (statement) => {
      if (mayBeLost()) setImmediate(() => (isLost() ? statement.reject(lost()) : send(statement)));
      else send(statement);
    };
    return made;
  };
  return new Proxy(transaction, {
    apply(target, self, statement) {
      if (isLost()) throw lost();
      return guard(Reflect.apply(target as unknown as (...statement: unknown[]) => unknown, self, statement));
    },
    get(target, key) {
      if (isLost()) throw lost();
      if (key === 'unsafe') return (...statement: Parameters<TransactionSql['unsafe']>) => guard(target.unsafe(...statement));
      // The library rolls back to it by itself, also on a connection that is gone.
      if (key === 'savepoint') throw new Error('a savepoint does not survive the loss of its connection; make two transactions');
      return Reflect.get(target, key) as unknown;
    },
  });
}

/** A transaction that ends at the loss of its connection, and leaves the connection alone from then on. @param losses how many connections the pool has lost */
async function inTransaction<T>(sql: Sql, losses: () => number, work: (transaction: TransactionSql) => Promise<T>): Promise<T> {
  let isLost = false;
  const lossesBefore = losses();
  const watched: Watched = { isLost: () => isLost, mayBeLost: () => losses() !== lossesBefore };
  const running = sql.begin(async (transaction) => {
    const outcome = await work(guarded(transaction, watched)).then((value) => ({ value }), (error: unknown) => ({ error }));
    // The statement fails first; that the connection is lost is known a moment later.
    await aMoment();
    if (isLost) await forEver();
    if ('error' in outcome) throw outcome.error;
    return outcome;
  });
  running.catch(() => {
    isLost = true;
  });
  return ((await running) as { value: T }).value;
}

/** What a pool knows about array types; the library keeps it in its options. */
interface KnownTypes {
  fetch_types: boolean;
  parsers: Record<number, unknown>;
  serializers: Record<number, unknown>;
  shared: { typeArrayMap: Record<number, number> };
}
const knownTypesOf = (sql: Sql): KnownTypes => sql.options as unknown as KnownTypes;

function teach(pupil: Sql, { parsers, serializers, shared }: KnownTypes): void {
  const known = knownTypesOf(pupil);
  known.fetch_types = false;
  Object.assign(known.parsers, parsers);
  Object.assign(known.serializers, serializers);
  Object.assign(known.shared.typeArrayMap, shared.typeArrayMap);
}

/** How long a statement waits for a server that is restarting. */
const awayPatienceMs = 3_000;
/** And for a connection while others have them all: until these have closed those that they do not use. */
const slotPatienceMs = 15_000;
const [shortestPauseMs, longestPauseMs] = [50, 1_000];

/** The connection was refused, or the pool replaced before: nothing was sent. */
const neverSentCodes = new Set(['ECONNREFUSED', '57P03', '53300', 'CONNECTION_ENDED']);

/** Says how long to wait before what was never sent is tried again; undefined: no longer. */
class Patience {
  readonly #beganMs = performance.now();
  #tries = 0;

  pauseMsAfter(error: unknown): number | undefined {
    if (!neverSentCodes.has(String((error as { code?: unknown } | null)?.code))) return undefined;
    if (performance.now() - this.#beganMs > (isWithoutSlot(error) ? slotPatienceMs : awayPatienceMs)) return undefined;
    // Those that wait do not all come back at once.
    return Math.min(longestPauseMs, shortestPauseMs * 2 ** this.#tries++) * (0.5 + Math.random());
  }
}

/** Connects again for as long as the server lets nobody in and may soon do so. */
export async function whilePatient<T>(work: () => Promise<T>): Promise<T> {
  const patience = new Patience();
  for (;;) {
    try {
      return await work();
    } catch (error) {
      const pauseMs = patience.pauseMsAfter(error);
      if (pauseMs === undefined) throw error;
      await new Promise((resume) => setTimeout(resume, pauseMs));
    }
  }
}

/** Tries a statement again that was never sent. @param handlerNow of the pool as it is then */
function patiently(statement: Statement, handlerNow: () => Statement['handler'], isEnding: () => boolean): void {
  const giveUp = statement.reject;
  let patience: Patience | undefined;
  statement.reject = (error) => {
    patience ??= new Patience();
    const pauseMs = isEnding() ? undefined : patience.pauseMsAfter(error);
    if (pauseMs === undefined) giveUp(error);
    else setTimeout(() => handlerNow()(statement), pauseMs);
  };
}

/**
 * @param connect makes a pool that tells when one of its connections has ended
 * @param options.replacedEndsWithinSeconds what a pool that was replaced has so long for; 15 unless given
 * @throws when the database cannot be reached
 */
export async function openPool(connect: (onClose: () => void) => Sql, { replacedEndsWithinSeconds = 15 }: { replacedEndsWithinSeconds?: number } = {}): Promise<Pool> {
  const types = await whilePatient(async () => {
    const first = connect(() => undefined);
    await first`select 1`.finally(() => first.end());
    return knownTypesOf(first);
  });
  let isEnding = false;
  let losses = 0;
  const make = (): Sql => {
    const made = connect(() => {
      losses += 1;
      if (isEnding || made !== current) return;
      current = make();
      // What is under way on other connections comes to its end, within limits. Nobody waits for it: the lost one never tells that it is done.
      void made.end({ timeout: replacedEndsWithinSeconds });
    });
    teach(made, types);
    return made;
  };
  let current = make();
  const handlerNow = () => (current`` as unknown as Statement).handler;
  const patient = (made: unknown): unknown => {
    if (isStatement(made)) patiently(made, handlerNow, () => isEnding);
    return made;
  };
  const transaction: Pool['transaction'] = async (work) => {
    const patience = new Patience();
    for (;;) {
      let hasBegun = false;
      try {
        return await inTransaction(current, () => losses, (transactionSql) => {
          hasBegun = true;
          return work(transactionSql);
        });
      } catch (error) {
        const pauseMs = hasBegun || isEnding ? undefined : patience.pauseMsAfter(error);
        if (pauseMs === undefined) throw error;
        await new Promise((resume) => setTimeout(resume, pauseMs));
      }
    }
  };
  const sql = new Proxy((() => undefined) as unknown as Sql, {
    apply: (_, self, statement) => patient(Reflect.apply(current as unknown as (...statement: unknown[]) => unknown, self, statement)),
    get: (_, key) => {
      if (key === 'begin') return transaction;
      if (key === 'unsafe') return (...statement: Parameters<Sql['unsafe']>) => patient(current.unsafe(...statement));
      return Reflect.get(current, key) as unknown;
    },
  });
  return {
    sql,
    transaction,
    async end(timeoutSeconds) {
      isEnding = true;
      await current.end({ timeout: timeoutSeconds });
    },
  };
}
