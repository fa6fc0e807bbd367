/** Where something may go wrong in a simulated run: each place asks here, and the seed decides. */
import type { Module } from '../../server/module.ts';
import type { Database } from '../../server/infra/sql/port.ts';
import { Problem } from '../../server/wire/problem.ts';
import type { Random } from '../../simulator/randomness.ts';

/** What a place can be hit by. */
export type Kind = 'request-lost' | 'answer-lost' | 'killed-before-commit' | 'killed-after-commit' | 'delivered-again' | 'handler-killed' | 'charge-lost' | 'charge-unanswered' | 'provider-down' | 'command-lost' | 'report-late';

const likelihood: Record<Kind, number> = {
  'request-lost': 0.04, 'answer-lost': 0.05, 'killed-before-commit': 0.03, 'killed-after-commit': 0.04, 'delivered-again': 0.15, 'handler-killed': 0.06,
  'charge-lost': 0.08, 'charge-unanswered': 0.1, 'provider-down': 0.08, 'command-lost': 0.1, 'report-late': 0.25,
};

export class Trouble {
  readonly #random: Random;
  readonly happened = new Map<Kind, number>();
  /** Nothing goes wrong: before the run, and at its end. */
  isOver = true;

  constructor(random: Random) {
    this.#random = random;
  }

  /** Draws the same number of times whether it hits or not. */
  hits(kind: Kind): boolean {
    const hit = this.#random() < likelihood[kind] && !this.isOver;
    if (hit) this.happened.set(kind, (this.happened.get(kind) ?? 0) + 1);
    return hit;
  }
}

/** Thrown where a process would have been killed: whoever asked never hears. */
export class Killed extends Error {
  override name = 'Killed';
}

type AnyHandler = (call: { caller?: { subject: string }; signal: AbortSignal }) => Promise<unknown>;
/** Nobody waits for a vehicle in a run without time: what it says is heard later. */
const waitsForNothing = AbortSignal.abort();

/** Calls between modules that are lost, and answers that are. */
function unreliable(handler: AnyHandler, trouble: Trouble): AnyHandler {
  return async (call) => {
    const ofModule = call.caller?.subject.startsWith('module:') ?? false;
    if (ofModule && trouble.hits('request-lost')) throw new Problem('unavailable', 'the request was lost');
    const answer = await handler({ ...call, caller: call.caller, signal: waitsForNothing } as never);
    if (ofModule && trouble.hits('answer-lost')) throw new Problem('unavailable', 'the answer was lost');
    return answer;
  };
}

/** Transactions that end with the process, just before the commit or just after it. */
const unreliableDatabase = (database: Database, trouble: Trouble): Database => ({
  ...database,
  async transaction(work) {
    const value = await database.transaction(async (current) => {
      const result = await work(current);
      if (trouble.hits('killed-before-commit')) throw new Killed('before the commit');
      return result;
    });
    if (trouble.hits('killed-after-commit')) throw new Killed('after the commit');
    return value;
  },
  consume: (events, handle) =>
    database.consume(events, async (event, transaction) => {
      await handle(event, transaction);
      if (trouble.hits('handler-killed')) throw new Killed('before the commit of a consumer');
    }),
});

/** The same module, on ground that gives way. It starts on firm ground. */
export function withTrouble(module: Module, trouble: Trouble): Module {
  return {
    ...module,
    async start(context) {
      const wasOver = trouble.isOver;
      trouble.isOver = true;
      const started = await module.start({ ...context, database: module.migrations ? unreliableDatabase(context.database, trouble) : context.database });
      trouble.isOver = wasOver;
      const handlers = Object.fromEntries(Object.entries(started.handlers ?? {}).map(([name, handler]) => [name, unreliable(handler as AnyHandler, trouble)]));
      return { ...started, handlers: handlers as never };
    },
  };
}
