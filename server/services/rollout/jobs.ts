/** The ids of a rollout's jobs say whose they are; made again, a job has the same id. */
import type { JobExecution } from '../../iot/contract.ts';
import type { z } from 'zod';
import type { Execution } from './store.ts';

export const jobIdOf = (purpose: Execution['purpose'], rolloutId: string, stage: number, attempt: number): string => `${purpose}-${rolloutId}-${stage}-${attempt}`;

const pattern = /^(install|undo)-([0-9a-f-]{36})-(\d+)-(\d+)$/;

/** @returns `undefined` for the job of somebody else */
export function executionOf({ jobId, vehicleId, status, versionNumber }: z.infer<typeof JobExecution>): Execution | undefined {
  const [, purpose, rolloutId, , attempt] = pattern.exec(jobId) ?? [];
  if (rolloutId === undefined || (purpose !== 'install' && purpose !== 'undo')) return undefined;
  return { purpose, rolloutId, attempt: Number(attempt), vehicleId, status, versionNumber };
}
