/** The threat model: each of its lines names the tests that try the attack, and each of those has to exist. */
import { type NamedTest, numbersOf } from './tests-and-rules.ts';

export interface Threat {
  number: string;
  /** Numbers of rules, or `path "part of a test's name"`. */
  evidence: string[];
}

const line = /^- (THREAT-\d{2,}): (.+)$/gm;
const cited = / \*Tests:\* ([^*]+)\.$/;
const namedTest = /^`([^`]+)` "([^"]+)"$/;

/** `- THREAT-01: *Spoofing.* What somebody does, and what stands against it. *Tests:* THREAT-01; GATEWAY-01; `path` "a name".` */
export const threatsOf = (markdown: string): Threat[] =>
  [...markdown.matchAll(line)].map(([, number = '', text = '']) => ({ number, evidence: cited.exec(text)?.[1]?.split('; ').map((item) => item.trim()) ?? [] }));

/** @returns lines without a test, and what they name that is not there */
export function threatFindings(markdown: string, tests: readonly NamedTest[]): string[] {
  const threats = threatsOf(markdown);
  const tested = new Set(tests.flatMap(({ name }) => numbersOf(name)));
  const exists = (item: string): boolean => {
    const [, path, part = ''] = namedTest.exec(item) ?? [];
    return path ? tests.some((each) => each.path === path && each.name.includes(part)) : tested.has(item);
  };
  return threats.flatMap(({ number, evidence }, index) => [
    ...(threats.findIndex((other) => other.number === number) === index ? [] : [`${number} is there twice; numbers are never used again`]),
    ...(evidence.length === 0 ? [`${number} names no test; end its line with "*Tests:* NUMBER; \`path\` "name"."`] : []),
    ...evidence.filter((item) => !exists(item)).map((item) => `${number} names ${item}, and there is no such test`),
    ...(tested.has(number) && !evidence.includes(number) ? [`${number} has tests of its own and does not name them`] : []),
  ]);
}
