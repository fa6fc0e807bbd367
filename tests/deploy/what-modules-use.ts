/** What each module takes from its context: engines read from its source, so that a new use cannot be forgotten, and files of its keys. */
import { modules } from '../../server/modules.ts';
import { keysOfEvery, keysOfModules } from '../../server/program/keys.ts';
import { isTest } from '../../tools/boundaries/boundaries.ts';
import { readHouse } from '../../tools/reference/house.ts';
import { sourceFiles } from '../../tools/source/source.ts';

/** Ports of the context by the engine behind them at scale. */
const engineOf: Readonly<Record<string, string>> = { cache: 'redis', kv: 'dynamodb', blobs: 's3', series: 'postgres', events: 'kafka' };

/** Names of a port taken from a context: `context.blobs`, `const { blobs } = context`, `({ blobs }: ModuleContext)`. */
function takes(text: string, port: string): boolean {
  const destructured = [...text.matchAll(/\{([^;]*)\}(?: = (?:this\.#)?context\b|: (?:Pick<)?ModuleContext)/g)].some(([, members = '']) => new RegExp(String.raw`(^|[\s,{])${port}($|[\s,:}])`).test(members.slice(members.lastIndexOf('const {') + 1)));
  return new RegExp(String.raw`context\.${port}\b`).test(text) || destructured;
}

/** Engines that a module reaches at scale, sorted. Whoever has a schema also publishes and consumes through it. */
export function enginesOfModules(): Record<string, string[]> {
  return Object.fromEntries(readHouse().map(({ name, folder }) => {
    const texts = sourceFiles().filter(({ path }) => path.startsWith(folder) && !isTest.test(path)).map(({ text }) => text);
    const used = Object.entries(engineOf).flatMap(([port, engine]) => (texts.some((text) => takes(text, port)) ? [engine] : []));
    const hasSchema = modules.some((module) => module.name === name && module.migrations !== undefined);
    return [name, [...new Set([...used, ...(hasSchema ? ['postgres', 'kafka'] : [])])].toSorted()];
  }));
}

/** Files of the keys that a module's process is given, sorted. */
export const keyFilesOf = (module: string): string[] =>
  [...keysOfEvery(module), ...(keysOfModules[module] ?? [])].map((use) => ('secret' in use ? `${use.secret}.secret` : `${use.signingKey}.${use.algorithm}.jwk.json`)).toSorted();
