import type { Module } from '../module.ts';

/**
 * Modules so that each comes after those that it needs.
 * @param elsewhere modules that run in other processes
 * @throws Error that names a need that nobody serves, a name that is there twice, or a cycle
 */
export function inOrderOfNeeds(modules: readonly Module[], elsewhere: readonly string[] = []): Module[] {
  const byName = new Map<string, Module>();
  for (const module of modules) {
    if (byName.has(module.name)) throw new Error(`module ${module.name} is there twice`);
    byName.set(module.name, module);
  }
  const ordered: Module[] = [];
  const done = new Set<string>();
  const visit = (module: Module, path: readonly string[]): void => {
    if (done.has(module.name)) return;
    if (path.includes(module.name)) throw new Error(`modules need each other in a circle: ${[...path, module.name].join(' → ')}`);
    for (const need of module.needs) {
      const needed = byName.get(need);
      if (needed) visit(needed, [...path, module.name]);
      else if (!elsewhere.includes(need)) throw new Error(`module ${module.name} needs ${need}, which is neither a target nor in MOBILITY_PEERS`);
    }
    done.add(module.name);
    ordered.push(module);
  };
  for (const module of modules) visit(module, []);
  return ordered;
}
