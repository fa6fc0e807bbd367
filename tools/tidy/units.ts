/** Numbers in public names say their unit: `radiusMetres`, `timeoutMs`, `priceMinor`. */
import { childrenOf, isNode, type SourceFile, type SyntaxNode } from '../source/source.ts';
import type { Finding } from './findings.ts';

/** Quantities that mean nothing without a unit, when they end a name. */
const quantity = /(^|[a-z_])(radius|distance|altitude|elevation|odometer|range|timeout|duration|delay|interval|latency|lifetime|(?<!st)age|ttl|period|speed|velocity|weight|temperature|voltage|power|energy|price|fare|fee|fine|cost|deposit|amount|balance|battery|bandwidth)$/i;

const numericCalls = new Set(['number', 'int', 'int32', 'float32', 'float64', 'bigint']);

/** Whether a Zod schema is of a number: a chain of calls that begins at `z.number`, `z.int`, `z.coerce.number`, `Minor`. */
function isNumericSchema(node: SyntaxNode): boolean {
  let chain: unknown = node;
  while (isNode(chain)) {
    if (chain.type === 'Identifier') return chain['name'] === 'Minor';
    if (chain.type === 'MemberExpression' && isNode(chain['property']) && numericCalls.has(String(chain['property']['name']))) return true;
    chain = chain.type === 'CallExpression' ? chain['callee'] : chain['object'];
  }
  return false;
}

/** `number`, also as one of several types or of an array. */
function isNumericType(annotation: unknown): boolean {
  if (!isNode(annotation)) return false;
  if (annotation.type === 'TSNumberKeyword') return true;
  if (annotation.type === 'TSTypeAnnotation') return isNumericType(annotation['typeAnnotation']);
  if (annotation.type === 'TSArrayType') return isNumericType(annotation['elementType']);
  return annotation.type === 'TSUnionType' && (annotation['types'] as unknown[]).some(isNumericType);
}

const isNumber = (node: unknown): boolean => isNode(node) && node.type === 'Literal' && typeof node['value'] === 'number';

/** The name, where a node gives a number one that others can see; `#private` is not. */
function namedNumber(node: SyntaxNode): string | undefined {
  const name = (of: unknown): string | undefined => (isNode(of) && of.type === 'Identifier' ? String(of['name']) : undefined);
  if (node.type === 'TSPropertySignature' || node.type === 'PropertyDefinition') return isNumericType(node['typeAnnotation']) || isNumber(node['value']) ? name(node['key']) : undefined;
  if (node.type === 'Property') return isNode(node['value']) && (isNumericSchema(node['value']) || isNumber(node['value'])) ? name(node['key']) : undefined;
  if (node.type === 'Identifier') return isNumericType(node['typeAnnotation']) ? name(node) : undefined;
  if (node.type === 'VariableDeclarator') return isNumber(node['init']) ? name(node['id']) : undefined;
  return undefined;
}

/** What a file lets others see: its exported declarations without the bodies of functions. */
function* publicNodes(node: SyntaxNode): Generator<SyntaxNode> {
  yield node;
  for (const child of childrenOf(node)) if (child.type !== 'BlockStatement' && child.type !== 'FunctionBody') yield* publicNodes(child);
}

const exported = new Set(['ExportNamedDeclaration', 'ExportDefaultDeclaration']);

/** Names from other people's formats, which keep the names that they have there. */
const foreign = /^libs\/gbfs\/|^simulator\/providers\/|\/fixtures\/|\.test\.tsx?$/;

export function unitlessNumbers(files: readonly SourceFile[]): Finding[] {
  return files.filter(({ path }) => !foreign.test(path)).flatMap((file) => {
    const found: Finding[] = [];
    const statements = file.nodes.filter(({ type }) => exported.has(type));
    // Contracts are public from end to end, also where a shape has a name of its own.
    const roots = file.path.endsWith('/contract.ts') ? [file.program] : statements;
    for (const root of roots) {
      for (const node of publicNodes(root)) {
        const name = namedNumber(node);
        if (name && quantity.test(name)) found.push({ subject: `${file.path} ${name}`, line: file.lineAt(node.start), message: 'a number without its unit; end the name with it: Metres, Ms, Seconds, Minutes, Minor, Percent, KilometresPerHour …' });
      }
    }
    return found;
  });
}
