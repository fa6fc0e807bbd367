import { systemClock } from '../clock/system.ts';
import { openLmdbKeyValueStore } from './lmdb.ts';

/** The store in a folder; the child processes of the contract suite import this. */
export const openAt = (folder: string) => openLmdbKeyValueStore({ folder, clock: systemClock() });
