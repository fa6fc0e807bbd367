/** What continuous integration counts at its end: `.ci/totals.mjs`. */
import { spawnSync } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { repositoryRoot } from '../tools/source/source.ts';

let folder: string;
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'mobility-totals-'));
});
afterAll(() => rm(folder, { recursive: true }));

const assertion = (status: string) => ({ status, fullName: `a test that ${status}` });
const fileWith = (...states: string[]) => ({ name: join(repositoryRoot, 'tests/some.test.ts'), status: states.includes('failed') ? 'failed' : 'passed', assertionResults: states.map(assertion) });

async function totals(reports: Record<string, object | undefined>): Promise<{ code: number | null; lines: string[] }> {
  const paths = await Promise.all(Object.entries(reports).map(async ([name, report]) => {
    const path = join(folder, `${name}.json`);
    await rm(path, { force: true });
    if (report) await writeFile(path, JSON.stringify(report));
    return path;
  }));
  const { status, stdout } = spawnSync(process.execPath, [join(repositoryRoot, '.ci/totals.mjs'), ...paths], { cwd: repositoryRoot, encoding: 'utf8' });
  return { code: status, lines: stdout.trimEnd().split('\n') };
}

test('the last line sums both runs, skipped tests too', async () => {
  const { code, lines } = await totals({ embedded: { success: true, testResults: [fileWith('passed', 'passed', 'skipped')] }, engines: { success: true, testResults: [fileWith('passed')] } });
  expect({ code, last: lines.at(-1) }).toEqual({ code: 0, last: '3 passed, 0 failed, 1 skipped' });
  expect(lines).toContain('engines: 1 passed, 0 failed, 0 skipped');
});

test('a failure in either run fails the whole and is named with its run and file', async () => {
  const { code, lines } = await totals({ embedded: { success: true, testResults: [fileWith('passed')] }, engines: { success: false, testResults: [fileWith('passed', 'failed')] } });
  expect({ code, last: lines.at(-1) }).toEqual({ code: 1, last: '2 passed, 1 failed' });
  expect(lines.indexOf('  FAILED tests/some.test.ts: a test that failed')).toBe(lines.indexOf('engines: 1 passed, 1 failed, 0 skipped') + 1);
});

test.each([
  ['has no report, because its engines could not be had', undefined],
  ['is not JSON to its end', { cutOff: true }],
  ['has a file that could not be loaded', { success: false, testResults: [{ name: join(repositoryRoot, 'a.test.ts'), status: 'failed', assertionResults: [] }, fileWith('passed')] }],
  ['failed outside of its tests', { success: false, testResults: [fileWith('passed')] }],
])('a run that %s is a failure', async (_what, report) => {
  const { code, lines } = await totals({ embedded: { success: true, testResults: [fileWith('passed')] }, engines: report });
  expect({ code, failed: /, 1 failed/.test(lines.at(-1) ?? '') }).toEqual({ code: 1, failed: true });
});

test('a run of which nothing passed is no success', async () => {
  expect((await totals({ embedded: { success: true, testResults: [fileWith('passed')] }, engines: { success: true, testResults: [fileWith('skipped')] } })).code).toBe(1);
});
