/** Feeds in a folder: with or without `.json`, with `_` or `-` in their names, with or without a discovery file. */
import { readFile, readdir, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { GbfsError } from '../finding.ts';
import type { FeedText } from '../reading/system.ts';

const feedName = (file: string) => file.replace(/\.json$/i, '').replaceAll('-', '_').toLowerCase();

/**
 * Every file of the folder whose name could be a feed's, the discovery file (`gbfs`) among them. Subfolders are not looked into.
 * @throws GbfsError `folder-unreadable`, `too-large`
 */
export async function readFolder(folder: string, maximumBytes: number): Promise<FeedText[]> {
  const names = await readdir(folder).catch((error: unknown) => {
    throw new GbfsError('folder-unreadable', `the folder ${folder} cannot be read: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
  });
  const feeds = new Map<string, FeedText>();
  for (const name of names.toSorted()) {
    const feed = feedName(name);
    if (!/^[a-z_]+$/.test(feed) || !/^[^.]+(\.json)?$/i.test(name)) continue;
    const location = join(folder, name);
    const { size, isFile } = await stat(location).then((found) => ({ size: found.size, isFile: found.isFile() }));
    if (!isFile || (feeds.has(feed) && !name.endsWith('.json'))) continue;
    if (size > maximumBytes) throw new GbfsError('too-large', `${location} is larger than ${maximumBytes} bytes`);
    feeds.set(feed, { feed, location, text: new TextDecoder().decode(await readFile(location)) });
  }
  return [...feeds.values()];
}
