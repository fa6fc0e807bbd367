import { expect, test } from 'vitest';
import { filesBelow, parseSource, readText, sourceFiles } from '../source/source.ts';
import { testsOf } from './tests-and-rules.ts';
import { threatFindings, threatsOf } from './threats.ts';

const model = readText('docs/security/threat-model.md');
const tests = sourceFiles().flatMap(testsOf);

test('every line of the threat model names tests that exist', () => {
  expect(threatFindings(model, tests)).toEqual([]);
  expect(threatsOf(model).length).toBeGreaterThan(35);
});

test('every boundary of the threat model has its lines, and every kind of attack', () => {
  const sections = model.split(/^### /m).slice(1);
  expect(sections.filter((section) => threatsOf(section).length === 0).map((section) => section.split('\n', 1)[0])).toEqual([]);
  const kinds = new Set([...model.matchAll(/: \*(\w+)\.\* /g)].map(([, kind]) => kind));
  for (const kind of ['Spoofing', 'Tampering', 'Repudiation', 'Disclosure', 'Denial', 'Elevation']) expect([...kinds]).toContain(kind);
});

test('files that the threat model and SECURITY.md name are there', () => {
  const known = new Set(filesBelow('.'));
  for (const path of ['docs/security/threat-model.md', 'SECURITY.md']) {
    const named = [...readText(path).matchAll(/`((?:server|tests|tools|docs|edge|libs)\/[\w./-]+\.\w+)`/g)].map(([, file = '']) => file);
    expect(named.filter((file) => !known.has(file)), path).toEqual([]);
  }
});

test('what is wrong in a threat model is found', () => {
  const there = testsOf(parseSource('tests/a.ts', `test('THREAT-01: it', f); test('THREAT-03: it', f); test('GATEWAY-01: it holds', f);`));
  const found = (text: string) => threatFindings(text, there);
  expect(found('- THREAT-01: *Spoofing.* It. *Tests:* THREAT-01; GATEWAY-01; `tests/a.ts` "holds".')).toEqual([]);
  expect(found('- THREAT-01: *Spoofing.* It.')).toEqual([expect.stringContaining('names no test'), expect.stringContaining('does not name them')]);
  expect(found('- THREAT-02: It. *Tests:* THREAT-02.')).toEqual([expect.stringContaining('no such test')]);
  expect(found('- THREAT-02: It. *Tests:* `tests/a.ts` "breaks".')).toEqual([expect.stringContaining('no such test')]);
  expect(found('- THREAT-03: It. *Tests:* THREAT-03.\n- THREAT-03: It. *Tests:* THREAT-03.')).toEqual([expect.stringContaining('twice')]);
});
