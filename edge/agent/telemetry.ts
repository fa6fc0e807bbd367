/** Telemetry of one vehicle: sampled by what happens, kept for a day, sent in batches that fit the moment. */
import { encodeTelemetry, type TelemetryRecord } from '../protocol/telemetry.ts';
import type { AgentStorage } from '../storage/port.ts';

export interface TelemetryOptions {
  storage: AgentStorage;
  topic: string;
  bootCount: number;
  /** The first number that was never used. */
  firstSequence: number;
  /** Numbers below this are about to be used; must be on the disk before they are. */
  reserve(upTo: number): void;
  isConnected(): boolean;
  publish(topic: string, payload: Uint8Array): Promise<void>;
  onTrouble(trouble: string, error: unknown): void;
}

/** What decides how often a batch leaves. */
export interface Pace {
  /** While parked, a batch at least so often. */
  parkedPauseMs: number;
  /** From record to record in motion: a day of it is kept. */
  recordPauseMs: number;
  moving: boolean;
  lowBattery: boolean;
}

/** The platform keeps what it acknowledged; we keep the last ones all the same. */
const keptRecords = 100;
const dayMs = 86_400_000;
/** Never less than a day at one record a second; state reports and alerts add theirs. */
const mostUnsentAt = (recordPauseMs: number): number => Math.ceil((1.25 * dayMs) / Math.min(1_000, recordPauseMs));
/** About 10 KB deflated. */
const largestBatch = 500;
const reservedAtOnce = 1_000;
/** While the disk takes nothing, so many records wait in memory. */
const mostFresh = 1_000;
/** While parked, records wait in memory for so long before they are written. */
const writeAfterMs = 5_000;
const movingPauseMs = 1_000;
const lowBatteryPauseMs = 30_000;

export class TelemetryStream {
  readonly #options: TelemetryOptions;
  #nextSequence: number;
  #reservedTo: number;
  #acknowledged: number;
  /** Sampled, but not written yet. */
  #fresh: TelemetryRecord[] = [];
  #writtenAtMs = 0;
  #sentAtMs = 0;
  #urgent = false;
  #sending = false;
  #dropped = 0;
  #mostUnsent = mostUnsentAt(1_000);
  #diskRefuses = false;

  constructor(options: TelemetryOptions) {
    this.#options = options;
    this.#nextSequence = options.firstSequence;
    this.#reservedTo = options.firstSequence;
    this.#acknowledged = options.storage.acknowledgedRecord();
  }

  /** Records that were never sent because a day was over, or the disk full for too long. */
  get droppedRecords(): number {
    return this.#dropped;
  }

  /** The newest that was sampled. */
  get lastSequence(): number {
    return this.#nextSequence - 1;
  }

  get isEverythingSent(): boolean {
    return this.#fresh.length === 0 && this.#options.storage.recordsAfter(this.#acknowledged, 1).length === 0;
  }

  /** @param urgent something happened: it leaves at the next turn */
  sample(record: Omit<TelemetryRecord, 'sequence'>, urgent: boolean): void {
    if (this.#nextSequence >= this.#reservedTo) {
      this.#reservedTo = this.#nextSequence + reservedAtOnce;
      this.#options.reserve(this.#reservedTo);
    }
    this.#fresh.push({ ...record, sequence: this.#nextSequence++ });
    this.#urgent ||= urgent;
  }

  /** Writes and sends what is due. Called often. */
  advance(nowMs: number, { moving, lowBattery, parkedPauseMs, recordPauseMs }: Pace): void {
    this.#mostUnsent = mostUnsentAt(recordPauseMs);
    const usualPauseMs = moving ? movingPauseMs : parkedPauseMs;
    const pauseMs = lowBattery ? Math.max(lowBatteryPauseMs, usualPauseMs) : usualPauseMs;
    const isDue = this.#urgent || nowMs - this.#sentAtMs >= pauseMs;
    if (this.#fresh.length > 0 && (isDue || nowMs - this.#writtenAtMs >= writeAfterMs)) this.#keep(nowMs);
    if (isDue && this.#options.isConnected()) this.#send(nowMs);
  }

  /** Before the power goes, when that is known. */
  close(): void {
    if (this.#fresh.length > 0) this.#keep(0);
  }

  #keep(nowMs: number): void {
    const { storage, onTrouble } = this.#options;
    this.#writtenAtMs = nowMs;
    try {
      this.#dropped += storage.addRecords(this.#fresh, this.#mostUnsent);
      this.#fresh = [];
      this.#diskRefuses = false;
    } catch (error) {
      // Said once, not once a second.
      if (!this.#diskRefuses) onTrouble('telemetry cannot be written; what does not fit into memory is given up', error);
      this.#diskRefuses = true;
      this.#dropped += this.#fresh.splice(0, Math.max(0, this.#fresh.length - mostFresh)).length;
    }
  }

  /** One batch after the other, the oldest first, until nothing is left. */
  #send(nowMs: number): void {
    if (this.#sending) return;
    const { storage, topic, bootCount, publish, onTrouble } = this.#options;
    const records = consecutive(storage.recordsAfter(this.#acknowledged, largestBatch));
    const last = records.at(-1);
    this.#sentAtMs = nowMs;
    this.#urgent = false;
    if (!last) return;
    this.#sending = true;
    publish(topic, encodeTelemetry({ bootCount, records }, { deflate: 'when-smaller' })).then(
      () => {
        this.#sending = false;
        this.#acknowledged = last.sequence;
        try {
          storage.acknowledgeRecords(last.sequence, keptRecords);
        } catch (error) {
          // Sent once more after the next start; the platform knows their numbers.
          onTrouble('what was acknowledged cannot be forgotten', error);
        }
        if (storage.recordsAfter(last.sequence, 1).length > 0) this.#send(nowMs);
      },
      () => {
        this.#sending = false;
        // The connection broke: at once when there is one again.
        this.#urgent = true;
      },
    );
  }
}

/** Further apart, two moments do not fit into one batch: a clock was set. */
const longestDifferenceMs = 12 * 3_600_000;

/** A batch has consecutive numbers and near moments: up to the first gap, which a power cut leaves, or the setting of a clock. */
function consecutive(records: TelemetryRecord[]): TelemetryRecord[] {
  const end = records.findIndex((record, index) => {
    const before = records[index - 1];
    return before !== undefined && (record.sequence !== before.sequence + 1 || Math.abs(record.timeMs - before.timeMs) > longestDifferenceMs);
  });
  return end < 0 ? records : records.slice(0, end);
}
