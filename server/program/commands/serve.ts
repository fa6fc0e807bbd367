/** `mobility serve`: starts modules, seeds the demo, says when it is ready, and stops cleanly. */
import { mkdir } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { modules, modulesOfTarget } from '../../modules.ts';
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

/** Runs until SIGTERM or SIGINT. @returns the exit code */
export async function runServe(rest: string[]): Promise<number> {
  const { values } = parseArgs({ args: rest, options: { target: { type: 'string', default: 'all' } } });
  const configuration = await withPorts(readConfiguration(process.env));
  refuseUnsafe(configuration);
  const selected = modulesOfTarget(values.target);
  const names = new Set(selected.map((module) => module.name));
  const progress = new Progress(process.stderr);
  const { asked } = untilAskedToStop();
  await mkdir(configuration.MOBILITY_HOME, { recursive: true, mode: 0o700 });

  // Closed in the reverse order of opening.
  const open: { name: string; close(): Promise<unknown> }[] = [];
  const closeAll = async () => {
    for (const part of open.toReversed()) await part.close();
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
    if (selected.length < modules.length) {
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
  setTimeout(() => process.exit(1), stopLimitMs).unref();
  await closeAll();
  return 0;
}
