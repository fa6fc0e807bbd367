import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

/** Runs Vitest with this Node. Arguments are handed on: `npm test -- server/services/booking`. */
export async function runTests(rest: string[]): Promise<number> {
  const vitest = join(dirname(createRequire(import.meta.url).resolve('vitest/package.json')), 'vitest.mjs');
  const child = spawn(process.execPath, [vitest, 'run', ...rest], { stdio: 'inherit', env: { ...process.env, NODE_ENV: 'test' } });
  const [code] = (await once(child, 'exit')) as [number | null];
  return code ?? 1;
}
