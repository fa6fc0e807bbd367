/** Work orders from the platform, one after the other: each is an update. */
import { UpdateJobDocument } from '../protocol/bundle.ts';
import { topics } from '../protocol/topics.ts';
import type { UpdateOutcome, Updater } from '../update/port.ts';
import type { Requests } from './requests.ts';

export interface JobsOptions {
  vehicleId: string;
  requests: Requests;
  updater: Updater;
  /** Something else is installed now. */
  installed(): void;
  /** New firmware waits for a start of the agent. */
  restart(): void;
  onTrouble(trouble: string, error: unknown): void;
}

interface Execution {
  jobId: string;
  jobDocument: unknown;
}

const isExecution = (value: unknown): value is Execution => typeof value === 'object' && value !== null && 'jobId' in value && typeof value.jobId === 'string';

export class Jobs {
  readonly #options: JobsOptions;
  #working: Promise<void> | undefined;
  #again = false;

  constructor(options: JobsOptions) {
    this.#options = options;
  }

  /** Takes up what waits, at every connection and whenever the platform says that there is something. */
  look(): void {
    if (this.#working) {
      this.#again = true;
      return;
    }
    this.#again = false;
    this.#working = this.#work()
      .catch((error: unknown) => this.#options.onTrouble('a job could not be done; it is taken up again', error))
      .finally(() => {
        this.#working = undefined;
        if (this.#again) this.look();
      });
  }

  /** @returns whether the message was for jobs */
  hear(topic: string): boolean {
    if (topic !== topics.jobs(this.#options.vehicleId, 'notify-next')) return false;
    this.look();
    return true;
  }

  async #work(): Promise<void> {
    const { vehicleId, requests, updater, installed, restart } = this.#options;
    for (;;) {
      const { execution } = await requests.ask(topics.jobs(vehicleId, 'start-next'));
      if (!isExecution(execution)) return;
      const say = (status: string, details: Record<string, string>) => requests.ask(topics.jobs(vehicleId, `${execution.jobId}/update`), { status, statusDetails: details });
      const document = UpdateJobDocument.safeParse(execution.jobDocument);
      if (!document.success) {
        await say('REJECTED', { reason: 'this agent does not know such a job' });
        continue;
      }
      const outcome: UpdateOutcome | 'restart-needed' = await updater.run(document.data, async (details) => void (await say('IN_PROGRESS', details)));
      if (outcome === 'restart-needed') return restart();
      // Said again after a power cut: the updater knows what it has installed.
      installed();
      await say(outcome.status, outcome.details);
    }
  }
}
