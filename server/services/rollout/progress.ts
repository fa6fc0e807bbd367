/** What a rollout does by itself. Each look finishes what the last one may not have: it can be cut anywhere and made again. */
import type { Transaction } from '../../infra/sql/port.ts';
import type { iotContract } from '../../iot/contract.ts';
import type { ModuleContext } from '../../module.ts';
import type { Client } from '../../wire/contract.ts';
import { Problem } from '../../wire/problem.ts';
import type { telemetryContract } from '../telemetry/contract.ts';
import { type Baseline, judgeDeliveries, judgeHealth, type VehicleHealth } from './domain/gate.ts';
import { executionOf, jobIdOf } from './jobs.ts';
import type { Signing } from './signing.ts';
import { countTargets, countUndo, type Execution, findBundle, findRollout, keepJob, listByStage, listJobs, listToUndo, listUntold, markTold, markUndoing, recordExecutions, type RolloutRow, updateRollout } from './store.ts';
import { advance, lockKnown, lookAgainMs, lookAt, withStage } from './transitions.ts';

export interface RolloutServices {
  context: ModuleContext;
  iot: Client<typeof iotContract.operations>;
  telemetry: Client<typeof telemetryContract.operations>;
  signing: Signing;
}

/** Vehicles without the bundle that are looked at for comparison. */
const controlSample = 5000;
/** A stage that cannot be judged for so long, or for four soaks when they are longer, pauses. */
const patienceMs = 24 * 3600_000;

async function manifestOf({ context }: RolloutServices, row: RolloutRow) {
  const bundle = await findBundle(context.database.sql, row.bundleId);
  if (!bundle) throw new Error(`bundle ${row.bundleId} is gone`);
  return bundle.manifest;
}

/** Tells vehicles: the job first, then that they were told; made twice it is one job. */
async function deliver(services: RolloutServices, row: RolloutRow, purpose: Execution['purpose'], attempt: number, vehicleIds: string[]): Promise<void> {
  const { context: { database }, iot, signing } = services;
  const id = jobIdOf(purpose, row.id, purpose === 'install' ? row.stage : 0, attempt);
  const manifest = await manifestOf(services, row);
  const document = await keepJob(database.sql, { id, rolloutId: row.id, purpose, document: purpose === 'install' ? await signing.updateDocument(manifest) : await signing.revertDocument(manifest) });
  await iot.createJob({ params: { jobId: id }, body: { document, vehicleIds } });
  await (purpose === 'install' ? markTold : markUndoing)(database.sql, row.id, vehicleIds, attempt);
}

async function cancelQueued({ context: { database }, iot }: RolloutServices, row: RolloutRow): Promise<void> {
  for (const { id, purpose } of await listJobs(database.sql, row.id)) {
    if (purpose !== 'install') continue;
    await iot.cancelJob({ params: { jobId: id }, body: {} }).catch((error: unknown) => {
      // Written down, but never made.
      if (!(error instanceof Problem) || error.code !== 'not-found') throw error;
    });
  }
}

/** How the jobs stand by their own word: where an event is late or was lost, this is not. */
async function askJobs({ context: { database }, iot }: RolloutServices, row: RolloutRow): Promise<void> {
  for (const { id, purpose } of await listJobs(database.sql, row.id)) {
    let cursor: string | undefined;
    do {
      const page = await iot.listJobExecutions({ params: { jobId: id }, query: { limit: 1000, ...(cursor !== undefined && { cursor }) } });
      await recordExecutions(database.sql, purpose, page.items.flatMap((item) => executionOf(item) ?? []));
      cursor = page.next;
    } while (cursor !== undefined);
  }
}

/** Runs in a transaction if the rollout still stands as it was read; otherwise somebody else was here, and the next look sees. */
async function ifUnchanged({ context }: RolloutServices, read: RolloutRow, work: (transaction: Transaction, row: RolloutRow) => Promise<unknown>): Promise<void> {
  await context.database.transaction(async (transaction) => {
    const row = await lockKnown(transaction, read.id);
    if (row.state === read.state && row.stage === read.stage && row.attempt === read.attempt) await work(transaction, row);
  });
}

