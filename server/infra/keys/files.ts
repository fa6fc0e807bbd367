import { randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import { join } from 'node:path';
import type { Clock } from '../clock/port.ts';
import type { Keys } from './port.ts';
import { storedKeys } from './stored.ts';

const codeOf = (error: unknown): string | undefined => (error as NodeJS.ErrnoException).code;

/**
 * Writes only when there is none; the file is readable by its owner alone. It is there whole or not at all: many
 * processes may start at this moment, and whoever finds it reads it.
 */
async function writeOnce(path: string, text: string): Promise<void> {
  const unfinished = `${path}.${randomUUID()}`;
  const file = await open(unfinished, 'wx', 0o600);
  try {
    await file.writeFile(text);
    await file.sync();
    await link(unfinished, path);
  } catch (error) {
    if (codeOf(error) !== 'EEXIST') throw error;
  } finally {
    await file.close();
    await unlink(unfinished);
  }
}

/** Keys in a folder, one file each: for one machine, or mounted from a secret store (`mobility keys` makes them). */
export async function fileKeys(folder: string, clock: Clock): Promise<Keys> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  return storedKeys({
    async read(name) {
      try {
        return await readFile(join(folder, name), 'utf8');
      } catch (error) {
        if (codeOf(error) === 'ENOENT') return undefined;
        throw error;
      }
    },
    writeOnce: (name, text) => writeOnce(join(folder, name), text),
  }, clock);
}
