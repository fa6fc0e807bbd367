/** The platform's side of shadows and jobs. */
import type { Handlers } from '../wire/contract.ts';
import { Problem } from '../wire/problem.ts';
import type { iotContract } from './contract.ts';
import type { DeviceCore } from './core.ts';
import type { JsonObject } from './domain/shadow.ts';
import type { Jobs } from './jobs/jobs.ts';
import { ShadowRefused, type Shadows, shown } from './shadow/shadows.ts';

type Operations = typeof iotContract.operations;

const problems = { 400: 'shadow-invalid', 404: 'not-found', 409: 'shadow-conflict', 413: 'shadow-invalid', 500: 'unavailable' } as const;

/** Refusals of the wire as problems of the API. */
async function asProblem<T>(work: Promise<T>): Promise<T> {
  try {
    return await work;
  } catch (error) {
    throw error instanceof ShadowRefused ? new Problem(problems[error.code], error.message) : error;
  }
}

export function thingHandlers({ shadows, jobs, core }: { shadows: Shadows; jobs: Jobs; core: DeviceCore }): Pick<Handlers<Operations>, 'getShadow' | 'updateDesired' | 'createJob' | 'cancelJob' | 'listJobExecutions'> {
  return {
    getShadow: async ({ params: { vehicleId }, query: { name } }) => shown(await asProblem(shadows.get(vehicleId, name))),
    async updateDesired({ params: { vehicleId }, query: { name }, body: { desired, version } }) {
      const { current, messages } = await asProblem(shadows.want(vehicleId, name, desired as JsonObject, version));
      core.send(vehicleId, messages);
      return shown(current);
    },
    createJob: async ({ params: { jobId }, body: { document, vehicleIds, inProgressTimeoutMinutes } }) => ({ queued: await jobs.create({ jobId, document, vehicleIds, inProgressTimeoutMinutes }) }),
    cancelJob: async ({ params: { jobId }, body: { force } }) => ({ cancelled: await jobs.cancel(jobId, force) }),
    listJobExecutions: ({ params: { jobId }, query: { cursor, limit } }) => jobs.list(jobId, cursor, limit),
  };
}
