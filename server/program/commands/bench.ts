import { readdir, readFile } from 'node:fs/promises';
import { runTool } from './tool.ts';

const folder = new URL('../../../bench/', import.meta.url);

/** What a benchmark says of itself: the first sentence of the comment that its file begins with. */
function summaryOf(source: string): string {
  const comment = /^\/\*\*([\s\S]*?)\*\//.exec(source)?.[1] ?? '';
  const words = comment.replaceAll(/^\s*\*/gm, ' ').replaceAll(/\s+/g, ' ').trim();
  return /^.+?[.:](?= |$)/.exec(words)?.[0].replace(/[.:]$/, '') ?? '';
}

/** Names and summaries of all benchmarks. */
export async function listBenches(): Promise<{ name: string; summary: string }[]> {
  const files = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).toSorted();
  return Promise.all(files.map(async (file) => ({ name: file.slice(0, -3), summary: summaryOf(await readFile(new URL(file, folder), 'utf8')) })));
}

/** Runs one benchmark: a program in `bench/` that prints its figures as JSON lines; without a name, lists all. @returns its exit code */
export async function runBench([name, ...rest]: string[]): Promise<number> {
  const benches = await listBenches();
  if (name !== undefined && benches.some((bench) => bench.name === name)) return runTool(new URL(`${name}.ts`, folder), rest);
  const list = benches.map((bench) => `  ${bench.name.padEnd(12)} ${bench.summary}\n`).join('');
  (name === undefined ? process.stdout : process.stderr).write(`${name === undefined ? '' : `There is no benchmark "${name}".\n\n`}Usage: npm run bench -- NAME\n\n${list}`);
  return name === undefined ? 0 : 2;
}
