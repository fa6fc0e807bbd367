/**
 * Connections that may be lost at any moment.
 *
 * postgres.js 3.4.9 rolls a transaction back on a connection that is gone, which ends the whole program
 * (https://github.com/porsager/postgres/issues/1208), lets the rest of a transaction run on whatever connection comes
 * after it, and never gets such a connection back. So nothing is sent after a loss, and the pool is replaced.
 *
 * Each of its connections first asks for the array types, and when it is lost at that moment nobody catches the error, and
 * arrays are sent malformed from then on. So they are asked for once, and every later connection is given the answer.
 */
import type { Sql, TransactionSql } from 'postgres';

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

/** Refuses statements once the connection is lost. */
function guarded(transaction: TransactionSql, isLost: () => boolean): TransactionSql {
  return new Proxy(transaction, {
    apply(target, self, statement) {
      if (isLost()) throw lost();
      return Reflect.apply(target as unknown as (...statement: unknown[]) => unknown, self, statement) as unknown;
    },
    get(target, key) {
      if (isLost()) throw lost();
      return Reflect.get(target, key) as unknown;
    },
  });
}

/** A transaction that ends at the loss of its connection, and leaves the connection alone from then on. */
async function inTransaction<T>(sql: Sql, work: (transaction: TransactionSql) => Promise<T>): Promise<T> {
  let isLost = false;
  const running = sql.begin(async (transaction) => {
    const outcome = await work(guarded(transaction, () => isLost)).then((value) => ({ value }), (error: unknown) => ({ error }));
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

/**
 * @param connect makes a pool that tells when one of its connections has ended
 * @throws when the database cannot be reached
 */
export async function openPool(connect: (onClose: () => void) => Sql): Promise<Pool> {
  const first = connect(() => undefined);
  await first`select 1`.finally(() => first.end());
  const types = knownTypesOf(first);
  let isEnding = false;
  const make = (): Sql => {
    const made = connect(() => {
      if (isEnding || made !== current) return;
      current = make();
      // What is under way on other connections comes to its end. Nobody waits for it: the lost one never tells that it is done.
      void made.end();
    });
    teach(made, types);
    return made;
  };
  let current = make();
  const transaction: Pool['transaction'] = (work) => inTransaction(current, work);
  const sql = new Proxy((() => undefined) as unknown as Sql, {
    apply: (_, self, statement) => Reflect.apply(current as unknown as (...statement: unknown[]) => unknown, self, statement) as unknown,
    get: (_, key) => (key === 'begin' ? transaction : (Reflect.get(current, key) as unknown)),
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
