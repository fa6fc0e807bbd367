/** Moves a rollout through its life: state, stage report, event and timer, in one transaction. */
import type { Transaction } from '../../infra/sql/port.ts';
import type { ModuleContext } from '../../module.ts';
import { Problem } from '../../wire/problem.ts';
import { rolloutContract } from './contract.ts';
import { next, type RolloutEvent } from './domain/life-cycle.ts';
import { toRollout } from './present.ts';
import { findBundle, lockRollout, type RolloutRow, type Stage, updateRollout } from './store.ts';

export const timerKind = 'rollout';
const shortestLookMs = 250;
const longestLookMs = 15_000;

/** How often a rollout is looked at: several times in a soak, and at least every 15 seconds. */
export const lookAgainMs = ({ soakMinutes }: RolloutRow): number => Math.min(longestLookMs, Math.max(shortestLookMs, soakMinutes * 15_000));

export function lookAt(transaction: Transaction, row: RolloutRow, nowMs: number, inMs: number): void {
  transaction.schedule({ kind: timerKind, key: row.id, dueAt: new Date(nowMs + inMs) });
}

/** The report of the stage that is under way, with changes. */
export const withStage = (row: RolloutRow, changes: Partial<Stage>, index = row.stage): Stage[] => row.stages.map((stage, each) => (each === index ? { ...stage, ...changes } : stage));

async function announce(transaction: Transaction, row: RolloutRow, kind: 'started' | 'changed' | 'stopped'): Promise<void> {
  const bundle = await findBundle(transaction.sql, row.bundleId);
  if (!bundle) throw new Error(`bundle ${row.bundleId} is gone`);
  transaction.publish(rolloutContract.events[kind], row.id, await toRollout(transaction.sql, row, bundle));
}

export const announceStart = (transaction: Transaction, row: RolloutRow): Promise<void> => announce(transaction, row, 'started');

/** @throws Problem `not-found` */
export async function lockKnown(transaction: Transaction, rolloutId: string): Promise<RolloutRow> {
  const row = await lockRollout(transaction.sql, rolloutId);
  if (!row) throw new Problem('not-found', 'no such rollout');
  return row;
}

/**
 * Applies an event to a rollout that is locked in this transaction; what follows from it happens at the next look, which is now.
 * @throws Problem `rollout-state` when the event is not allowed in the state
 */
export async function advance(transaction: Transaction, { clock }: Pick<ModuleContext, 'clock'>, row: RolloutRow, event: RolloutEvent, changes: Partial<RolloutRow> = {}): Promise<RolloutRow> {
  const state = next(row.state, event);
  if (!state) throw new Problem('rollout-state', `the rollout is ${row.state}`);
  const changed = await updateRollout(transaction.sql, row.id, { reason: null, ...changes, state, updatedAt: clock.now() });
  await announce(transaction, changed, event === 'stopped' ? 'stopped' : 'changed');
  lookAt(transaction, changed, clock.nowMs(), 0);
  return changed;
}
