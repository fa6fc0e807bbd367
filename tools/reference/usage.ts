/** Which events a module hears and which operations it calls, read from its source. */
import { childrenOf, isNode, type SourceFile, type SyntaxNode } from '../source/source.ts';

export interface EventReference {
  contract: string;
  event: string;
}

export interface Usage {
  /** What it subscribes to: events, or the topics that events or names stand for. */
  subscriptions: (EventReference | { topic: string } | { topicOf: EventReference })[];
  calls: { contract: string; operation: string }[];
}

const nameOf = (node: unknown): string | undefined => {
  if (!isNode(node)) return undefined;
  if (node.type === 'Identifier' || node.type === 'PrivateIdentifier') return String(node['name']);
  return node.type === 'MemberExpression' ? nameOf(node['property']) : undefined;
};

const argumentsOf = (node: SyntaxNode): SyntaxNode[] => (node['arguments'] as SyntaxNode[] | undefined) ?? [];

/** `paymentContract.events` → `paymentContract` */
function contractOfEvents(node: unknown): string | undefined {
  const contract = isNode(node) && node.type === 'MemberExpression' && nameOf(node) === 'events' ? nameOf(node['object']) : undefined;
  return contract?.endsWith('Contract') ? contract : undefined;
}

/** What the constants of a file stand for: `const { captured } = paymentContract.events`, `const events = paymentContract.events`. */
class EventNames {
  readonly #events = new Map<string, EventReference>();
  readonly #contracts = new Map<string, string>();

  constructor(file: SourceFile) {
    for (const node of file.nodes) {
      const contract = node.type === 'VariableDeclarator' ? contractOfEvents(node['init']) : undefined;
      if (!contract || !isNode(node['id'])) continue;
      const alias = nameOf(node['id']);
      if (alias) this.#contracts.set(alias, contract);
      for (const property of childrenOf(node['id'])) {
        const local = nameOf(property['value']);
        const event = nameOf(property['key']);
        if (local && event) this.#events.set(local, { contract, event });
      }
    }
  }

  /** @returns the event that an expression stands for */
  find(node: SyntaxNode): EventReference | undefined {
    if (node.type === 'Identifier') return this.#events.get(String(node['name']));
    if (node.type !== 'MemberExpression' || !isNode(node['object'])) return undefined;
    const object = node['object'];
    const contract = contractOfEvents(object) ?? (object.type === 'Identifier' ? this.#contracts.get(String(object['name'])) : undefined);
    const event = node['computed'] ? undefined : nameOf(node);
    return contract && event ? { contract, event } : undefined;
  }
}

/** @throws Error for an element that cannot be read from the source */
function subscription(element: SyntaxNode, names: EventNames, file: SourceFile): Usage['subscriptions'][number] {
  if (element.type === 'Literal') return { topic: String(element['value']) };
  const event = names.find(element);
  if (event) return event;
  const topicOf = element.type === 'MemberExpression' && nameOf(element) === 'topic' && isNode(element['object']) ? names.find(element['object']) : undefined;
  if (topicOf) return { topicOf };
  throw new Error(`${file.path}:${file.lineAt(element.start)}: subscribe to 'topic', someContract.events.someEvent, its .topic, or a name taken out of someContract.events, so that the reference can tell it`);
}

const clientType = /(\w+)\??: Client<typeof (\w+Contract)\.operations>/g;

/** The names that a client goes by: `payments: context.client(paymentContract)`, `payments: Client<typeof paymentContract.operations>`. */
function clientNames(files: readonly SourceFile[]): Map<string, string> {
  const names = new Map(files.flatMap(({ text }) => [...text.matchAll(clientType)].map(([, name = '', contract = '']) => [name, contract] as const)));
  for (const node of files.flatMap((file) => file.nodes)) {
    for (const child of childrenOf(node)) {
      if (child.type !== 'CallExpression' || nameOf(child['callee']) !== 'client') continue;
      const contract = nameOf(argumentsOf(child)[0]);
      const name = nameOf(node['id']) ?? nameOf(node['key']) ?? nameOf(node['left']);
      if (contract && name) names.set(name, contract);
    }
  }
  return names;
}

/** The array in `consume([…], handle)` and in `subscribe({ topics: […] })`. */
function subscribedArray(call: SyntaxNode): SyntaxNode | undefined {
  const [first] = argumentsOf(call);
  if (!first || !['consume', 'subscribe'].includes(nameOf(call['callee']) ?? '')) return undefined;
  const topics = childrenOf(first).find((property) => nameOf(property['key']) === 'topics')?.['value'];
  return [first, topics].filter(isNode).find(({ type }) => type === 'ArrayExpression');
}

/** @param files of one module, tests left out */
export function usageOf(files: readonly SourceFile[]): Usage {
  const clients = clientNames(files);
  const usage: Usage = { subscriptions: [], calls: [] };
  for (const file of files) {
    const names = new EventNames(file);
    for (const node of file.nodes) {
      if (node.type !== 'CallExpression' || !isNode(node['callee']) || node['callee'].type !== 'MemberExpression') continue;
      const subscribed = subscribedArray(node);
      if (subscribed) usage.subscriptions.push(...childrenOf(subscribed).map((element) => subscription(element, names, file)));
      const contract = clients.get(nameOf(node['callee']['object']) ?? '');
      const operation = nameOf(node['callee']);
      if (contract && operation) usage.calls.push({ contract, operation });
    }
  }
  return usage;
}
