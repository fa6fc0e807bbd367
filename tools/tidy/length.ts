/** Long files and long functions: what does not fit on a page is two things. */
import { childrenOf, isNode, nodesOf, type SourceFile, type SyntaxNode } from '../source/source.ts';
import type { Finding } from './findings.ts';

export const maximumFileLines = 400;
export const maximumFunctionLines = 70;

/** Lines with code on them: neither blank nor a comment alone. */
const linesOfCode = (text: string): number => text.split('\n').filter((line) => !/^\s*($|\/\/|\/?\*)/.test(line)).length;

export const longFiles = (files: readonly SourceFile[]): Finding[] =>
  files.flatMap(({ path, text }) => {
    const lines = linesOfCode(text);
    return lines > maximumFileLines ? [{ subject: path, line: 1, message: `${lines} lines; split it, ${maximumFileLines} are the most` }] : [];
  });

const functionTypes = new Set(['FunctionDeclaration', 'FunctionExpression', 'ArrowFunctionExpression']);

const nameOf = (node: unknown): string | undefined => (isNode(node) && typeof node['name'] === 'string' ? node['name'] : undefined);

const calledName = (node: SyntaxNode): string | undefined => {
  for (let callee: unknown = node['callee']; isNode(callee); callee = callee['callee'] ?? callee['tag'] ?? callee['object']) if (callee.type === 'Identifier') return nameOf(callee);
  return undefined;
};

/** Suites only list tests; each test counts by itself. */
const isSuite = (node: SyntaxNode): boolean => nodesOf(node).some((inner) => inner.type === 'CallExpression' && ['test', 'it', 'describe'].includes(calledName(inner) ?? ''));

function functionName(node: SyntaxNode, parent: SyntaxNode | undefined): string {
  const named = nameOf(node['id']) ?? nameOf(parent?.['id']) ?? nameOf(parent?.['key']);
  if (named) return named;
  const [first] = (parent?.['arguments'] ?? []) as SyntaxNode[];
  return first?.type === 'Literal' ? `"${String(first['value'])}"` : 'a function without a name';
}

export function longFunctions(files: readonly SourceFile[]): Finding[] {
  return files.flatMap((file) => {
    const found: Finding[] = [];
    for (const parent of file.nodes) {
      for (const node of childrenOf(parent)) {
        if (!functionTypes.has(node.type)) continue;
        const lines = linesOfCode(file.text.slice(node.start, node.end));
        if (lines > maximumFunctionLines && !isSuite(node)) found.push({ subject: `${file.path} ${functionName(node, parent)}`, line: file.lineAt(node.start), message: `${lines} lines; take a step with a name out of it, ${maximumFunctionLines} are the most` });
      }
    }
    return found;
  });
}
