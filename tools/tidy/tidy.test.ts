/** Style is kept by tests. What a rule speaks against and may stand all the same is in exceptions.ts, with a reason. */
import { expect, test } from 'vitest';
import { modules } from '../../server/modules.ts';
import { filesBelow, readText, sourceFiles } from '../source/source.ts';
import { longFileExceptions, longFunctionExceptions, outsideWorldExceptions, unitExceptions } from './exceptions.ts';
import { unexcused } from './findings.ts';
import { longFiles, longFunctions } from './length.ts';
import { reachesOut } from './outside-world.ts';
import { emptyNames, machinePaths, missingRooms } from './places.ts';
import { compareRules, skippedTests, testsOf } from './tests-and-rules.ts';
import { threatsOf } from './threats.ts';
import { unitlessNumbers } from './units.ts';

const paths = filesBelow('.');
const sources = sourceFiles();
const isProse = /\.(md|json|ya?ml|sql|sh|svg)$|(^|\/)\.ci\/run$/;
const readmes = () => new Map(paths.filter((path) => /^(server|simulator|edge|libs)\/(.+\/)?README\.md$/.test(path)).map((path) => [path, readText(path)]));
/** Which of those need tests of their own, threats.test.ts says. */
const threats = () => threatsOf(readText('docs/security/threat-model.md')).map(({ number }) => number);

test('files are short', () => {
  expect(unexcused(longFiles(sources), longFileExceptions)).toEqual([]);
});

test('functions are short', () => {
  expect(unexcused(longFunctions(sources), longFunctionExceptions)).toEqual([]);
});

test('numbers in public names say their unit', () => {
  expect(unexcused(unitlessNumbers(sources), unitExceptions)).toEqual([]);
});

test('no test is skipped, none hides others', () => {
  expect(sources.flatMap(skippedTests)).toEqual([]);
});

test('every numbered rule has a test, every number in a test is a rule', () => {
  expect(compareRules(readmes(), sources.flatMap(testsOf), threats())).toEqual({ withoutTest: [], unknown: [], twice: [] });
});

test('time, randomness and settings come in from outside', () => {
  expect(unexcused(reachesOut(sources), outsideWorldExceptions)).toEqual([]);
});

test('wiring is short, and no module needs more than eight others', () => {
  const wiring = sources.filter(({ path }) => /^server\/(modules|(.+\/)?module)\.ts$/.test(path));
  expect(wiring.filter(({ text }) => text.split('\n').length > 300).map(({ path }) => `${path}: more than 300 lines; move handlers into files of their own`)).toEqual([]);
  expect(modules.filter(({ needs }) => needs.length > 8).map(({ name, needs }) => `${name} needs ${needs.length} modules; follow events, or split it`)).toEqual([]);
});

test('every module has the same rooms', () => {
  expect(missingRooms(paths)).toEqual([]);
});

test('names of files and folders say what is in them', () => {
  expect(emptyNames(paths)).toEqual([]);
});

test('nothing names a folder of one machine', () => {
  const prose = paths.filter((path) => isProse.test(path) && !/(package-lock|\/fixtures\/.+)\.json$/.test(path)).map((path) => ({ path, text: readText(path) }));
  expect([...sources, ...prose].filter(({ path }) => !path.startsWith('tools/tidy/')).flatMap(({ path, text }) => machinePaths(path, text))).toEqual([]);
});

test('every exception has a reason', () => {
  expect([...longFileExceptions, ...longFunctionExceptions, ...unitExceptions, ...outsideWorldExceptions].filter(({ reason }) => reason.length < 20)).toEqual([]);
});
