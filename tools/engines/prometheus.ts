/** Debian's Prometheus, for its `promtool`: the judge of rules. */
import { installPackages, requiredProgram } from './debian.ts';
import { run } from './engine.ts';

/** @throws Error with what it says when it does not agree */
export async function promtool(...given: readonly string[]): Promise<string> {
  await installPackages('promtool', ['prometheus']);
  return run(requiredProgram('promtool'), given);
}
