/** Numbered rules in the README of a module, and the tests that carry their numbers. */
import { isNode, type SourceFile, type SyntaxNode } from '../source/source.ts';

export interface NamedTest {
  path: string;
  line: number;
  name: string;
  /** `skip`, `only`, `todo`, `fails`, `skipIf`, `each` … */
  modifiers: string[];
  suite: boolean;
}

const textOf = (node: SyntaxNode | undefined): string | undefined => {
  if (node?.type === 'Literal' && typeof node['value'] === 'string') return node['value'];
  if (node?.type !== 'TemplateLiteral') return undefined;
  return (node['quasis'] as SyntaxNode[]).map((quasi) => (quasi['value'] as { cooked?: string }).cooked ?? '').join('…');
};

/** `test.skip.each(…)(name)` → `test`, [`skip`, `each`] */
function calledName(node: unknown, modifiers: string[] = []): { base: string; modifiers: string[] } | undefined {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier') return { base: String(node['name']), modifiers };
  if (node.type === 'CallExpression') return calledName(node['callee'], modifiers);
  if (node.type === 'TaggedTemplateExpression') return calledName(node['tag'], modifiers);
  if (node.type !== 'MemberExpression' || !isNode(node['property'])) return undefined;
  return calledName(node['object'], [String(node['property']['name']), ...modifiers]);
}

/** Every test and suite of a file with its name as written. */
export function testsOf(file: SourceFile): NamedTest[] {
  return file.nodes.flatMap((node) => {
    if (node.type !== 'CallExpression') return [];
    const called = calledName(node['callee']);
    const name = textOf((node['arguments'] as SyntaxNode[])[0]);
    if (!called || name === undefined || !['test', 'it', 'describe', 'suite'].includes(called.base)) return [];
    return [{ path: file.path, line: file.lineAt(node.start), name, modifiers: called.modifiers, suite: called.base === 'describe' || called.base === 'suite' }];
  });
}

const ruleNumber = /^[A-Z][A-Z-]*-\d{2,}/;

/** `BOOKING-07, BOOKING-08: a sentence` → both numbers. */
export function numbersOf(testName: string): string[] {
  const numbers: string[] = [];
  for (let rest = testName; ; ) {
    const [number] = ruleNumber.exec(rest) ?? [];
    if (!number) return numbers;
    numbers.push(number);
    rest = rest.slice(number.length).replace(/^(,| and)? /, '');
  }
}

/** The rules that a README lists: `- BOOKING-07: A sentence.` */
export const rulesOf = (readme: string): string[] => [...readme.matchAll(/^[-*] \**([A-Z][A-Z-]*-\d{2,})\**:/gm)].map(([, number]) => number ?? '');

export interface RuleReport {
  withoutTest: string[];
  unknown: string[];
  twice: string[];
}

/**
 * @param readmes text by path
 * @param listedElsewhere numbers that tests may carry although no README lists them
 */
export function compareRules(readmes: ReadonlyMap<string, string>, tests: readonly NamedTest[], listedElsewhere: readonly string[] = []): RuleReport {
  const rules = [...readmes].flatMap(([path, text]) => rulesOf(text).map((number) => ({ path, number })));
  const known = new Set([...rules.map(({ number }) => number), ...listedElsewhere]);
  const tested = new Set(tests.flatMap(({ name }) => numbersOf(name)));
  return {
    withoutTest: rules.filter(({ number }) => !tested.has(number)).map(({ path, number }) => `${path}: ${number} has no test; begin the name of one with "${number}: "`),
    unknown: tests.flatMap(({ path, line, name }) => numbersOf(name).filter((number) => !known.has(number)).map((number) => `${path}:${line}: no README lists a rule ${number}; write it there or correct the test's name`)),
    twice: rules.filter(({ number }, index) => rules.findIndex((other) => other.number === number) !== index).map(({ path, number }) => `${path}: ${number} is there twice; numbers are never used again`),
  };
}

/** Tests that would hide others, or themselves without saying why. */
export function skippedTests(file: SourceFile): string[] {
  return testsOf(file).flatMap(({ path, line, name, modifiers }) => {
    if (modifiers.includes('only')) return [`${path}:${line}: "${name}" hides all other tests; remove .only`];
    const skipped = modifiers.find((modifier) => ['skip', 'todo', 'fails'].includes(modifier));
    return skipped ? [`${path}:${line}: "${name}" is left out; make it pass, remove it, or use .skipIf(condition) with the reason in its name`] : [];
  });
}
