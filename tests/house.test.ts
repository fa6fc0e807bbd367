/**
 * What other programs check about the whole house, as tests, so that one runner counts everything.
 * What our own programs check is beside them: tools/tidy, tools/boundaries, tools/reference.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { describe, expect, test } from 'vitest';
import { repositoryRoot } from '../tools/source/source.ts';

const limitMs = 120_000;

/** Runs a program of an installed package with this Node. @returns what it printed, empty when it was content */
async function complaintsOf(packageName: string, program: string, programArguments: string[], folder = '.'): Promise<string> {
  const path = join(repositoryRoot, 'node_modules', packageName, program);
  const child = spawn(process.execPath, [path, ...programArguments], { cwd: join(repositoryRoot, folder), stdio: ['ignore', 'pipe', 'pipe'] });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([text(child.stdout), text(child.stderr), exited]);
  return code === 0 ? '' : `${output}${errors}` || `${packageName} ended with ${code}`;
}

describe('types', () => {
  test('the back end and the tools', { timeout: limitMs }, async () => {
    expect(await complaintsOf('typescript', 'bin/tsc', ['--pretty', 'false'])).toBe('');
  });

  test.each(['apps/rider'])('%s', { timeout: limitMs }, async (app) => {
    expect(await complaintsOf('typescript', 'bin/tsc', ['--pretty', 'false'], app)).toBe('');
  });
});

test('lint: no floating promises, no any, nothing unused, no empty catch (`npx oxlint --type-aware`)', { timeout: limitMs }, async () => {
  expect(await complaintsOf('oxlint', 'bin/oxlint', ['--type-aware', '--format=unix'])).toBe('');
});

test('no dead files, exports or dependencies (`npx knip`)', { timeout: limitMs }, async () => {
  expect(await complaintsOf('knip', 'bin/knip.js', ['--no-progress', '--no-config-hints'])).toBe('');
});
