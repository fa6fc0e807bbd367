/** Engines that stay up between commands: which run where is kept in `.engines/state.json`. */
import { mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { freePort } from '../../server/infra/free-port.ts';
import { endProcess, isAlive, startEngine, type Engine } from './engine.ts';
import { engines } from './list.ts';

const home = fileURLToPath(new URL('../../.engines/', import.meta.url));
const stateFile = join(home, 'state.json');

interface EngineState {
  processId: number;
  port: number;
  settings: Record<string, string>;
}
type State = Record<string, EngineState>;

/** Those of the state that still run. */
export async function status(): Promise<State> {
  const text = await readFile(stateFile, 'utf8').catch(() => '{}');
  return Object.fromEntries(Object.entries(JSON.parse(text) as State).filter(([, { processId }]) => isAlive(processId)));
}

const keep = (state: State): Promise<void> => writeFile(stateFile, JSON.stringify(state, undefined, 2));

/** @throws Error that names what is no engine */
function named(names: readonly string[]): readonly Engine[] {
  const unknown = names.filter((name) => !engines.some((engine) => engine.name === name));
  if (unknown.length > 0) throw new Error(`there is no engine ${unknown.join(', ')}; there are ${engines.map(({ name }) => name).join(', ')}`);
  return names.length === 0 ? engines : engines.filter(({ name }) => names.includes(name));
}

/** Installs and starts what does not run yet. @returns the settings of the program that lead to them */
export async function up(names: readonly string[], say: (line: string) => void): Promise<Record<string, string>> {
  await mkdir(home, { recursive: true });
  const state = await status();
  for (const engine of named(names)) {
    if (state[engine.name]) continue;
    say(`${engine.name}: installing what is missing`);
    await engine.install();
    say(`${engine.name}: starting`);
    const { processId, place, settings } = await startEngine(engine, { folder: join(home, engine.name), port: await freePort() });
    state[engine.name] = { processId, port: place.port, settings };
    await keep(state);
  }
  return Object.assign({}, ...named(names).map(({ name }) => state[name]?.settings ?? {})) as Record<string, string>;
}

/** Stops them and removes their data. */
export async function down(names: readonly string[]): Promise<void> {
  const state = await status();
  const gone = named(names).map(({ name }) => name);
  await Promise.all(gone.map(async (name) => {
    const running = state[name];
    if (running) await endProcess(running.processId);
    await rm(join(home, name), { recursive: true, force: true });
  }));
  await mkdir(home, { recursive: true });
  await keep(Object.fromEntries(Object.entries(state).filter(([name]) => !gone.includes(name))));
}