/** Not yet: notes why, and looks again; after too long it pauses. @param isPatient there is nothing to wait for but time */
async function wait(services: RolloutServices, row: RolloutRow, reasons: string[], isPatient = false): Promise<void> {
  const { clock } = services.context;
  await ifUnchanged(services, row, async (transaction, current) => {
    const stage = current.stages[current.stage];
    const sinceMs = Date.parse(stage?.startedAt ?? current.updatedAt.toISOString());
    if (!isPatient && clock.nowMs() - sinceMs > Math.max(patienceMs, 4 * 60_000 * current.soakMinutes)) {
      await advance(transaction, services.context, current, 'paused', { reason: `waited too long: ${reasons.join('; ')}`, stages: withStage(current, { gate: 'waiting', reasons }) });
      return;
    }
    if (JSON.stringify(stage?.reasons) !== JSON.stringify(reasons)) await updateRollout(transaction.sql, current.id, { stages: withStage(current, { gate: 'waiting', reasons }), updatedAt: clock.now() });
    const untilSoakedMs = stage?.soakUntil && current.state === 'soaking' ? Math.max(0, Date.parse(stage.soakUntil) - clock.nowMs()) : Number.POSITIVE_INFINITY;
    lookAt(transaction, current, clock.nowMs(), Math.max(50, Math.min(lookAgainMs(current), untilSoakedMs || lookAgainMs(current))));
  });
}

const stop = (services: RolloutServices, row: RolloutRow, reasons: string[], health: RolloutRow['stages'][number]['health'] = null): Promise<void> =>
  ifUnchanged(services, row, (transaction, current) =>
    advance(transaction, services.context, current, 'stopped', { reason: reasons.join('; '), stages: withStage(current, { gate: 'failed', reasons, ...(health && { health }) }) }));

async function delivering(services: RolloutServices, row: RolloutRow): Promise<void> {
  const { context } = services;
  const untold = await listUntold(context.database.sql, row.id, row.stage);
  if (untold.length > 0) {
    await deliver(services, row, 'install', row.attempt, untold);
    // Paused or stopped meanwhile, by hand: what was delivered too late is cancelled.
    if ((await findRollout(context.database.sql, row.id))?.state !== 'delivering') return look(services, row.id);
  }
  const counts = (await countTargets(context.database.sql, row.id)).get(row.stage);
  if (!counts) throw new Error(`stage ${row.stage} of rollout ${row.id} has no vehicles`);
  const { gate, reasons } = judgeDeliveries(counts, row.thresholds);
  if (gate === 'failed') return stop(services, row, reasons);
  if (gate === 'waiting') return wait(services, row, reasons);
  const now = context.clock.nowMs();
  await ifUnchanged(services, row, (transaction, current) =>
    advance(transaction, context, current, 'delivered', {
      stages: withStage(current, { soakFrom: new Date(now).toISOString(), soakUntil: new Date(now + current.soakMinutes * 60_000).toISOString(), reasons: [] }),
    }));
}

/** The baseline that the last stage with a control group saw. */
const baselineBefore = (row: RolloutRow): Baseline | undefined =>
  row.stages.slice(0, row.stage).flatMap(({ health }) => (health ? [{ silentPercent: health.controlSilentPercent, crashingPercent: health.controlCrashingPercent ?? 0 }] : [])).at(-1);

async function healthOf({ context: { database }, telemetry }: RolloutServices, row: RolloutRow, group: 'having' | 'control', since: string): Promise<VehicleHealth[]> {
  const vehicleIds = await listByStage(database.sql, row.id, row.stage, group, group === 'control' ? controlSample : 50_000);
  if (vehicleIds.length === 0) return [];
  const { items } = await telemetry.getHealth({ body: { vehicleIds, since } });
  const known = new Map(items.map((item) => [item.vehicleId, item]));
  return vehicleIds.map((vehicleId) => ({ records: known.get(vehicleId)?.records ?? 0, boots: known.get(vehicleId)?.bootsSince ?? 0 }));
}

