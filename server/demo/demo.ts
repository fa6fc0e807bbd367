/** What demo mode adds to the program: provider sandboxes, a seeded city, and its simulator. */
import { join } from 'node:path';
import { freePort } from '../infra/free-port.ts';
import type { Configuration } from '../program/configuration.ts';
import type { Ports } from '../program/ports.ts';
import type { RunningProcess } from '../program/process.ts';
import type { Progress } from '../program/progress.ts';
import { vehicleContract } from '../services/vehicle/contract.ts';
import { startAdyenSandbox } from '../../simulator/providers/adyen.ts';
import { startStripeSandbox } from '../../simulator/providers/stripe.ts';
import { startSimulator } from './simulator.ts';
import { frankfurt } from './frankfurt.ts';

export interface Demo {
  /** Makes Frankfurt where there is none yet. */
  seed(client: RunningProcess['client']): Promise<void>;
  /** Wakes vehicles and riders of the simulator; they use what is public only. */
  startSimulator(ports: Ports): Promise<{ close(): Promise<void> } | undefined>;
  close(): Promise<void>;
}

const seed = 20_261_122;

/**
 * Opens what has to be there before the modules start, and writes its addresses into the configuration.
 * @param modules of this process: sandboxes stand beside the payments orchestrator, vehicles beside the IoT core
 */
export async function openDemo(configuration: Configuration, modules: ReadonlySet<string>, progress: Progress): Promise<Demo> {
  const folder = join(configuration.MOBILITY_HOME, 'simulator');
  const stripe = configuration.MOBILITY_STRIPE_URL || !modules.has('payments-orchestrator') ? undefined : await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
  const adyen = configuration.MOBILITY_ADYEN_URL || !modules.has('payments-orchestrator') ? undefined : await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
  if (stripe) Object.assign(configuration, { MOBILITY_STRIPE_URL: stripe.url, MOBILITY_STRIPE_KEY: 'sk_test_sandbox' });
  if (adyen) Object.assign(configuration, { MOBILITY_ADYEN_URL: adyen.url, MOBILITY_ADYEN_KEY: 'sandbox' });
  const nearFieldPort = configuration.MOBILITY_SIMULATOR && modules.has('iot') ? await freePort() : undefined;
  if (nearFieldPort) configuration.MOBILITY_NEAR_FIELD_URL = `http://127.0.0.1:${nearFieldPort}`;

  return {
    async seed(client) {
      if (!modules.has('vehicle')) return;
      const vehicles = client(vehicleContract);
      const { items } = await vehicles.listCities({});
      if (items.some((city) => city.id === 'frankfurt')) return;
      const body = frankfurt({ vehicles: configuration.MOBILITY_VEHICLES, seed });
      await progress.during('making Frankfurt', vehicles.putCity({ params: { cityId: body.id }, body }));
    },
    async startSimulator({ clock, keys, logger }) {
      if (!nearFieldPort || !modules.has('gateway')) return undefined;
      return progress.during('waking the vehicles', startSimulator({ configuration, clock, keys, logger, folder, seed, nearFieldPort }));
    },
    async close() {
      await Promise.all([stripe?.close(), adyen?.close()]);
    },
  };
}
