/** Processor time and memory of processes, as Linux counts them. */
import { readdir, readFile } from 'node:fs/promises';

const clockTicksPerSecond = 100;

/** Children of a process, and theirs. */
export async function childrenOf(processId: number): Promise<number[]> {
  const found: number[] = [];
  for (const task of await readdir(`/proc/${processId}/task`).catch(() => [])) {
    const children = await readFile(`/proc/${processId}/task/${task}/children`, 'utf8').catch(() => '');
    found.push(...children.split(' ').filter(Boolean).map(Number));
  }
  return [...found, ...(await Promise.all(found.map(childrenOf))).flat()];
}

/** Processor time of a process, user and system, and of its children that have ended. */
export async function cpuSecondsOf(processId: number): Promise<number> {
  const stat = await readFile(`/proc/${processId}/stat`, 'utf8').catch(() => '');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return fields.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / clockTicksPerSecond;
}

/** What a process holds in memory; pages that it shares count in proportion. */
export async function proportionalMebibytesOf(processId: number): Promise<number> {
  const text = await readFile(`/proc/${processId}/smaps_rollup`, 'utf8').catch(() => '');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1] ?? 0) / 1024;
}

/** Of a process, of all of its children, or of both together. */
export async function sumOver(processId: number, counts: 'alone' | 'children' | 'both', measure: (processId: number) => Promise<number>): Promise<number> {
  const children = counts === 'alone' ? [] : await childrenOf(processId);
  const parts = await Promise.all([...(counts === 'children' ? [] : [processId]), ...children].map(measure));
  return parts.reduce((sum, part) => sum + part, 0);
}
