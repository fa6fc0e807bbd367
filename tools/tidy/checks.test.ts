/** Each check of tidy catches what it is for, and leaves alone what is fine. */
import { describe, expect, test } from 'vitest';
import { parseSource } from '../source/source.ts';
import { unexcused } from './findings.ts';
import { longFiles, longFunctions } from './length.ts';
import { reachesOut } from './outside-world.ts';
import { emptyNames, machinePaths, missingRooms } from './places.ts';
import { compareRules, numbersOf, skippedTests, testsOf } from './tests-and-rules.ts';
import { unitlessNumbers } from './units.ts';

const source = (text: string, path = 'server/example.ts') => parseSource(path, text);
const statements = (count: number) => 'call();\n'.repeat(count);
const subjects = (findings: { subject: string }[]) => findings.map(({ subject }) => subject);

describe('length', () => {
  test('a file is counted without blank lines and comments', () => {
    expect(longFiles([source(statements(401))])).toHaveLength(1);
    expect(longFiles([source(`${statements(400)}\n\n// why\n/** what */\n`)])).toEqual([]);
  });

  test('a long function is found by its name, wherever it stands', () => {
    const long = (head: string, tail = '}') => source(`${head}{\n${statements(70)}${tail}`);
    expect(subjects(longFunctions([long('function charge() ')]))).toEqual(['server/example.ts charge']);
    expect(subjects(longFunctions([long('const charge = async () => ')]))).toEqual(['server/example.ts charge']);
    expect(subjects(longFunctions([long('class Ledger { charge() ', '}}')]))).toEqual(['server/example.ts charge']);
    expect(subjects(longFunctions([long('test("BOOKING-01: sentence", () => ', '})')]))).toEqual(['server/example.ts "BOOKING-01: sentence"']);
  });

  test('a suite may be longer than its tests', () => {
    expect(longFunctions([source(`describe.each([1])('rides', () => {\n${statements(200)} test('one', f) });\nexport function conformance() {\n${statements(200)} test.each([1])('two', f) }`)])).toEqual([]);
  });
});

describe('units', () => {
  test.each([
    'export interface Search { radius: number }',
    'export type Search = { radius?: number | null }',
    'export function search(radius: number): void {}',
    'export const search = (radius: number, limit: number) => radius * limit;',
    'export const search = { radius: z.number().min(1).optional() };',
    'export const radius = 25;',
    'export class Search { radius = 3; }',
    'export const Bill = z.object({ radius: Minor });',
  ])('%s', (text) => {
    expect(subjects(unitlessNumbers([source(text)]))).toEqual(['server/example.ts radius']);
  });

  test.each([
    'export const radiusMetres = 25;',
    'export class Vehicle { #speed = 0; }',
    'export const search = { radius: z.string() };',
    'export interface Limits { count: number; seats: number; multiplier: number; rating: number }',
    'const radius = 3; export const search = () => { const distance = 3; return radius + distance; };',
  ])('fine: %s', (text) => {
    expect(unitlessNumbers([source(text)])).toEqual([]);
  });

  test('contracts are public from end to end', () => {
    expect(unitlessNumbers([source('const Inner = z.object({ timeout: z.int() });', 'server/services/booking/contract.ts')])).toHaveLength(1);
  });
});

describe('tests and rules', () => {
  const readme = '# Booking\n- BOOKING-01: A sentence.\n- BOOKING-02: Another one.\n';
  const report = (text: string) => compareRules(new Map([['README.md', readme]]), testsOf(source(text)));

  test('a rule without a test, a number without a rule, a number used twice', () => {
    expect(report(`test('BOOKING-01: it', () => {}); test('BOOKING-03: it', () => {});`)).toMatchObject({
      withoutTest: [expect.stringContaining('BOOKING-02')], unknown: [expect.stringContaining('BOOKING-03')], twice: [],
    });
    expect(compareRules(new Map([['README.md', readme + readme]]), []).twice).toHaveLength(2);
  });

  test('each, templates and several numbers in one name count', () => {
    const clean = { withoutTest: [], unknown: [], twice: [] };
    expect(report('test.each([1])("BOOKING-01: %s", () => {}); it(`BOOKING-02: ${name}`, () => {});')).toEqual(clean);
    expect(report(`test('BOOKING-01, BOOKING-02: both', () => {});`)).toEqual(clean);
    expect(numbersOf('the OAUTH-20 flow')).toEqual([]);
  });

  test('skip, todo and only are found; a condition with a reason is fine', () => {
    expect(skippedTests(source(`test.skip('a', f); it.todo('b'); describe.only('c', f); test.only.each([1])('d', f); test.fails('e', f);`))).toHaveLength(5);
    expect(skippedTests(source(`test.skipIf(!browser)('a (needs a browser)', f); test('b', f);`))).toEqual([]);
  });
});

describe('the outside world', () => {
  const reached = (path: string, text: string) => reachesOut([source(text, path)]).length;

  test('domain code reaches for nothing', () => {
    expect(reached('server/services/booking/domain/rules.ts', 'const now = Date.now(); const today = new Date(); const id = v7(); const luck = Math.random();')).toBeGreaterThanOrEqual(4);
    expect(reached('server/services/booking/domain/rules.ts', 'const day = (at: Date) => new Date(at.getTime() + 1); random();')).toBe(0);
  });

  test('services ask their clock, and only the program reads the environment', () => {
    expect(reached('server/services/booking/ride.ts', 'const now = Date.now();')).toBe(1);
    expect(reached('server/services/booking/ride.ts', 'const id = v7();')).toBe(0);
    expect(reached('server/infra/sql/database.ts', 'const url = process.env.URL; const other = process.env["URL"];')).toBe(2);
    expect(reached('server/program/configuration.ts', 'const url = process.env.URL;')).toBe(0);
  });
});

describe('places', () => {
  test('names that say nothing', () => {
    expect(emptyNames(['server/utils/a.ts', 'server/booking/helpers.ts', 'apps/rider/src/commonality.ts', 'libs/gbfs/index.ts'])).toHaveLength(2);
  });

  test('rooms', () => {
    const complete = ['README.md', 'contract.ts', 'module.ts', 'domain/a.ts', 'store.ts', 'migrations/001_a.sql'].map((room) => `server/services/kyc/${room}`);
    expect(missingRooms(complete)).toEqual([]);
    expect(missingRooms(complete.slice(1))).toEqual([expect.stringContaining('README.md')]);
    expect(missingRooms(['server/orchestrators/maps/contract.ts'])).toHaveLength(2);
  });

  test('paths of one machine', () => {
    const home = ['', 'home', 'ada', 'mobility'].join('/');
    expect(machinePaths('a.md', `see ${home} and \`${home}\``)).toHaveLength(2);
    expect(machinePaths('a.ts', 'fetch("https://example.com/home/page"); fetch(`${origin}/work/x`)')).toEqual([]);
  });
});

test('an exception silences its finding, and is itself a finding when nothing is left to excuse', () => {
  const findings = [{ subject: 'a.ts', line: 1, message: 'long' }];
  expect(unexcused(findings, [{ finding: 'a.ts', reason: 'generated' }])).toEqual([]);
  expect(unexcused([], [{ finding: 'a.ts', reason: 'generated' }])).toHaveLength(1);
});
