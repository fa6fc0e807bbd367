/** Time, randomness and the environment come in from outside: who may reach for them, and why the others may not. */
import { isNode, type SourceFile, type SyntaxNode } from '../source/source.ts';
import type { Finding } from './findings.ts';

interface Reach {
  /** As written: `Date.now`; `new Date` is the one without arguments. */
  names: readonly string[];
  /** Where it is forbidden. */
  where: RegExp;
  reason: string;
}

const reaches: readonly Reach[] = [
  {
    names: ['Date.now', 'new Date', 'performance.now', 'Math.random', 'crypto.randomUUID', 'crypto.getRandomValues', 'randomUUID', 'randomBytes', 'v4', 'v7', 'setTimeout', 'setInterval', 'fetch'],
    where: /^server\/.+\/domain\/(?!.*\.test\.ts$)|^libs\/[^/]+\/domain\//,
    reason: 'domain code is given the time, randomness and answers as arguments, so that a rule can be tested and replayed',
  },
  {
    names: ['Date.now', 'new Date', 'Math.random'],
    where: /^server\/(services|orchestrators|gateway|iot)\/(?!.*(\.test\.ts$|\/testing\/|conformance))/,
    reason: 'take the time from context.clock, which a test can move',
  },
  {
    names: ['process.env'],
    where: /^server\/(?!program\/|main\.ts)(?!.*(\.test\.ts$|\/testing\/|conformance|-under-test))/,
    reason: 'settings come in through the typed configuration',
  },
];

const nameOf = (node: unknown): string => (isNode(node) && node.type === 'Identifier' ? String(node['name']) : '');

/** What a node reaches for, as the table names it. */
function reachOf(node: SyntaxNode): string | undefined {
  if (node.type === 'NewExpression') return nameOf(node['callee']) === 'Date' && (node['arguments'] as unknown[]).length === 0 ? 'new Date' : undefined;
  if (node.type === 'MemberExpression') return `${nameOf(node['object'])}.${nameOf(node['property'])}`;
  return node.type === 'CallExpression' ? nameOf(node['callee']) || undefined : undefined;
}

/** Places that reach out where they may not. */
export const reachesOut = (files: readonly SourceFile[]): Finding[] =>
  files.flatMap(({ path, nodes, lineAt }) =>
    reaches.filter(({ where }) => where.test(path)).flatMap(({ names, reason }) =>
      nodes.flatMap((node) => {
        const name = reachOf(node);
        return name && names.includes(name) ? [{ subject: `${path} ${name}`, line: lineAt(node.start), message: reason }] : [];
      }),
    ),
  );
