/**
 * The little that the updater needs of a disk. Paths are relative to one folder, with `/`.
 *
 * Promises: the bytes of a resolved `write` or `append` survive a power cut; that a file exists, has gone or has another name
 * survives when the folder that holds it has been synced since. `rename` replaces at once: the old or the new, never neither.
 */
import { mkdir, open, readdir, readFile, rename, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

export interface Disk {
  /** @returns `undefined` when there is no such file */
  read(path: string): Promise<Uint8Array | undefined>;
  /** 0 when there is no such file. */
  sizeBytes(path: string): Promise<number>;
  /** Names in a folder, files and folders; none when there is no such folder. */
  list(folder: string): Promise<string[]>;
  /** A new file, with the folders that it needs. */
  write(path: string, bytes: Uint8Array): Promise<void>;
  /** To a file, new or not. */
  append(path: string, bytes: Uint8Array): Promise<void>;
  rename(from: string, to: string): Promise<void>;
  /** A file, or a folder with all that is in it; nothing happens when there is none. */
  remove(path: string): Promise<void>;
  sync(folder: string): Promise<void>;
}

async function absent<T>(error: unknown, otherwise: T): Promise<T> {
  const { code } = error as NodeJS.ErrnoException;
  if (code === 'ENOENT' || code === 'ENOTDIR') return otherwise;
  throw error;
}

async function put(path: string, bytes: Uint8Array, flag: 'w' | 'a'): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const file = await open(path, flag);
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** The file system below `root`. */
export function folderDisk(root: string): Disk {
  const at = (path: string) => join(root, path);
  return {
    read: (path) => readFile(at(path)).catch((error: unknown) => absent(error, undefined)),
    sizeBytes: (path) => stat(at(path)).then((found) => found.size, (error: unknown) => absent(error, 0)),
    list: (folder) => readdir(at(folder)).catch((error: unknown) => absent(error, [])),
    write: (path, bytes) => put(at(path), bytes, 'w'),
    append: (path, bytes) => put(at(path), bytes, 'a'),
    rename: (from, to) => rename(at(from), at(to)),
    remove: (path) => rm(at(path), { recursive: true, force: true }),
    async sync(folder) {
      const handle = await open(at(folder), 'r');
      try {
        await handle.sync();
      } finally {
        await handle.close();
      }
    },
  };
}
