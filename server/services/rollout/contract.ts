/** What Rollout promises: signed bundles, brought to the fleet in stages that stop by themselves. */
import { z } from 'zod';
import { BundleManifest, KeySet } from '../../../edge/protocol/bundle.ts';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { Id, Instant, page, PageQuery } from '../../wire/schemas.ts';

const staff = { roles: ['staff', 'admin', 'machine'], scope: 'rollouts:read' } as const;
const admin = { roles: ['admin', 'machine'], scope: 'rollouts:manage' } as const;
const rolloutParams = z.object({ rolloutId: Id });

export const Bundle = z.object({ id: Id, kind: BundleManifest.shape.kind, version: z.string(), sizeBytes: z.int(), sha256: z.string(), keyId: z.string(), createdAt: Instant, createdBy: z.string() });

/** `soaking` waits and watches after a stage was delivered; `rolling-back` brings the version before back to who has it. */
export const RolloutState = z.enum(['waiting-for-approval', 'delivering', 'soaking', 'paused', 'rolling-back', 'rolled-back', 'complete', 'cancelled']);
export type RolloutState = z.infer<typeof RolloutState>;

export const Thresholds = z.object({
  /** Failed or rejected installations of the stage. */
  maximumFailurePercent: z.number().min(0).max(100).default(5),
  /** Vehicles that restarted more often than this since they have it count as crashing: as many again as the rest of the fleet, plus this. */
  maximumCrashingPercent: z.number().min(0).max(100).default(5),
  /** Vehicles that have it and went silent, against those that do not have it. */
  maximumSilentPercent: z.number().min(0).max(100).default(5),
  /** Of the stage, before the gate may open. */
  minimumInstalledPercent: z.number().min(0).max(100).default(80),
});

export type Thresholds = z.infer<typeof Thresholds>;

export const StageReport = z.object({
  percent: z.number(), vehicles: z.int(), startedAt: Instant.nullable(), soakUntil: Instant.nullable(),
  queued: z.int(), inProgress: z.int(), succeeded: z.int(), failed: z.int(),
  gate: z.enum(['not-reached', 'waiting', 'passed', 'failed']), reasons: z.array(z.string()),
  health: z.object({ heard: z.int(), silent: z.int(), crashing: z.int(), controlSilentPercent: z.number(), controlCrashingPercent: z.number().optional() }).nullable(),
});
export type StageReport = z.infer<typeof StageReport>;

export const Rollout = z.object({
  id: Id, bundle: Bundle, state: RolloutState, stage: z.int().min(0), stages: z.array(StageReport), soakMinutes: z.number(), approveEachStage: z.boolean(), thresholds: Thresholds,
  /** Vehicles that had it, or may have, and are told to go back; `undone` of them have. */
  undo: z.object({ vehicles: z.int(), undone: z.int() }).optional(),
  reason: z.string().nullable(), createdAt: Instant, createdBy: z.string(), updatedAt: Instant,
});
export type Rollout = z.infer<typeof Rollout>;

export const rolloutContract = defineContract({
  module: 'rollout',
  operations: {
    createBundle: {
      method: 'POST', path: '/v1/bundles', summary: 'Sign and store a bundle: a gzipped tar as the file of the form', access: admin, public: true, idempotent: true, consumes: 'multipart/form-data', bodyLimitBytes: 64 * 1024 * 1024,
      query: z.object({ kind: BundleManifest.shape.kind, version: BundleManifest.shape.version, minimumAgentVersion: z.string().max(40).optional() }), status: 201, response: Bundle, errors: ['bundle-invalid', 'bundle-exists'],
    },
    listBundles: { method: 'GET', path: '/v1/bundles', summary: 'Bundles, the newest first', access: staff, public: true, query: PageQuery, status: 200, response: page(Bundle), errors: [] },
    getArchive: {
      method: 'GET', path: '/v1/bundles/{bundleId}/archive', summary: 'The archive, for vehicles with the ticket of their job; `from` goes on where a download broke off', access: 'anyone', public: true,
      params: z.object({ bundleId: Id }), query: z.object({ ticket: z.string().max(2000), from: z.coerce.number().int().min(0).default(0) }), produces: ['application/gzip'], status: 200, errors: ['not-found', 'ticket-invalid'],
    },
    createRollout: {
      method: 'POST', path: '/v1/rollouts', summary: 'Bring a bundle to the fleet, in stages of growing size', access: admin, public: true, idempotent: true,
      body: z.strictObject({
        bundleId: Id, cityId: z.string().max(60).optional().describe('all cities without it'), stagesPercent: z.array(z.number().gt(0).max(100)).min(1).max(10).default([1, 10, 50, 100]),
        soakMinutes: z.number().min(0).max(10_080).default(60), approveEachStage: z.boolean().default(false), thresholds: Thresholds.prefault({}),
      }),
      status: 201, response: Rollout, errors: ['not-found', 'rollout-conflict'],
    },
    listRollouts: { method: 'GET', path: '/v1/rollouts', summary: 'Rollouts, the newest first', access: staff, public: true, query: PageQuery, status: 200, response: page(Rollout), errors: [] },
    getRollout: { method: 'GET', path: '/v1/rollouts/{rolloutId}', summary: 'How a rollout stands', access: staff, public: true, params: rolloutParams, status: 200, response: Rollout, errors: ['not-found'] },
    pauseRollout: { method: 'POST', path: '/v1/rollouts/{rolloutId}/pause', summary: 'Deliver to nobody else for now', access: admin, public: true, params: rolloutParams, status: 200, response: Rollout, errors: ['not-found', 'rollout-state'] },
    resumeRollout: { method: 'POST', path: '/v1/rollouts/{rolloutId}/resume', summary: 'Go on', access: admin, public: true, params: rolloutParams, status: 200, response: Rollout, errors: ['not-found', 'rollout-state'] },
    approveRollout: { method: 'POST', path: '/v1/rollouts/{rolloutId}/approve', summary: 'Let the next stage begin', access: admin, public: true, params: rolloutParams, status: 200, response: Rollout, errors: ['not-found', 'rollout-state'] },
    rollBackRollout: { method: 'POST', path: '/v1/rollouts/{rolloutId}/roll-back', summary: 'Undo it everywhere', access: admin, public: true, params: rolloutParams, body: z.strictObject({ reason: z.string().min(1).max(500) }), status: 200, response: Rollout, errors: ['not-found', 'rollout-state'] },
    getSigningKeys: {
      method: 'GET', path: '/v1/bundle-keys', summary: 'The keys that bundles are signed with now: what a vehicle is built with', access: staff, public: true, status: 200,
      response: KeySet.extend({ counter: z.int().min(0) }), errors: [],
    },
    rotateSigningKey: { method: 'POST', path: '/v1/bundle-keys/rotate', summary: 'A new key signs from now on; the old one has signed it, so vehicles follow', access: admin, public: true, status: 200, response: z.object({ keyId: z.string() }), errors: [] },
  },
  events: {
    started: defineEvent('operations.rollout-started', 'A rollout began', Rollout),
    changed: defineEvent('operations.rollout-changed', 'A rollout went on', Rollout),
    stopped: defineEvent('operations.rollout-stopped', 'A rollout was stopped by its gate or by hand, and is undone', Rollout),
  },
});
