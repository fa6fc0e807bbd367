import { openLmdbEventLog } from './lmdb.ts';
import { tested } from './conformance-events.ts';

/**
 * The log in a folder, with the settings of the contract suite; its child processes import this.
 * The lease is longer than a test: the partitions of a process that was killed are taken over without waiting for it.
 */
export const openAt = (folder: string) => openLmdbEventLog({ folder, ...tested, maximumRetryPauseMs: 1000, leaseMs: 60_000, pollIntervalMs: 20 });
