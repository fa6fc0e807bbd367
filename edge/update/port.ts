/** Where the agent hands over update jobs. */
import type { UpdateJobDocument } from '../protocol/bundle.ts';

export type UpdateOutcome = { status: 'SUCCEEDED' | 'REJECTED' | 'FAILED'; details: Record<string, string> };

export interface Updater {
  /**
   * Verifies, downloads (going on where it stopped), and installs into the slot that does not run. Firmware then asks for a
   * restart and resolves only in the agent that has come up: healthy, or back in the old slot.
   * @param report tells how far it is; `IN_PROGRESS` with details
   */
  run(document: UpdateJobDocument, report: (details: Record<string, string>) => Promise<void>): Promise<UpdateOutcome | 'restart-needed'>;
  /** What became of an update that was under way when the agent ended; asked once after the start. */
  pendingOutcome(): UpdateOutcome | undefined;
  /**
   * The agent has connected and its self-check has passed: from now on its slot is the one to start. Until then it is on trial,
   * and the launcher goes back by itself. Call it once after each start; `run` with the job of the trial waits for it.
   */
  markHealthy?(): Promise<void>;
  /** What is installed now. */
  installed(): { software: { version: string; slot: 'a' | 'b' }; models: Record<string, string>; zonesVersion: string | undefined };
}
