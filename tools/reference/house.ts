/** Everything that the reference pages are made of: modules with what they serve, say, hear and call. */
import { modules } from '../../server/modules.ts';
import type { EventDefinition, Operation } from '../../server/wire/contract.ts';
import { isTest } from '../boundaries/boundaries.ts';
import { sourceFiles } from '../source/source.ts';
import { type EventReference, type Usage, usageOf } from './usage.ts';

export interface ModulePart {
  name: string;
  folder: string;
  needs: readonly string[];
  operations: { name: string; operation: Operation }[];
  events: EventDefinition[];
  /** Event types, `vehicles.unlocked`. */
  hears: string[];
  /** `payment.authorise` */
  calls: string[];
}

/** The folder of a module: the one whose module.ts gives it its name. */
function folderOf(name: string): string {
  const file = sourceFiles().find(({ path, text }) => /^server\/.+\/module\.ts$/.test(path) && text.includes(`name: '${name}'`));
  if (!file) throw new Error(`no module.ts below server/ says name: '${name}'`);
  return file.path.slice(0, -'module.ts'.length);
}

/** Module names by the constant of their contract. */
const contractModules = (): Map<string, string> =>
  new Map(sourceFiles().flatMap(({ path, text }) => (path.endsWith('/contract.ts') ? [...text.matchAll(/export const (\w+) = defineContract\(\{\s*module: '([\w-]+)'/g)].map(([, constant = '', module = '']) => [constant, module] as const) : [])));

/** The types of the events that are delivered to a module: the ones that it names, and all of a topic that it names. */
function delivered({ subscriptions }: Usage, moduleOf: (contract: string) => string): string[] {
  const definitions = modules.flatMap(({ name, contract }) => Object.entries(contract?.events ?? {}).map(([event, { type, topic }]) => ({ module: name, event, type, topic })));
  const matching = (reference: EventReference) => definitions.filter(({ module, event }) => module === moduleOf(reference.contract) && event === reference.event);
  const typesOf = (topic: string) => definitions.filter((definition) => definition.topic === topic).map(({ type }) => type);
  return subscriptions.flatMap((one) => {
    if ('topic' in one) return typesOf(one.topic);
    return 'topicOf' in one ? matching(one.topicOf).flatMap(({ topic }) => typesOf(topic)) : matching(one).map(({ type }) => type);
  });
}

/** Reads the modules' list, their contracts and their source. */
export function readHouse(): ModulePart[] {
  const contracts = contractModules();
  const moduleOf = (contract: string): string => contracts.get(contract) ?? contract;
  const parts = modules.map((module) => {
    const folder = folderOf(module.name);
    const usage = usageOf(sourceFiles().filter(({ path }) => path.startsWith(folder) && !isTest.test(path)));
    return {
      name: module.name, folder, needs: module.needs,
      operations: Object.entries(module.contract?.operations ?? {}).map(([name, operation]) => ({ name, operation })),
      events: Object.values(module.contract?.events ?? {}),
      hears: [...new Set(delivered(usage, moduleOf))].toSorted(),
      calls: [...new Set(usage.calls.map(({ contract, operation }) => `${moduleOf(contract)}.${operation}`))].toSorted(),
    };
  });
  return parts.toSorted((a, b) => (a.name < b.name ? -1 : 1));
}
