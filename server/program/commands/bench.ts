import { readdir } from 'node:fs/promises';
import { runTool } from './tool.ts';

const folder = new URL('../../../bench/', import.meta.url);

/** Runs one benchmark: a program in `bench/` that prints its figures as JSON lines. @returns its exit code */
export async function runBench([name, ...rest]: string[]): Promise<number> {
  const names = (await readdir(folder)).filter((file) => file.endsWith('.ts') && !file.endsWith('.test.ts')).map((file) => file.slice(0, -3));
  if (!name || !names.includes(name)) {
    process.stderr.write(`Usage: npm run bench -- NAME\n\nThere are: ${names.join(', ')}\n`);
    return 2;
  }
  return runTool(new URL(`${name}.ts`, folder), rest);
}
