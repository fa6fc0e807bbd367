/** Jobs as the IoT core keeps them, in memory: what rollouts are tested against, without a broker. */
import { v7 } from 'uuid';
import type { CloudEvent, EventLog } from '../../../infra/events/port.ts';
import { iotContract, type JobExecutionStatus } from '../../../iot/contract.ts';
import type { Module } from '../../../module.ts';
import { moduleOf } from '../../../program/testing.ts';
import { Problem } from '../../../wire/problem.ts';
import type { UpdateJobDocument } from '../../../../edge/protocol/bundle.ts';

export interface Execution {
  jobId: string;
  vehicleId: string;
  status: JobExecutionStatus;
  statusDetails: Record<string, string>;
  versionNumber: number;
}

export class Jobs {
  readonly documents = new Map<string, UpdateJobDocument>();
  /** In the order in which they were queued; by vehicle. */
  readonly byVehicle = new Map<string, Execution[]>();
  /** How often a job was made, or made again. */
  readonly calls: string[] = [];
  events: EventLog | undefined;
  readonly #untold: CloudEvent[] = [];

  /** Whether every call is cut, once for each job, after it had its effect. */
  isCutOnce = false;
  readonly cuts = new Set<string>();

  #cutOnce(call: string): void {
    if (!this.isCutOnce || this.cuts.has(call)) return;
    this.cuts.add(call);
    throw new Error(`cut after ${call}`);
  }

  /** What a vehicle would be given next. */
  next(vehicleId: string): Execution | undefined {
    return this.byVehicle.get(vehicleId)?.find(({ status }) => status === 'IN_PROGRESS' || status === 'QUEUED');
  }

  all(jobId: string): Execution[] {
    return [...this.byVehicle.values()].flatMap((executions) => executions.filter((execution) => execution.jobId === jobId));
  }

  update(execution: Execution, status: JobExecutionStatus, statusDetails: Record<string, string> = {}): void {
    Object.assign(execution, { status, statusDetails, versionNumber: execution.versionNumber + 1 });
    this.#untold.push({
      specversion: '1.0', id: v7(), source: '/iot', type: iotContract.events.jobExecutionChanged.type, subject: execution.vehicleId, time: new Date().toISOString(), datacontenttype: 'application/json', dataschemaversion: 1, data: shown(execution),
    });
  }

  /** Publishes what has changed since the last time. */
  async tell(): Promise<void> {
    const events = this.#untold.splice(0);
    if (events.length > 0) await this.events?.append('jobs', events);
  }

  module(): Module {
    return moduleOf(iotContract, {
      createJob: async ({ params: { jobId }, body: { document, vehicleIds } }) => {
        this.calls.push(jobId);
        const known = this.documents.get(jobId);
        if (known && JSON.stringify(known) !== JSON.stringify(document)) throw new Problem('job-conflict');
        this.documents.set(jobId, document as UpdateJobDocument);
        const fresh = vehicleIds.filter((vehicleId) => !this.byVehicle.get(vehicleId)?.some((execution) => execution.jobId === jobId));
        for (const vehicleId of fresh) this.byVehicle.set(vehicleId, [...(this.byVehicle.get(vehicleId) ?? []), { jobId, vehicleId, status: 'QUEUED', statusDetails: {}, versionNumber: 1 }]);
        this.#cutOnce(`createJob ${jobId}`);
        return { queued: fresh.length };
      },
      cancelJob: async ({ params: { jobId } }) => {
        if (!this.documents.has(jobId)) throw new Problem('not-found');
        const queued = this.all(jobId).filter(({ status }) => status === 'QUEUED');
        for (const execution of queued) this.update(execution, 'CANCELED');
        this.#cutOnce(`cancelJob ${jobId}`);
        return { cancelled: queued.length };
      },
      listJobExecutions: async ({ params: { jobId }, query: { limit, cursor } }) => {
        if (!this.documents.has(jobId)) throw new Problem('not-found');
        const all = this.all(jobId).toSorted((a, b) => (a.vehicleId < b.vehicleId ? -1 : 1)).filter(({ vehicleId }) => cursor === undefined || vehicleId > cursor);
        return { items: all.slice(0, limit).map(shown), counts: {}, ...(all.length > limit && { next: all[limit - 1]?.vehicleId }) };
      },
    });
  }
}

function shown({ jobId, vehicleId, status, statusDetails, versionNumber }: Execution) {
  const at = new Date().toISOString();
  return { jobId, vehicleId, status, statusDetails, versionNumber, executionNumber: 1, queuedAt: at, startedAt: status === 'QUEUED' ? null : at, updatedAt: at };
}
