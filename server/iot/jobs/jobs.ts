/** Jobs on AWS IoT's topics: work orders that wait until the vehicle takes them up, and are done once. */
import { z } from 'zod';
import type { Clock } from '../../infra/clock/port.ts';
import type { Logger } from '../../infra/observability/port.ts';
import type { Database, TimerFired, Transaction } from '../../infra/sql/port.ts';
import { Problem } from '../../wire/problem.ts';
import { iotContract, type JobExecution } from '../contract.ts';
import { isOver, type JobExecutionStatus, refusalOfStatus } from '../domain/jobs.ts';
import type { ThingMessage, ThingService } from '../thing-messages.ts';
import { cancelExecutions, countExecutions, type ExecutionRow, insertExecutions, insertJob, jobExists, listExecutions, lockExecution, type PendingRow, pendingOf, writeExecution } from './store.ts';

type RefusalCode = 'InvalidTopic' | 'InvalidJson' | 'InvalidRequest' | 'InvalidStateTransition' | 'ResourceNotFound' | 'VersionMismatch' | 'TerminalStateReached' | 'InternalError';

/** A refusal in AWS IoT Jobs' words. */
class JobRefused extends Error {
  readonly code: RefusalCode;
  readonly execution: PendingRow | undefined;

  constructor(code: RefusalCode, message: string, execution?: PendingRow) {
    super(message);
    this.code = code;
    this.execution = execution;
  }
}

const token = { clientToken: z.string().max(64).optional() };
const StatusDetails = z.record(z.string().max(128), z.string().max(1024)).refine((details) => Object.keys(details).length <= 10, 'at most 10 status details');
/** -1 removes it. */
const StepTimeout = z.int().min(-1).max(10_080).refine((minutes) => minutes !== 0, 'from 1 to 10080, or -1');
const requests = {
  get: z.object(token),
  startNext: z.object({ ...token, statusDetails: StatusDetails.optional(), stepTimeoutInMinutes: StepTimeout.optional() }),
  describe: z.object({ ...token, executionNumber: z.number().optional(), includeJobDocument: z.boolean().default(true) }),
  update: z.object({
    ...token, status: z.enum(['QUEUED', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'REJECTED', 'REMOVED', 'CANCELED']), statusDetails: StatusDetails.optional(),
    expectedVersion: z.union([z.int(), z.string().regex(/^\d+$/).transform(Number)]).optional(), executionNumber: z.number().optional(),
    includeJobExecutionState: z.boolean().default(false), includeJobDocument: z.boolean().default(false), stepTimeoutInMinutes: StepTimeout.optional(),
  }),
};

const prefixOf = (thing: string): string => `$aws/things/${thing}/jobs/`;
const timerKind = 'job-timeout';
const seconds = (date: Date): number => Math.floor(date.getTime() / 1000);
const bytes = (content: object): Uint8Array => Buffer.from(JSON.stringify(content));

/** An execution as its vehicle sees it. */
function seen(row: PendingRow, withDocument: boolean): object {
  const { jobId, vehicleId, status, statusDetails, versionNumber, executionNumber, queuedAt, startedAt, updatedAt, document } = row;
  return {
    jobId, thingName: vehicleId, status, statusDetails, versionNumber, executionNumber, queuedAt: seconds(queuedAt), ...(startedAt && { startedAt: seconds(startedAt) }), lastUpdatedAt: seconds(updatedAt),
    ...(withDocument && { jobDocument: document }),
  };
}

const summary = ({ jobId, versionNumber, executionNumber, queuedAt, startedAt, updatedAt }: PendingRow): object =>
  ({ jobId, queuedAt: seconds(queuedAt), ...(startedAt && { startedAt: seconds(startedAt) }), lastUpdatedAt: seconds(updatedAt), versionNumber, executionNumber });

const stateOf = ({ status, statusDetails, versionNumber }: ExecutionRow): object => ({ status, statusDetails, versionNumber });

/** An execution as the platform sees it. */
export const presented = ({ jobId, vehicleId, status, statusDetails, versionNumber, executionNumber, queuedAt, startedAt, updatedAt }: ExecutionRow): z.input<typeof JobExecution> => ({
  jobId, vehicleId, status, statusDetails, versionNumber, executionNumber, queuedAt: queuedAt.toISOString(), startedAt: startedAt?.toISOString() ?? null, updatedAt: updatedAt.toISOString(),
});

