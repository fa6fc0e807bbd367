import { execFile } from 'node:child_process';
import { cpSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { edgesOf, violations } from '../boundaries/boundaries.ts';
import { boundaryRules } from '../boundaries/rules.ts';
import { filesBelow, parseSource, readText, repositoryRoot } from '../source/source.ts';
import { missingRooms } from '../tidy/places.ts';
import { compareRules, testsOf } from '../tidy/tests-and-rules.ts';
import { createModule } from './rooms.ts';

const run = promisify(execFile);
const limitMs = 120_000;
let root: string;

beforeAll(() => {
  root = mkdtempSync(join(tmpdir(), 'mobility-new-module-'));
  for (const path of ['server', 'tsconfig.json', 'package.json']) cpSync(join(repositoryRoot, path), join(root, path), { recursive: true });
  symlinkSync(join(repositoryRoot, 'node_modules'), join(root, 'node_modules'));
});
afterAll(() => rmSync(root, { recursive: true, force: true }));

describe('a new module', () => {
  let paths: string[];
  beforeAll(() => {
    paths = createModule(root, 'services/rider-checks');
  });

  test('has every room, and keeps the rules of the house', () => {
    expect(missingRooms(paths)).toEqual([]);
    const sources = paths.filter((path) => path.endsWith('.ts')).map((path) => parseSource(path, readText(path, root)));
    expect(violations(edgesOf(sources), boundaryRules)).toEqual([]);
    expect(compareRules(new Map([['README.md', readText('server/services/rider-checks/README.md', root)]]), sources.flatMap(testsOf))).toEqual({ withoutTest: [], unknown: [], twice: [] });
  });

  test('has the right types and passes its own tests', { timeout: limitMs }, async () => {
    writeFileSync(join(root, 'tsconfig.module.json'), JSON.stringify({ extends: './tsconfig.json', include: ['server/services/rider-checks'] }));
    writeFileSync(join(root, 'vitest.config.mjs'), `export default { test: { include: ['server/services/rider-checks/**/*.test.ts'], pool: 'forks', maxWorkers: 1 } };`);
    const node = (program: string, ...programArguments: string[]) => run(process.execPath, [join(repositoryRoot, 'node_modules', program), ...programArguments], { cwd: root });
    await node('typescript/bin/tsc', '-p', 'tsconfig.module.json', '--pretty', 'false');
    await node('vitest/vitest.mjs', 'run', '--reporter=json', `--outputFile=${join(root, 'report.json')}`);
    expect(JSON.parse(readFileSync(join(root, 'report.json'), 'utf8'))).toMatchObject({ numPassedTests: 3, numFailedTests: 0 });
  });

  test('is not made twice', () => {
    expect(() => createModule(root, 'services/rider-checks')).toThrow('is there already');
  });
});

test.each(['kyc', 'services/', 'services/Kyc', 'services/a/b', 'gateway/kyc', '../services/kyc', 'services/..'])('%s is no place for a module, and nothing is written', (place) => {
  const before = filesBelow('server', root).length;
  expect(() => createModule(root, place)).toThrow('is no place for a module');
  expect(filesBelow('server', root).length).toBe(before);
});