async function soaking(services: RolloutServices, row: RolloutRow): Promise<void> {
  const { context } = services;
  const stage = row.stages[row.stage];
  const isOver = Date.parse(stage?.soakUntil ?? '') <= context.clock.nowMs();
  if (isOver) await askJobs(services, row);
  const counts = (await countTargets(context.database.sql, row.id)).get(row.stage);
  if (!counts) throw new Error(`stage ${row.stage} of rollout ${row.id} has no vehicles`);
  const deliveries = judgeDeliveries(counts, row.thresholds);
  if (deliveries.gate === 'failed') return stop(services, row, deliveries.reasons);
  if (!isOver) return wait(services, row, [`soaks until ${stage?.soakUntil}`], true);
  if (deliveries.gate === 'waiting') return wait(services, row, deliveries.reasons);
  const since = stage?.soakFrom ?? row.updatedAt.toISOString();
  const [having, control] = await Promise.all([healthOf(services, row, 'having', since), healthOf(services, row, 'control', since)]);
  const { gate, reasons, health } = judgeHealth(having, control, baselineBefore(row), row.thresholds);
  if (gate === 'failed') return stop(services, row, reasons, health);
  if (gate === 'waiting') return wait(services, row, reasons);
  await pass(services, row, health);
}

const firstWithVehicles = (counts: ReadonlyMap<number, unknown>, from: number): number | undefined => [...counts.keys()].filter((stage) => stage >= from).toSorted((a, b) => a - b)[0];

/** The next stage that has vehicles of its own begins now: the job is made at the next look. */
export async function nextStage(transaction: Transaction, context: ModuleContext, row: RolloutRow, event: 'passed' | 'approved', stages = row.stages): Promise<RolloutRow> {
  const following = firstWithVehicles(await countTargets(transaction.sql, row.id), row.stage + 1);
  if (following === undefined) throw new Error(`rollout ${row.id} has no stage after ${row.stage}`);
  return advance(transaction, context, row, event, { stage: following, stages: withStage({ ...row, stages }, { startedAt: context.clock.now().toISOString(), gate: 'waiting' }, following) });
}

async function pass(services: RolloutServices, read: RolloutRow, health: RolloutRow['stages'][number]['health']): Promise<void> {
  const { context } = services;
  const reasons = [`${health?.heard ?? 0} vehicles are heard, ${health?.crashing ?? 0} restart too often`];
  await ifUnchanged(services, read, async (transaction, row) => {
    const stages = withStage(row, { gate: 'passed', reasons, health });
    const following = firstWithVehicles(await countTargets(transaction.sql, row.id), row.stage + 1);
    if (following === undefined) await advance(transaction, context, row, 'finished', { stages });
    else if (row.approveEachStage) await advance(transaction, context, row, 'held', { stages });
    else await nextStage(transaction, context, row, 'passed', stages);
  });
}

/** Nobody else gets it; whoever has it, or may have, is told to go back, and again when that fails. */
async function rollingBack(services: RolloutServices, row: RolloutRow): Promise<void> {
  const { context } = services;
  const { sql } = context.database;
  await cancelQueued(services, row);
  await askJobs(services, row);
  const byAttempt = Map.groupBy(await listToUndo(sql, row.id), ({ attempt }) => attempt);
  for (const [attempt, vehicles] of byAttempt) await deliver(services, row, 'undo', attempt, vehicles.map(({ vehicleId }) => vehicleId));
  const { vehicles, undone, gaveUp, unsettled } = await countUndo(sql, row.id);
  const isOver = undone === vehicles && unsettled === 0;
  await ifUnchanged(services, row, async (transaction, current) => {
    if (isOver) {
      const isUntouched = vehicles === 0 && [...(await countTargets(transaction.sql, row.id)).values()].every(({ failed }) => failed === 0);
      await advance(transaction, context, current, isUntouched ? 'withdrawn' : 'undone', { reason: current.reason });
      return;
    }
    if (gaveUp > 0) context.logger.warn({ rolloutId: row.id, vehicles: gaveUp }, 'vehicles could not go back to what they had');
    lookAt(transaction, current, context.clock.nowMs(), lookAgainMs(current));
  });
}

/** Does what is due in the state. */
export async function look(services: RolloutServices, rolloutId: string): Promise<void> {
  const row = await findRollout(services.context.database.sql, rolloutId);
  switch (row?.state) {
    case 'delivering':
      return delivering(services, row);
    case 'soaking':
      return soaking(services, row);
    case 'rolling-back':
      return rollingBack(services, row);
    case 'paused':
      return cancelQueued(services, row);
    default:
      return undefined;
  }
}
