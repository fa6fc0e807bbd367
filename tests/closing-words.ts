/**
 * What a run says at its end: every test that was skipped, with the reason that its name carries; whether the suites on
 * engines ran; and, when one of those failed, the end of what each engine has printed.
 */
import { glob, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Reporter, TestCase, TestModule, TestSuite, Vitest } from 'vitest/node';

const logTailLines = 25;
const outmost = (test: TestCase): TestCase | TestSuite => {
  let place: TestCase | TestSuite = test;
  while (place.parent.type === 'suite' && place.parent.options.mode === 'skip') place = place.parent;
  return place;
};

/** One line for each skipped test, or for the whole suite around it that was. */
export function skippedLines(modules: readonly TestModule[]): string[] {
  const counts = new Map<string, number>();
  for (const module of modules) {
    for (const test of module.children.allTests('skipped')) {
      const { note } = test.result() as { note?: string };
      const line = `${module.relativeModuleId}: ${outmost(test).fullName}${note ? ` (${note})` : ''}`;
      counts.set(line, (counts.get(line) ?? 0) + 1);
    }
  }
  return [...counts].map(([line, count]) => (count === 1 ? line : `${line}: ${count} tests`));
}

/** The end of the log of each engine that was up. */
async function engineLogs(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const tails = await Promise.all(names.map(async (name) => {
    const text = await readFile(join(folder, name, 'engine.log'), 'utf8').catch(() => '');
    return text.trim() && [`--- the end of what ${name} has printed`, ...text.trimEnd().split('\n').slice(-logTailLines)].join('\n');
  }));
  return tails.filter(Boolean);
}

export default class ClosingWords implements Reporter {
  #vitest: Vitest | undefined;

  onInit(vitest: Vitest): void {
    this.#vitest = vitest;
  }

  async onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): Promise<void> {
    const { root, testNamePattern, include } = this.#vitest?.config ?? { root: '.', testNamePattern: undefined, include: [] };
    const say = (line: string) => process.stdout.write(`${line}\n`);
    // With a pattern of names, all others count as skipped: nothing that anybody has to be told.
    const skipped = testNamePattern ? [] : skippedLines(modules);
    if (skipped.length > 0) say(`\nSkipped, because something that they need is not here:\n${skipped.map((line) => `  ${line}`).join('\n')}`);
    const onEngines = include.some((pattern) => pattern.includes('.engine.test'));
    if (onEngines) {
      const failed = unhandledErrors.length > 0 || modules.some((module) => !module.ok());
      if (failed) for (const tail of await engineLogs(join(root, '.engines'))) say(tail);
      return;
    }
    let suites = 0;
    for await (const _path of glob('{server,simulator,tests,tools}/**/*.engine.test.ts', { cwd: root })) suites++;
    say(`\nNot run here: ${suites} suites that need real engines (PostgreSQL, Kafka, Redis, …). \`npm run test:engines\` installs what they need and runs them.`);
  }
}
