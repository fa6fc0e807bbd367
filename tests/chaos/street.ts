/** The world around the platform, in this process so that it outlives what is killed: vehicles with their agents, and payment providers. */
import { join } from 'node:path';
import { systemClock } from '../../server/infra/clock/system.ts';
import { freePort } from '../../server/infra/free-port.ts';
import { Api } from '../../simulator/api.ts';
import { type CityVehicle, type IssuedCertificate, type RunningCity, startCity } from '../../simulator/city.ts';
import { startAdyenSandbox } from '../../simulator/providers/adyen.ts';
import type { Fault } from '../../simulator/providers/faults.ts';
import type { Sandbox } from '../../simulator/providers/server.ts';
import { startStripeSandbox } from '../../simulator/providers/stripe.ts';
import { randomFor } from '../../simulator/randomness.ts';
import type { ProviderCharge, VehicleFact } from '../invariants/evidence.ts';
import { chargesAt } from '../invariants/reading.ts';
import { demoUser, until } from '../journeys/program.ts';
import { TcpProxy } from './tcp-proxy.ts';

export type ProviderName = 'stripe' | 'adyen';

export interface Street {
  /** Settings by which the platform finds its surroundings. */
  settings: Record<string, string>;
  /** Between the vehicles and the broker. */
  radio: TcpProxy;
  behave(provider: ProviderName, behaviour: { fault: Fault; times?: number; latencyMs?: number }): Promise<void>;
  charges(): Promise<ProviderCharge[]>;
  /** Wakes the vehicles that the platform knows. */
  wake(url: string): Promise<void>;
  bodies(): VehicleFact[];
  close(): Promise<void>;
}

/** @param broker where the platform listens for vehicles */
export async function openStreet({ folder, seed, brokerPort }: { folder: string; seed: number; brokerPort: number }): Promise<Street> {
  const providers: Record<ProviderName, Sandbox> = {
    stripe: await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') }),
    adyen: await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') }),
  };
  const radio = await TcpProxy.open({ targetPort: brokerPort, random: randomFor(seed, 'radio') });
  const nearFieldPort = await freePort();
  let city: RunningCity | undefined;
  let known: readonly CityVehicle[] = [];

  return {
    settings: {
      MOBILITY_STRIPE_URL: providers.stripe.url, MOBILITY_STRIPE_KEY: 'sk_test_sandbox', MOBILITY_ADYEN_URL: providers.adyen.url, MOBILITY_ADYEN_KEY: 'sandbox',
      MOBILITY_SIMULATOR: 'false', MOBILITY_MQTT_PORT: String(brokerPort), MOBILITY_NEAR_FIELD_URL: `http://127.0.0.1:${nearFieldPort}`,
    },
    radio,
    async behave(provider, behaviour) {
      const answer = await fetch(`${providers[provider].url}/sandbox/behaviour`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(behaviour) });
      if (!answer.ok) throw new Error(`the sandbox of ${provider} answered ${answer.status}`);
    },
    charges: async () => (await Promise.all((['stripe', 'adyen'] as const).map((provider) => chargesAt(provider, providers[provider].url)))).flat(),
    async wake(url) {
      const admin = new Api(url, async () => (await demoUser(url, 'workshop@chaos.example', 'admin')).token);
      const { items } = await admin.call<{ items: CityVehicle[] }>('/v1/cities/frankfurt/vehicles?limit=200');
      known = items;
      city = await startCity({
        apiUrl: url, vehicles: known, folder: join(folder, 'street'), seed, clock: systemClock(), standsStill: true, nearField: { port: nearFieldPort },
        provision: async (vehicleId, csrPem) => {
          const issued = await admin.call<IssuedCertificate>(`/v1/vehicles/${encodeURIComponent(vehicleId)}/device-certificates`, { method: 'POST', body: { csrPem } });
          const brokerUrl = new URL(issued.brokerUrl);
          brokerUrl.port = String(radio.port);
          return { ...issued, brokerUrl: brokerUrl.href };
        },
      });
      await until(async () => known.every(({ id }) => city?.vehicle(id)?.isConnected), 120_000);
    },
    bodies: () => known.flatMap(({ id }) => {
      const state = city?.vehicle(id)?.state;
      return state ? [{ id, locked: state.locked, bookingId: state.bookingId }] : [];
    }),
    async close() {
      await city?.close();
      await radio.close();
      await Promise.all(Object.values(providers).map((provider) => provider.close()));
    },
  };
}
