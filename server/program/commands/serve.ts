/** `mobility serve`: starts modules, seeds the demo, says when it is ready, and stops cleanly. */
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { loadModules, moduleNames, modulesOfTarget } from '../../targets.ts';
import { freePort } from '../../infra/free-port.ts';
import { type Configuration, readConfiguration } from '../configuration.ts';
import { openInternalServer } from '../internal-server.ts';
import { openPorts } from '../ports.ts';
import { startProcess } from '../process.ts';
import { Progress } from '../progress.ts';
import { refuseUnsafe } from '../safety.ts';
import { untilAskedToStop } from '../signals.ts';

const stopLimitMs = 10_000;

/** Takes a free port where 0 was given: addresses are part of tokens, so they have to be known before anything starts. */
async function withPorts(configuration: Configuration): Promise<Configuration> {
  if (configuration.PORT !== 0) return configuration;
  const PORT = await freePort();
  return { ...configuration, PORT, publicUrl: configuration.MOBILITY_PUBLIC_URL ?? `http://localhost:${PORT}` };
}

/** Runs until SIGTERM or SIGINT, then ends the process: with 0 when everything was finished in time. */
export async function runServe(rest: string[]): Promise<number> {
  const { values } = parseArgs({ args: rest, options: { target: { type: 'string', default: 'all' } } });
  const configuration = await withPorts(readConfiguration(process.env));
  refuseUnsafe(configuration);
  const selected = await loadModules(modulesOfTarget(values.target));
  const names = new Set(selected.map((module) => module.name));
  const progress = new Progress(process.stderr);
  const { asked } = untilAskedToStop();
  await mkdir(configuration.MOBILITY_HOME, { recursive: true, mode: 0o700 });

  // Closed in the reverse order of opening.
  const open: { name: string; close(): Promise<unknown> }[] = [];
  const closeAll = async () => {
    for (let part = open.at(-1); part; part = open.at(-1)) {
      await part.close();
      open.pop();
    }
  };
  try {
    const demo = configuration.demo ? await (await import('../../demo/demo.ts')).openDemo(configuration, names, progress) : undefined;
    if (demo) open.push({ name: 'sandboxes', close: () => demo.close() });
    const riderApp = names.has('gateway') && configuration.MOBILITY_RIDER_APP ? (await import('../rider-app.ts')).buildRiderApp(progress) : Promise.resolve();
    // A failed build is told when everything else has started; until then it is nobody's rejection.
    riderApp.catch(() => undefined);
    const ports = await progress.during('opening the database and the event log', openPorts(configuration));
    const running = await startProcess({
      configuration, modules: selected, ports,
      onProgress: (module) => progress.say(`starting ${module}`),
      beforeReady: async (client) => {
        await demo?.seed(client);
        await riderApp;
      },
    });
    open.push({ name: 'modules', close: () => running.stop() });
    if (selected.length < moduleNames.length) {
      const server = await openInternalServer(running, configuration.HOST, configuration.MOBILITY_INTERNAL_PORT);
      open.push({ name: 'internal server', close: () => server.close() });
      process.stdout.write(`internal ${server.listeningOrigin}\n`);
    }
    const simulator = await demo?.startSimulator(ports);
    if (simulator) open.push({ name: 'simulator', close: () => simulator.close() });
    progress.done();
    process.stdout.write(names.has('gateway') ? `ready ${configuration.publicUrl}\n` : `ready ${values.target}\n`);
    await asked;
  } catch (error) {
    progress.done();
    await closeAll();
    throw error;
  }
  // What does not finish in time is cut off: a restart picks it up, as after a power cut.
  const cutOff = setTimeout(() => {
    process.stderr.write(`${open.at(-1)?.name ?? 'the process'} did not stop within ${stopLimitMs} ms and is cut off\n`);
    process.exit(1);
  }, stopLimitMs);
  await closeAll();
  clearTimeout(cutOff);
  // All is finished and closed: a timer or socket that a library has left behind must not hold the process.
  process.exit(0);
}
