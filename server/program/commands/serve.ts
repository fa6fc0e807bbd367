/** `mobility serve`: starts modules, seeds the demo, says when it is ready, and stops cleanly. */
import { mkdir } from 'node:fs/promises';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { loadModules, moduleNames, modulesOfTarget } from '../../targets.ts';
import { freePort } from '../../infra/free-port.ts';
import { type Configuration, readConfiguration } from '../configuration.ts';
import { openInternalServer } from '../internal-server.ts';
import { openPorts } from '../ports.ts';
import { readInternalTls } from '../peers.ts';
import { prepareProcess, type RunningProcess } from '../process.ts';
import { Progress } from '../progress.ts';
import { refuseUnsafe } from '../safety.ts';
import { untilAskedToStop } from '../signals.ts';

const stopLimitMs = 10_000;
/** From then on nobody waits for another process that may be stopping as well. */
const hurryAfterMs = 5_000;

/** Takes a free port where 0 was given: addresses are part of tokens, so they have to be known before anything starts. */
async function withPorts(configuration: Configuration): Promise<Configuration> {
  if (configuration.PORT !== 0) return configuration;
  const PORT = await freePort();
  return { ...configuration, PORT, publicUrl: configuration.MOBILITY_PUBLIC_URL ?? `http://localhost:${PORT}` };
}

/** What is open, closed in the reverse order of opening. */
class OpenParts {
  readonly #parts: { name: string; close(): Promise<unknown> }[] = [];

  add(name: string, close: () => Promise<unknown>): void {
    this.#parts.push({ name, close });
  }

  /** What is closing, or would be next. */
  get last(): string {
    return this.#parts.at(-1)?.name ?? 'the process';
  }

  async close(): Promise<void> {
    for (let part = this.#parts.at(-1); part; part = this.#parts.at(-1)) {
      await part.close();
      this.#parts.pop();
    }
  }
}

/** Opens everything. @throws what cannot be opened; what was opened before is in `open` */
async function openAll(configuration: Configuration, target: string, open: OpenParts, progress: Progress): Promise<RunningProcess> {
  const selected = await loadModules(modulesOfTarget(target));
  const names = new Set(selected.map((module) => module.name));
  const demo = configuration.demo ? await (await import('../../demo/demo.ts')).openDemo(configuration, names, progress) : undefined;
  if (demo) open.add('the sandboxes', () => demo.close());
  const riderApp = names.has('gateway') && configuration.MOBILITY_RIDER_APP ? (await import('../rider-app.ts')).buildRiderApp(progress) : Promise.resolve();
  // A failed build is told when everything else has started; until then it is nobody's rejection.
  riderApp.catch(() => undefined);
  const tls = await readInternalTls(configuration);
  const ports = await progress.during('opening the database and the event log', openPorts(configuration));
  const running = prepareProcess({
    configuration, modules: selected, ports,
    onProgress: (module) => progress.say(`starting ${module}`),
    beforeReady: async (client) => {
      await demo?.seed(client);
      await riderApp;
    },
  });
  open.add('the modules', () => running.stop());
  if (selected.length < moduleNames.length) {
    const server = await openInternalServer(running, { host: configuration.HOST, port: configuration.MOBILITY_INTERNAL_PORT, tls });
    open.add('the server for other processes', () => server.close());
    process.stdout.write(`serving ${[...names].join(', ')}\ninternal ${server.listeningOrigin}\n`);
  }
  open.add('the door', () => running.closeDoors());
  await running.start();
  const simulator = await demo?.startSimulator(ports);
  if (simulator) open.add('the simulator', () => simulator.close());
  return running;
}

/** Runs until SIGTERM or SIGINT, then ends the process: with 0 when everything was finished in time. */
export async function runServe(rest: string[]): Promise<number> {
  const { values } = parseArgs({ args: rest, options: { target: { type: 'string', default: 'all' } } });
  const configuration = await withPorts(readConfiguration(process.env));
  refuseUnsafe(configuration);
  const progress = new Progress(process.stderr);
  const { asked } = untilAskedToStop();
  await mkdir(configuration.MOBILITY_HOME, { recursive: true, mode: 0o700 });
  const open = new OpenParts();
  let running: RunningProcess;
  try {
    running = await openAll(configuration, values.target, open, progress);
  } catch (error) {
    progress.done();
    await open.close();
    throw error;
  }
  progress.done();
  process.stdout.write(values.target === 'all' || running.served('gateway') ? `ready ${configuration.publicUrl}\n` : `ready ${values.target}\n`);
  await asked;

  running.drain();
  await pause(configuration.MOBILITY_DRAIN_MS);
  setTimeout(() => running.hurry(), hurryAfterMs).unref();
  // What does not finish in time is cut off: a restart picks it up, as after a power cut.
  const cutOff = setTimeout(() => {
    process.stderr.write(`${open.last} did not stop within ${stopLimitMs} ms and is cut off\n`);
    process.exit(1);
  }, stopLimitMs);
  await open.close();
  clearTimeout(cutOff);
  // All is finished and closed: a timer or socket that a library has left behind must not hold the process.
  process.exit(0);
}
