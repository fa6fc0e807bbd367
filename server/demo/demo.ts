/** What demo mode adds to the program: provider sandboxes, a seeded city, and its simulator. */
import { once } from 'node:events';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from '../infra/free-port.ts';
import { type Configuration, ConfigurationError } from '../program/configuration.ts';
import type { Ports } from '../program/ports.ts';
import type { RunningProcess } from '../program/process.ts';
import type { Progress } from '../program/progress.ts';
import { vehicleContract } from '../services/vehicle/contract.ts';

export interface Demo {
  /** Makes Frankfurt where there is none yet. */
  seed(client: RunningProcess['client']): Promise<void>;
  /** Wakes vehicles and riders of the simulator; they use what is public only. */
  startSimulator(ports: Ports): Promise<{ close(): Promise<void> } | undefined>;
  close(): Promise<void>;
}

const seed = 20_261_122;

// Each is loaded where it is used: a process with one module knows nothing of the world around it.
const startStripe = async (port: number, folder: string) => (await import('../../simulator/providers/stripe.ts')).startStripeSandbox({ port, folder: join(folder, 'stripe') });
const startAdyen = async (port: number, folder: string) => (await import('../../simulator/providers/adyen.ts')).startAdyenSandbox({ port, folder: join(folder, 'adyen') });

/**
 * Opens what has to be there before the modules start, and writes its addresses into the configuration.
 * @param modules of this process: sandboxes stand beside the payments orchestrator, vehicles beside the IoT core
 */
export async function openDemo(configuration: Configuration, modules: ReadonlySet<string>, progress: Progress): Promise<Demo> {
  const folder = join(configuration.MOBILITY_HOME, 'simulator');
  const stripe = configuration.MOBILITY_STRIPE_URL || !modules.has('payments-orchestrator') ? undefined : await startStripe(0, folder);
  const adyen = configuration.MOBILITY_ADYEN_URL || !modules.has('payments-orchestrator') ? undefined : await startAdyen(0, folder);
  if (stripe) Object.assign(configuration, { MOBILITY_STRIPE_URL: stripe.url, MOBILITY_STRIPE_KEY: 'sk_test_sandbox' });
  if (adyen) Object.assign(configuration, { MOBILITY_ADYEN_URL: adyen.url, MOBILITY_ADYEN_KEY: 'sandbox' });
  const nearFieldPort = configuration.MOBILITY_SIMULATOR && !configuration.MOBILITY_NEAR_FIELD_URL && modules.has('iot') ? await freePort() : undefined;
  if (nearFieldPort) configuration.MOBILITY_NEAR_FIELD_URL = `http://127.0.0.1:${nearFieldPort}`;

  return {
    async seed(client) {
      if (!modules.has('vehicle')) return;
      const vehicles = client(vehicleContract);
      const { items } = await vehicles.listCities({});
      if (items.some((city) => city.id === 'frankfurt')) return;
      const { frankfurt } = await import('./frankfurt.ts');
      const body = frankfurt({ vehicles: configuration.MOBILITY_VEHICLES, seed });
      await progress.during('making Frankfurt', vehicles.putCity({ params: { cityId: body.id }, body }));
    },
    async startSimulator({ clock, keys, logger, tracer }) {
      if (!nearFieldPort || !modules.has('gateway')) return undefined;
      const { startSimulator } = await import('./simulator.ts');
      return progress.during('waking the vehicles', startSimulator({ configuration, clock, keys, logger, tracer, folder, seed, nearFieldPort }));
    },
    async close() {
      await Promise.all([stripe?.close(), adyen?.close()]);
    },
  };
}

const lookEveryMs = 200;

async function untilDoorIsReady(publicUrl: string, signal: AbortSignal): Promise<void> {
  for (;;) {
    const answer = await fetch(`${publicUrl}/health/ready`, { signal }).catch(() => undefined);
    await answer?.body?.cancel();
    if (answer?.ok) return;
    await pause(lookEveryMs, undefined, { signal });
  }
}

const portOf = (name: string, url: string | undefined): number => {
  if (!url) throw new ConfigurationError(`${name} has to say where \`mobility simulate\` listens: the address that the platform was given`);
  return Number(new URL(url).port);
};

/**
 * All of it for a platform whose processes are elsewhere: sandboxes and vehicles at the addresses of its configuration.
 * Resolves when the door is open and the vehicles are awake. @throws ConfigurationError
 */
export async function startOutside(configuration: Configuration, { clock, keys, logger, tracer }: Pick<Ports, 'clock' | 'keys' | 'logger' | 'tracer'>, signal: AbortSignal): Promise<{ close(): Promise<void> }> {
  const folder = join(configuration.MOBILITY_HOME, 'simulator');
  const ports = {
    stripe: portOf('MOBILITY_STRIPE_URL', configuration.MOBILITY_STRIPE_URL),
    adyen: portOf('MOBILITY_ADYEN_URL', configuration.MOBILITY_ADYEN_URL),
    nearField: portOf('MOBILITY_NEAR_FIELD_URL', configuration.MOBILITY_NEAR_FIELD_URL),
  };
  const open: { close(): Promise<void> }[] = [];
  const close = async () => {
    for (const part of open.toReversed()) await part.close();
  };
  try {
    open.push(await startStripe(ports.stripe, folder));
    open.push(await startAdyen(ports.adyen, folder));
    await untilDoorIsReady(configuration.publicUrl, signal);
    const { startSimulator } = await import('./simulator.ts');
    const simulator = await startSimulator({ configuration, clock, keys, logger, tracer, folder, seed, nearFieldPort: ports.nearField, patience: signal });
    open.push(simulator);
    await Promise.race([simulator.connected(), once(signal, 'abort')]);
  } catch (error) {
    await close();
    throw error;
  }
  return { close };
}
