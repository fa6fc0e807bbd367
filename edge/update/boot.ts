/**
 * Which slot starts. The launcher and the agent share this record, one at a time: the launcher before it starts an agent and after
 * one has ended, the agent while it runs.
 */
export type Slot = 'a' | 'b';

export interface BootRecord {
  format: 1;
  /** The slot that has proven itself. */
  active: Slot;
  /** The slot that is tried: `task` says what for. */
  trial: { slot: Slot; task: string; starts: number } | null;
  /** How the last trial ended, until the agent has taken note of it. */
  last: { task: string; healthy: boolean; reason: string } | null;
}

/** A slot on trial is started at most so often before the other one is taken again. */
export const maximumTrialStarts = 3;

/** Of a vehicle from the factory. */
export const firstRecord: BootRecord = { format: 1, active: 'a', trial: null, last: null };

export const otherSlot = (slot: Slot): Slot => (slot === 'a' ? 'b' : 'a');

export const slotToStart = (record: BootRecord): Slot => record.trial?.slot ?? record.active;

/** What has to be on the disk before the next start: one try more is counted, or the trial has failed. */
export function beforeStart(record: BootRecord): BootRecord {
  const { trial } = record;
  if (!trial) return record;
  if (trial.starts < maximumTrialStarts) return { ...record, trial: { ...trial, starts: trial.starts + 1 } };
  return { ...record, trial: null, last: { task: trial.task, healthy: false, reason: `not healthy after ${trial.starts} starts` } };
}

/** The slot that runs has proven itself. */
export function proven(record: BootRecord): BootRecord {
  return record.trial ? { ...record, active: record.trial.slot, trial: null, last: { task: record.trial.task, healthy: true, reason: '' } } : record;
}

/** @returns `undefined` for anything that is no boot record */
export function parseBootRecord(text: string): BootRecord | undefined {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return undefined;
  }
  const record = value as Partial<BootRecord> | null;
  const isSlot = (slot: unknown): slot is Slot => slot === 'a' || slot === 'b';
  if (record?.format !== 1 || !isSlot(record.active)) return undefined;
  const { trial, last } = record;
  const soundTrial = trial && isSlot(trial.slot) && typeof trial.task === 'string' && Number.isSafeInteger(trial.starts);
  const soundLast = last && typeof last.task === 'string' && typeof last.healthy === 'boolean' && typeof last.reason === 'string';
  return { format: 1, active: record.active, trial: soundTrial ? trial : null, last: soundLast ? last : null };
}
