/** Where the engines of `npm run test:engines` are. */

/** @throws Error when the engine is not there: a suite that needs it fails, it is not skipped */
export function engineSetting(name: string): string {
  const settings = JSON.parse(process.env['MOBILITY_TEST_ENGINES'] ?? '{}') as Record<string, string>;
  const value = settings[name];
  if (value === undefined) throw new Error(`${name} is not known: this suite runs with \`npm run test:engines\``);
  return value;
}
