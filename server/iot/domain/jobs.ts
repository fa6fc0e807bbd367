/** The life of a job execution, as AWS IoT Jobs has it. */
import type { JobExecutionStatus } from '../contract.ts';

export type { JobExecutionStatus };

/** What a device may say, from each status. What is missing is refused; statuses without an entry are final. */
export const executionLifeCycle: Record<JobExecutionStatus, readonly JobExecutionStatus[]> = {
  QUEUED: ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'REJECTED', 'CANCELED'],
  IN_PROGRESS: ['IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'REJECTED', 'TIMED_OUT', 'CANCELED'],
  SUCCEEDED: [],
  FAILED: [],
  TIMED_OUT: [],
  REJECTED: [],
  REMOVED: [],
  CANCELED: [],
};

/** What only the platform says. */
const platformOnly: readonly JobExecutionStatus[] = ['TIMED_OUT', 'CANCELED', 'REMOVED', 'QUEUED'];

export const isOver = (status: JobExecutionStatus): boolean => executionLifeCycle[status].length === 0;

export type TransitionRefusal = 'TerminalStateReached' | 'InvalidStateTransition';

/** @returns why a device may not say so, or undefined */
export function refusalOfStatus(from: JobExecutionStatus, to: JobExecutionStatus): TransitionRefusal | undefined {
  if (isOver(from)) return 'TerminalStateReached';
  return platformOnly.includes(to) || !executionLifeCycle[from].includes(to) ? 'InvalidStateTransition' : undefined;
}
