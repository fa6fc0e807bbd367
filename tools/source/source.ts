/** The repository's own source, read once: what every check of the house looks at. */
import { readdirSync, readFileSync } from 'node:fs';
import { dirname, join, posix } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseSync } from 'oxc-parser';

export const repositoryRoot = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** Folders that are made by programs, and what people keep beside their work. */
const notOurs = new Set(['node_modules', '.git', '.mobility', '.engines', 'dist', 'dist-android', '.expo', 'coverage']);

/** Paths of all files, relative to the root, with `/` between folders, in the order of their names. */
export function filesBelow(folder: string, root = repositoryRoot): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = posix.join(folder, entry.name);
      if (entry.isDirectory()) return notOurs.has(entry.name) ? [] : filesBelow(path, root);
      return entry.isFile() ? [path] : [];
    });
}

export const readText = (path: string, root = repositoryRoot): string => readFileSync(join(root, path), 'utf8');

/** Any node of the syntax tree; `members` are looked at by name, since the checks only care for a few. */
export interface SyntaxNode {
  type: string;
  start: number;
  end: number;
  [member: string]: unknown;
}

export const isNode = (value: unknown): value is SyntaxNode => typeof value === 'object' && value !== null && typeof (value as SyntaxNode).type === 'string';

/** The nodes directly below, in the order of the text. */
export function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (const value of Object.values(node)) {
    if (Array.isArray(value)) children.push(...value.filter(isNode));
    else if (isNode(value)) children.push(value);
  }
  return children;
}

/** Every node, parents before children. */
export function nodesOf(root: SyntaxNode): SyntaxNode[] {
  const nodes: SyntaxNode[] = [];
  const open = [root];
  for (let node = open.pop(); node; node = open.pop()) {
    nodes.push(node);
    open.push(...childrenOf(node).toReversed());
  }
  return nodes;
}

/** One import or re-export. `typeOnly` when nothing of it is left at run time. */
export interface Import {
  specifier: string;
  typeOnly: boolean;
  start: number;
}

export interface SourceFile {
  path: string;
  text: string;
  program: SyntaxNode;
  /** Every node of the program, parents before children. */
  nodes: readonly SyntaxNode[];
  imports: Import[];
  /** @param offset in the text @returns the line, counted from 1 */
  lineAt(offset: number): number;
}

/** @throws Error that names the file and the place of a syntax error */
export function parseSource(path: string, text: string): SourceFile {
  const parsed = parseSync(path, text);
  const lineAt = (offset: number) => text.slice(0, offset).split('\n').length;
  const [error] = parsed.errors;
  if (error) throw new Error(`${path}:${lineAt(error.labels[0]?.start ?? 0)}: ${error.message}`);
  const { staticImports, staticExports, dynamicImports } = parsed.module;
  // The parser's ranges count UTF-16 units, as JavaScript strings do.
  const imports: Import[] = [
    ...staticImports.map(({ moduleRequest, entries, start }) => ({ specifier: moduleRequest.value, start, typeOnly: text.startsWith('import type', start) || (entries.length > 0 && entries.every((entry) => entry.isType)) })),
    ...staticExports.flatMap(({ entries, start }) => entries.flatMap(({ moduleRequest, isType }) => (moduleRequest ? [{ specifier: moduleRequest.value, typeOnly: isType, start }] : []))),
    ...dynamicImports.map(({ moduleRequest, start }) => ({ specifier: text.slice(moduleRequest.start + 1, moduleRequest.end - 1), typeOnly: false, start })),
  ];
  const program = parsed.program as unknown as SyntaxNode;
  let nodes: readonly SyntaxNode[] | undefined;
  return {
    path, text, program, imports, lineAt,
    get nodes() {
      nodes ??= nodesOf(program);
      return nodes;
    },
  };
}

const sourceFolders = ['server', 'simulator', 'edge', 'libs', 'bench', 'tests', 'tools', 'apps'];

let read: readonly SourceFile[] | undefined;

/** Every source file of ours, parsed once for each process. */
export function sourceFiles(): readonly SourceFile[] {
  const present = new Set(readdirSync(repositoryRoot));
  read ??= sourceFolders
    .filter((folder) => present.has(folder))
    .flatMap((folder) => filesBelow(folder))
    .filter((path) => /\.(ts|tsx|mjs|cjs)$/.test(path))
    .map((path) => parseSource(path, readText(path)));
  return read;
}
