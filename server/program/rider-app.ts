/** Builds the rider app when its sources have changed since the last build. */
import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Progress } from './progress.ts';

const folder = fileURLToPath(new URL('../../apps/rider/', import.meta.url));
const ignored = /^(node_modules|dist|\.expo|testing)(\/|$)/;

async function digestOfSources(): Promise<string> {
  const names = (await readdir(folder, { recursive: true, withFileTypes: true }))
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(folder.length))
    .filter((name) => !ignored.test(name) && !name.endsWith('.test.ts') && !name.endsWith('.md'))
    .sort();
  const hash = createHash('sha256');
  for (const name of names) hash.update(name).update(await readFile(join(folder, name)));
  return hash.digest('hex');
}

/** @throws Error with the end of the build's output */
export async function buildRiderApp(progress: Progress): Promise<void> {
  const marker = join(folder, 'dist', '.digest');
  const digest = await digestOfSources();
  if ((await readFile(marker, 'utf8').catch(() => '')) === digest) return;
  progress.say('building the rider app (once; about half a minute)');
  const child = spawn(process.execPath, [join(folder, 'build-web.mjs')], { cwd: folder, stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (chunk: Buffer) => (output = (output + chunk.toString()).slice(-4000)));
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`the rider app cannot be built (${code}): ${output}`);
  await writeFile(marker, digest);
}
