import { createHash } from 'node:crypto';
import { v7 } from 'uuid';
import { iotContract } from '../../iot/contract.ts';
import { defineModule, type ModuleContext } from '../../module.ts';
import type { Handlers } from '../../wire/contract.ts';
import { requestHash } from '../../wire/idempotency.ts';
import { idCursor } from '../../wire/cursor.ts';
import { Problem } from '../../wire/problem.ts';
import { telemetryContract } from '../telemetry/contract.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { bundleHandlers } from './bundles.ts';
import { type Rollout, rolloutContract } from './contract.ts';
import { assignStages } from './domain/stages.ts';
import { executionOf } from './jobs.ts';
import { toRollout } from './present.ts';
import { look, nextStage, type RolloutServices } from './progress.ts';
import { Signing } from './signing.ts';
import { findBundle, findByKey, findRival, findRollout, insertRollout, insertTargets, listRollouts, lockName, recordExecutions, type RolloutRow } from './store.ts';
import { advance, announceStart, lockKnown, lookAt, timerKind } from './transitions.ts';

type Operations = typeof rolloutContract.operations;
type Part<K extends keyof Operations> = Pick<Handlers<Operations>, K>;

async function present({ context: { database } }: RolloutServices, row: RolloutRow): Promise<Rollout> {
  const bundle = await findBundle(database.sql, row.bundleId);
  if (!bundle) throw new Error(`bundle ${row.bundleId} is gone`);
  return toRollout(database.sql, row, bundle);
}

function creation(services: RolloutServices): Part<'createRollout'> {
  const { context } = services;
  const { database, clock } = context;
  const vehicles = context.client(vehicleContract);
  return {
    async createRollout({ body, caller, idempotencyKey }) {
      const id = v7();
      const createdBy = caller?.subject ?? 'unknown';
      const hash = requestHash(body);
      const key = idempotencyKey ?? id;
      const repeated = await findByKey(database.sql, createdBy, key);
      if (repeated && repeated.requestHash !== hash) throw new Problem('idempotency-key-reused');
      if (repeated) return present(services, repeated);
      if (body.stagesPercent.some((percent, index) => percent <= (body.stagesPercent[index - 1] ?? 0))) throw new Problem('invalid-request', 'each stage is larger than the one before');
      const bundle = await findBundle(database.sql, body.bundleId);
      if (!bundle) throw new Problem('not-found', 'no such bundle');
      const { vehicleIds } = await vehicles.listVehicleIds({ query: { ...(body.cityId !== undefined && { cityId: body.cityId }) } });
      const lotOf = (vehicleId: string) => createHash('sha256').update(`${id}/${vehicleId}`).digest('hex');
      const targets = assignStages(vehicleIds, body.stagesPercent, lotOf);
      if (targets.length === 0) throw new Problem('not-found', 'there are no vehicles');
      const now = clock.now();
      const row: RolloutRow = {
        id, bundleId: bundle.id, kind: bundle.kind, cityId: body.cityId ?? null, state: 'delivering', stage: 0, attempt: 0,
        stages: body.stagesPercent.map((percent, index) => ({ percent, startedAt: index === 0 ? now.toISOString() : null, soakFrom: null, soakUntil: null, gate: index === 0 ? 'waiting' : 'not-reached', reasons: [], health: null })),
        soakMinutes: body.soakMinutes, approveEachStage: body.approveEachStage, thresholds: body.thresholds, reason: null,
        createdAt: now, createdBy, updatedAt: now, idempotencyKey: key, requestHash: hash,
      };
      await database.transaction(async (transaction) => {
        await lockName(transaction.sql, `rollouts of ${bundle.kind}`);
        const rival = await findRival(transaction.sql, bundle.kind, row.cityId);
        if (rival) throw new Problem('rollout-conflict', `rollout ${rival.id} is ${rival.state}`);
        await insertRollout(transaction.sql, row);
        await insertTargets(transaction.sql, id, targets);
        await announceStart(transaction, row);
        lookAt(transaction, row, clock.nowMs(), 0);
      });
      return present(services, row);
    },
  };
}

function operation(services: RolloutServices): Part<'listRollouts' | 'getRollout' | 'pauseRollout' | 'resumeRollout' | 'approveRollout' | 'rollBackRollout'> {
  const { context } = services;
  const { database } = context;
  const change = async (rolloutId: string, work: (...given: Parameters<Parameters<ModuleContext['database']['transaction']>[0]>) => (row: RolloutRow) => Promise<RolloutRow>): Promise<Rollout> =>
    present(services, await database.transaction(async (transaction) => work(transaction)(await lockKnown(transaction, rolloutId))));
  return {
    async listRollouts({ query: { limit, cursor } }) {
      const rows = await listRollouts(database.sql, limit + 1, idCursor(cursor));
      return { items: await Promise.all(rows.slice(0, limit).map((row) => present(services, row))), ...(rows.length > limit && { next: rows[limit - 1]?.id }) };
    },
    async getRollout({ params }) {
      const row = await findRollout(database.sql, params.rolloutId);
      if (!row) throw new Problem('not-found', 'no such rollout');
      return present(services, row);
    },
    pauseRollout: ({ params }) => change(params.rolloutId, (transaction) => (row) => advance(transaction, context, row, 'paused', { reason: 'paused by hand' })),
    // What was cancelled is delivered by a new job; the stage has its full time again.
    resumeRollout: ({ params }) =>
      change(params.rolloutId, (transaction) => (row) =>
        advance(transaction, context, row, 'resumed', {
          attempt: row.attempt + 1,
          stages: row.stages.map((stage, index) => (index === row.stage ? { ...stage, startedAt: context.clock.now().toISOString(), soakFrom: null, soakUntil: null, gate: 'waiting' as const, reasons: [] } : stage)),
        })),
    approveRollout: ({ params }) => change(params.rolloutId, (transaction) => (row) => nextStage(transaction, context, row, 'approved')),
    rollBackRollout: ({ params, body }) => change(params.rolloutId, (transaction) => (row) => advance(transaction, context, row, 'stopped', { reason: body.reason })),
  };
}

export const rolloutModule = defineModule<Operations>({
  name: 'rollout',
  contract: rolloutContract,
  needs: ['iot', 'telemetry', 'vehicle'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const services: RolloutServices = { context, iot: context.client(iotContract), telemetry: context.client(telemetryContract), signing: new Signing(context) };
    context.database.onTimer(timerKind, ({ key }) => look(services, key));
    const { jobExecutionChanged } = iotContract.events;
    context.database.consume([jobExecutionChanged], async (event, { sql }) => {
      const execution = executionOf(jobExecutionChanged.data.parse(event.data));
      if (execution) await recordExecutions(sql, execution.purpose, [execution]);
    });
    return { handlers: { ...bundleHandlers(context, services.signing), ...creation(services), ...operation(services) } };
  },
});
