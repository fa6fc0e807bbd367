import type { Sql, TransactionSql } from 'postgres';
import type { Rollout } from './contract.ts';
import { toBundle } from './bundles.ts';
import { type BundleRow, countTargets, countUndo, type RolloutRow } from './store.ts';

/** A rollout as it stands: stages with their counts, which are read from the vehicles. */
export async function toRollout(sql: Sql | TransactionSql, row: RolloutRow, bundle: BundleRow): Promise<Rollout> {
  const counts = await countTargets(sql, row.id);
  const undo = row.state.startsWith('roll') ? await countUndo(sql, row.id) : undefined;
  const none = { vehicles: 0, queued: 0, inProgress: 0, succeeded: 0, failed: 0 };
  return {
    id: row.id, bundle: toBundle(bundle), state: row.state, stage: row.stage,
    stages: row.stages.map(({ soakFrom: _internal, ...stage }, index) => ({ ...stage, ...(counts.get(index) ?? none) })),
    soakMinutes: row.soakMinutes, approveEachStage: row.approveEachStage, thresholds: row.thresholds,
    ...(undo && { undo: { vehicles: undo.vehicles, undone: undo.undone } }),
    reason: row.reason, createdAt: row.createdAt.toISOString(), createdBy: row.createdBy, updatedAt: row.updatedAt.toISOString(),
  };
}
