/** Every module, loaded: for tools and tests that look at the whole house. A process loads what it serves: `targets.ts`. */
import type { Module } from './module.ts';
import { loadModules, moduleNames } from './targets.ts';

export const modules: readonly Module[] = await loadModules(moduleNames);
