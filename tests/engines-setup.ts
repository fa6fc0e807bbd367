/** Engines for the whole run. Those that were up before stay up; one that cannot be had fails the run. */
import { down, status, up } from '../tools/engines/control.ts';
import { engines } from '../tools/engines/list.ts';

export default async function setup(): Promise<() => Promise<void>> {
  const before = Object.keys(await status());
  process.env['MOBILITY_TEST_ENGINES'] = JSON.stringify(await up([], (line) => process.stderr.write(`${line}\n`)));
  return async () => {
    const ours = engines.map(({ name }) => name).filter((name) => !before.includes(name));
    if (ours.length > 0) await down(ours);
  };
}