export interface JobsOptions {
  database: Database;
  clock: Clock;
  logger: Logger;
  /** Publishes to a vehicle, when it is connected. */
  send(vehicleId: string, messages: readonly ThingMessage[]): boolean;
  isConnected(vehicleId: string): boolean;
}

export class Jobs implements ThingService {
  readonly #database: Database;
  readonly #clock: Clock;
  readonly #logger: Logger;
  readonly #send: JobsOptions['send'];
  readonly #isConnected: JobsOptions['isConnected'];

  constructor({ database, clock, logger, send, isConnected }: JobsOptions) {
    this.#database = database;
    this.#clock = clock;
    this.#logger = logger;
    this.#send = send;
    this.#isConnected = isConnected;
    database.onTimer(timerKind, (timer) => this.#timedOut(timer));
  }

  handle(thing: string, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[]> | undefined {
    const prefix = prefixOf(thing);
    return topic.startsWith(prefix) ? this.#answer(thing, topic, topic.slice(prefix.length), payload) : undefined;
  }

  async #answer(thing: string, topic: string, rest: string, payload: Uint8Array): Promise<readonly ThingMessage[]> {
    let clientToken: string | undefined;
    const timestamp = seconds(this.#clock.now());
    try {
      const request = jsonOf(payload);
      clientToken = requests.get.safeParse(request).data?.clientToken;
      const content = await this.#route(thing, rest, request);
      return [{ topic: `${topic}/accepted`, payload: bytes({ ...content, timestamp, ...(clientToken !== undefined && { clientToken }) }) }];
    } catch (error) {
      if (!(error instanceof JobRefused)) this.#logger.error({ error, thing, topic }, 'jobs cannot be served');
      const refused = error instanceof JobRefused ? error : new JobRefused('InternalError', 'Internal error');
      const { code, message, execution } = refused;
      return [{ topic: `${topic}/rejected`, payload: bytes({ code, message, timestamp, ...(execution && { executionState: stateOf(execution) }), ...(clientToken !== undefined && { clientToken }) }) }];
    }
  }

  #route(thing: string, rest: string, request: unknown): Promise<object> {
    if (rest === 'get') return this.#pending(thing);
    if (rest === 'start-next') return this.#startNext(thing, read(requests.startNext, request));
    const [, jobId, operation] = /^(\$next|[A-Za-z0-9_-]{1,64})\/(get|update)$/.exec(rest) ?? [];
    if (jobId === undefined) throw new JobRefused('InvalidTopic', 'There is no such operation');
    return operation === 'get' ? this.#describe(thing, jobId, read(requests.describe, request)) : this.#update(thing, jobId, read(requests.update, request));
  }

  async #pending(thing: string): Promise<object> {
    const rows = await pendingOf(this.#database.sql, [thing]);
    return { inProgressJobs: rows.filter(({ status }) => status === 'IN_PROGRESS').map(summary), queuedJobs: rows.filter(({ status }) => status === 'QUEUED').map(summary) };
  }

  async #describe(thing: string, jobId: string, { executionNumber, includeJobDocument }: z.infer<typeof requests.describe>): Promise<object> {
    if (jobId === '$next') {
      const [next] = await pendingOf(this.#database.sql, [thing]);
      return next ? { execution: seen(next, includeJobDocument) } : {};
    }
    const row = await this.#database.transaction(({ sql }) => lockExecution(sql, jobId, thing));
    if (!row || (executionNumber !== undefined && executionNumber !== row.executionNumber)) throw new JobRefused('ResourceNotFound', `There is no execution of job ${jobId} for this thing`);
    return { execution: seen(row, includeJobDocument) };
  }

  /** What is under way, or else the oldest that waits, which is under way from now on. */
  async #startNext(thing: string, { statusDetails, stepTimeoutInMinutes }: z.infer<typeof requests.startNext>): Promise<object> {
    const started = await this.#database.transaction(async (transaction) => {
      const [next] = await pendingOf(transaction.sql, [thing]);
      const row = next && (await lockExecution(transaction.sql, next.jobId, thing));
      if (!row || isOver(row.status)) return undefined;
      if (row.status === 'IN_PROGRESS' && statusDetails === undefined && stepTimeoutInMinutes === undefined) return row;
      return this.#move(transaction, row, { status: 'IN_PROGRESS', ...(statusDetails && { statusDetails }) }, stepTimeoutInMinutes);
    });
    return started ? { execution: seen(started, true) } : {};
  }

  async #update(thing: string, jobId: string, asked: z.infer<typeof requests.update>): Promise<object> {
    const { status, statusDetails, expectedVersion, executionNumber, stepTimeoutInMinutes } = asked;
    const row = await this.#database.transaction(async (transaction) => {
      const found = await lockExecution(transaction.sql, jobId, thing);
      if (!found || (executionNumber !== undefined && executionNumber !== found.executionNumber)) throw new JobRefused('ResourceNotFound', `There is no execution of job ${jobId} for this thing`);
      const refusal = refusalOfStatus(found.status, status);
      if (refusal === 'TerminalStateReached') throw new JobRefused(refusal, `The execution is ${found.status} already`, found);
      if (expectedVersion !== undefined && expectedVersion !== found.versionNumber) throw new JobRefused('VersionMismatch', `The version is ${found.versionNumber}, not ${expectedVersion}`, found);
      if (refusal) throw new JobRefused(refusal, `From ${found.status} a thing does not go to ${status}`, found);
      return this.#move(transaction, found, { status, ...(statusDetails && { statusDetails }) }, stepTimeoutInMinutes);
    });
    if (isOver(row.status)) await this.#notify([thing]);
    return { ...(asked.includeJobExecutionState && { executionState: stateOf(row) }), ...(asked.includeJobDocument && { jobDocument: row.document }) };
  }

  /** The change, its timeout and its event: all in one transaction. */
  async #move(transaction: Transaction, row: PendingRow, change: { status: JobExecutionStatus; statusDetails?: Record<string, string> }, stepTimeoutMinutes?: number): Promise<PendingRow> {
    const now = this.#clock.now();
    const timesOutAt = this.#timesOutAt(row, change.status, stepTimeoutMinutes);
    const next: PendingRow = { ...row, ...change, versionNumber: row.versionNumber + 1, startedAt: row.startedAt ?? now, updatedAt: now, timesOutAt };
    await writeExecution(transaction.sql, next);
    const key = `${row.jobId} ${row.vehicleId}`;
    if (timesOutAt) transaction.schedule({ kind: timerKind, key, dueAt: timesOutAt, payload: { jobId: row.jobId, vehicleId: row.vehicleId } });
    else if (row.timesOutAt) transaction.cancelTimer(timerKind, key);
    transaction.publish(iotContract.events.jobExecutionChanged, row.vehicleId, presented(next));
    return next;
  }

  /** A step timer takes the place of the job's own; -1 removes it. */
  #timesOutAt({ status, timesOutAt, inProgressTimeoutMinutes }: PendingRow, next: JobExecutionStatus, stepTimeoutMinutes: number | undefined): Date | null {
    if (next !== 'IN_PROGRESS') return null;
    if (stepTimeoutMinutes === -1) return null;
    const minutes = stepTimeoutMinutes ?? (status === 'QUEUED' ? inProgressTimeoutMinutes : null);
    return minutes ? new Date(this.#clock.nowMs() + minutes * 60_000) : timesOutAt;
  }

  async #timedOut({ payload }: TimerFired): Promise<void> {
    const { jobId, vehicleId } = z.object({ jobId: z.string(), vehicleId: z.string() }).parse(payload);
    const ended = await this.#database.transaction(async (transaction) => {
      const row = await lockExecution(transaction.sql, jobId, vehicleId);
      if (row?.status !== 'IN_PROGRESS' || !row.timesOutAt || row.timesOutAt.getTime() > this.#clock.nowMs()) return false;
      await this.#move(transaction, row, { status: 'TIMED_OUT' });
      return true;
    });
    if (ended) await this.#notify([vehicleId]);
  }

  /**
   * Makes a job, or adds targets to it. Repeated, it changes nothing.
   * @returns how many vehicles were no targets before
   * @throws Problem `job-conflict` when the job has another document
   */
  async create(job: { jobId: string; document: Record<string, unknown>; vehicleIds: readonly string[]; inProgressTimeoutMinutes?: number | undefined }): Promise<number> {
    const { jobId, document, vehicleIds } = job;
    const fresh = await this.#database.transaction(async ({ sql }) => {
      const stored = await insertJob(sql, { id: jobId, document, inProgressTimeoutMinutes: job.inProgressTimeoutMinutes ?? null, createdAt: this.#clock.now() });
      if (!isSameJson(stored, document)) throw new Problem('job-conflict', `job ${jobId} has another document`);
      return insertExecutions(sql, jobId, [...new Set(vehicleIds)], this.#clock.now());
    });
    await this.#notify(fresh);
    return fresh.length;
  }

  /** @returns how many executions were cancelled @throws Problem `not-found` */
  async cancel(jobId: string, force: boolean): Promise<number> {
    const rows = await this.#database.transaction(async (transaction) => {
      if (!(await jobExists(transaction.sql, jobId))) throw new Problem('not-found', `there is no job ${jobId}`);
      const cancelled = await cancelExecutions(transaction.sql, jobId, force ? ['QUEUED', 'IN_PROGRESS'] : ['QUEUED'], this.#clock.now());
      for (const row of cancelled) {
        transaction.cancelTimer(timerKind, `${jobId} ${row.vehicleId}`);
        transaction.publish(iotContract.events.jobExecutionChanged, row.vehicleId, presented(row));
      }
      return cancelled;
    });
    await this.#notify(rows.map(({ vehicleId }) => vehicleId));
    return rows.length;
  }

  /** @throws Problem `not-found` */
  async list(jobId: string, after: string | undefined, limit: number): Promise<{ items: ReturnType<typeof presented>[]; counts: Record<string, number>; next?: string }> {
    const { sql } = this.#database;
    if (!(await jobExists(sql, jobId))) throw new Problem('not-found', `there is no job ${jobId}`);
    const [rows, counts] = await Promise.all([listExecutions(sql, jobId, after, limit + 1), countExecutions(sql, jobId)]);
    const last = rows.length > limit ? rows[limit - 1]?.vehicleId : undefined;
    return { items: rows.slice(0, limit).map(presented), counts, ...(last !== undefined && { next: last }) };
  }

  /** Tells connected vehicles what they have to do now; the others ask when they come. */
  async #notify(vehicleIds: readonly string[]): Promise<void> {
    const there = vehicleIds.filter((vehicleId) => this.#isConnected(vehicleId));
    if (there.length === 0) return;
    const rows = Map.groupBy(await pendingOf(this.#database.sql, there), ({ vehicleId }) => vehicleId);
    const timestamp = seconds(this.#clock.now());
    for (const vehicleId of there) {
      const pending = rows.get(vehicleId) ?? [];
      const jobs = Object.fromEntries([...Map.groupBy(pending, ({ status }) => status)].map(([status, some]) => [status, some.map(summary)]));
      const [next] = pending;
      this.#send(vehicleId, [
        { topic: `${prefixOf(vehicleId)}notify`, payload: bytes({ timestamp, jobs }) },
        { topic: `${prefixOf(vehicleId)}notify-next`, payload: bytes({ timestamp, ...(next && { execution: seen(next, true) }) }) },
      ]);
    }
  }
}

function jsonOf(payload: Uint8Array): unknown {
  if (payload.byteLength === 0) return {};
  try {
    return JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw new JobRefused('InvalidJson', 'The payload is no JSON');
  }
}

function read<T>(schema: z.ZodType<T>, request: unknown): T {
  const parsed = schema.safeParse(request);
  if (!parsed.success) throw new JobRefused('InvalidRequest', parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}

/** Whatever the order of members: PostgreSQL keeps its own. */
function isSameJson(a: unknown, b: unknown): boolean {
  if (Array.isArray(a) && Array.isArray(b)) return a.length === b.length && a.every((element, index) => isSameJson(element, b[index]));
  if (typeof a !== 'object' || typeof b !== 'object' || a === null || b === null) return a === b;
  const [left, right] = [Object.entries(a), b as Record<string, unknown>];
  return left.length === Object.keys(b).length && left.every(([key, value]) => key in right && isSameJson(value, right[key]));
}
