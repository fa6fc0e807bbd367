import { openLmdbEventLog } from './lmdb.ts';
import { tested } from './conformance-events.ts';

/** The log in a folder, with the settings of the contract suite; its child processes import this. */
export const openAt = (folder: string) => openLmdbEventLog({ folder, ...tested, maximumRetryPauseMs: 1000, leaseMs: 3000, pollIntervalMs: 20 });
