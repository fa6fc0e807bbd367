/** A disk in memory: thousands of simulated vehicles in one process, each with its own slots. */
import type { Disk } from './disk.ts';

/** Bytes are kept as they are given, not copied: vehicles that hold the same file share it. */
export function memoryDisk(): Disk {
  const files = new Map<string, Uint8Array>();
  return {
    read: async (path) => files.get(path),
    sizeBytes: async (path) => files.get(path)?.length ?? 0,
    async list(folder) {
      const prefix = folder === '' ? '' : `${folder}/`;
      return [...new Set([...files.keys()].filter((path) => path.startsWith(prefix)).map((path) => path.slice(prefix.length).split('/')[0] ?? ''))];
    },
    async write(path, bytes) {
      files.set(path, bytes);
    },
    async append(path, bytes) {
      files.set(path, Buffer.concat([files.get(path) ?? new Uint8Array(), bytes]));
    },
    async rename(from, to) {
      const bytes = files.get(from);
      if (!bytes) throw new Error(`there is no ${from}`);
      files.set(to, bytes);
      files.delete(from);
    },
    async remove(path) {
      for (const name of files.keys()) if (name === path || name.startsWith(`${path}/`)) files.delete(name);
    },
    sync: async () => undefined,
  };
}
