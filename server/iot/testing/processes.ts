import { readdir, readFile } from 'node:fs/promises';

/** Process ids of children whose command line has a word. */
export async function childrenOf(processId: number, word: string): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir(`/proc/${processId}/task`)) {
    const text = await readFile(`/proc/${processId}/task/${task}/children`, 'utf8').catch(() => '');
    found.push(...text.split(' ').filter(Boolean).map(Number));
  }
  const lines = await Promise.all(found.map((child) => readFile(`/proc/${child}/cmdline`, 'utf8').catch(() => '')));
  return found.filter((_, index) => lines[index]?.includes(word));
}
