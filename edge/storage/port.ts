/**
 * What an agent remembers across power cuts.
 *
 * Promises:
 * - what one `write` is given is kept whole or not at all, and survives a power cut once the call has returned;
 * - telemetry is the exception: it may lose the last seconds before a power cut, so that a record a second does not wear out a card;
 * - messages and records are given back in the order of their numbers.
 */
import type { CommandResult, Position } from '../protocol/messages.ts';
import type { TelemetryRecord } from '../protocol/telemetry.ts';

/** Who the vehicle is towards the platform. PEM throughout. */
export interface Identity {
  vehicleId: string;
  brokerUrl: string;
  certificatePem: string;
  privateKeyPem: string;
  authorityPem: string;
}

/** Everything that must not be forgotten; written together with the message that tells of it. */
export interface AgentMemory {
  /** Of the last state report. */
  sequence: number;
  /** Of the last alert. */
  alertSequence: number;
  /** Telemetry below this number may have been sent: after a power cut the next record takes it. */
  recordsReservedTo: number;
  bootCount: number;
  position: Position;
  odometerMetres: number;
  batteryPercent: number;
  locked: boolean;
  pluggedIn: boolean;
  disabled: boolean;
  /** The booking it was unlocked for, and the last one after locking. */
  bookingId: string | null;
  /** Ids of unlock tokens with the second at which they run out. */
  usedTokens: [id: string, expiresAtSeconds: number][];
  executed: CommandResult[];
  /** The latest moment that was certain, Unix milliseconds: it is not earlier than this. */
  timeIsAtLeastMs: number;
  /** Ids of the zones that the vehicle is in. */
  insideZones: string[];
  /** What the body of a simulated vehicle wants remembered. */
  body?: unknown;
}

/** State reports and alerts: JSON, kept until the broker has acknowledged. */
export type MessageKind = 'state' | 'alert';

export interface StoredMessage {
  kind: MessageKind;
  /** Counts up for each kind. */
  sequence: number;
  json: string;
}

/** Documents that are replaced as a whole. */
export type DocumentName = 'identity' | 'next-identity' | 'provisioning' | 'unlock-keys' | 'configuration' | 'zones';

export interface AgentStorage {
  memory(): AgentMemory | undefined;
  write(memory: AgentMemory, message?: StoredMessage): void;
  /** Numbers of the messages that were not acknowledged, oldest first. */
  unsent(kind: MessageKind): number[];
  message(kind: MessageKind, sequence: number): string | undefined;
  forget(kind: MessageKind, sequence: number): void;
  document(name: DocumentName): string | undefined;
  /** @param text undefined removes it */
  saveDocument(name: DocumentName, text: string | undefined): void;
  /** Keeps records, and drops the oldest beyond `keepAtMost`. @returns how many unsent ones were dropped */
  addRecords(records: readonly TelemetryRecord[], keepAtMost: number): number;
  /** Records with numbers above `sequence`, oldest first. */
  recordsAfter(sequence: number, limit: number): TelemetryRecord[];
  /** The number up to which the platform has every record; 0 at first. */
  acknowledgedRecord(): number;
  /** Remembers it, and drops what was acknowledged but for the last `keep`. */
  acknowledgeRecords(upTo: number, keep: number): void;
  close(): void;
}
