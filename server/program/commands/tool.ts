import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';

/** Runs a program of the repository that is no part of this one, with the same Node. @returns its exit code */
export async function runTool(program: URL, toolArguments: readonly string[]): Promise<number> {
  const child = spawn(process.execPath, [fileURLToPath(program), ...toolArguments], { stdio: 'inherit' });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
