/** Who may import whom: rules with their reasons, held against the imports of every file. */
import { builtinModules } from 'node:module';
import { posix } from 'node:path';
import type { SourceFile } from '../source/source.ts';

/** One import, with its target as a path in the repository, `node:name` or the name of a package. */
export interface Edge {
  from: string;
  to: string;
  typeOnly: boolean;
  line: number;
}

export interface BoundaryRule {
  name: string;
  /** Why, in a sentence; printed with every violation. */
  reason: string;
  from: RegExp;
  fromNot?: RegExp;
  /** What the files may not import. Groups of `from` can be used as `$1`. */
  to: string;
  /** What they may import all the same. */
  toNot?: string;
  /** Type-only imports vanish at run time; some rules let them pass. */
  typesAllowed?: boolean;
}

/** Tests and what only tests use. */
export const isTest = /\.test\.tsx?$|\/testing\/|\/testing\.ts$|conformance[a-z-]*\.ts$|-under-test\.ts$/;

/** The target of an import: relative ones as paths from the root. */
export function targetOf(from: string, specifier: string): string {
  if (specifier.startsWith('.')) return posix.normalize(posix.join(posix.dirname(from), specifier));
  if (specifier.startsWith('node:')) return specifier;
  const [scopeOrName = '', name = ''] = specifier.split('/');
  if (builtinModules.includes(scopeOrName)) return `node:${specifier}`;
  return scopeOrName.startsWith('@') ? `${scopeOrName}/${name}` : scopeOrName;
}

export const edgesOf = (files: readonly SourceFile[]): Edge[] =>
  files.flatMap((file) => file.imports.map(({ specifier, typeOnly, start }) => ({ from: file.path, to: targetOf(file.path, specifier), typeOnly, line: file.lineAt(start) })));

const withGroups = (pattern: string, match: RegExpExecArray): RegExp => new RegExp(pattern.replaceAll(/\$(\d)/g, (_, index: string) => match[Number(index)] ?? ''));

/** A sentence for each import that a rule forbids. */
export function violations(edges: readonly Edge[], rules: readonly BoundaryRule[]): string[] {
  return rules.flatMap((rule) =>
    edges.flatMap((edge) => {
      const match = rule.from.exec(edge.from);
      if (!match || rule.fromNot?.test(edge.from) || (rule.typesAllowed && edge.typeOnly)) return [];
      if (!withGroups(rule.to, match).test(edge.to) || (rule.toNot && withGroups(rule.toNot, match).test(edge.to))) return [];
      return [`${edge.from}:${edge.line} imports ${edge.to}: ${rule.name}. ${rule.reason}`];
    }),
  );
}

/** Circles of imports that exist at run time, each once, as `a → b → a`. */
export function circles(edges: readonly Edge[]): string[] {
  const next = new Map<string, string[]>();
  for (const { from, to, typeOnly } of edges) if (!typeOnly) next.set(from, [...(next.get(from) ?? []), to]);
  const found: string[] = [];
  const done = new Set<string>();
  const visit = (file: string, path: string[]): void => {
    const start = path.indexOf(file);
    if (start >= 0) found.push([...path.slice(start), file].join(' → '));
    if (start >= 0 || done.has(file)) return;
    for (const target of next.get(file) ?? []) visit(target, [...path, file]);
    done.add(file);
  };
  for (const file of next.keys()) visit(file, []);
  return found;
}
