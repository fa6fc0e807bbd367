import { openLmdbEventLog } from './lmdb.ts';
import { tested } from './conformance-events.ts';

/** For members that stand still until their lease is over. */
export const openAt = (folder: string) => openLmdbEventLog({ folder, ...tested, leaseMs: 1500, pollIntervalMs: 20 });
