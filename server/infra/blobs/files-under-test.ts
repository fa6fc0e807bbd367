import { openFileBlobs } from './files.ts';

/** The store in a folder; the child process of the contract suite imports this. */
export const openAt = (folder: string) => openFileBlobs({ folder });
