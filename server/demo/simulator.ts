/** Wakes the simulator: a vehicle for each that the platform knows, also those that are imported later. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Configuration } from '../program/configuration.ts';
import type { Clock } from '../infra/clock/port.ts';
import type { Keys } from '../infra/keys/port.ts';
import type { Logger, Tracer } from '../infra/observability/port.ts';
import { Api } from '../../simulator/api.ts';
import { type CityVehicle, type IssuedCertificate, startCity } from '../../simulator/city.ts';

export interface SimulatorOptions {
  configuration: Configuration;
  clock: Clock;
  keys: Keys;
  logger: Logger;
  tracer: Tracer;
  folder: string;
  seed: number;
  nearFieldPort: number;
  /** With it, what does not answer yet is asked again until this aborts: other processes may still be starting. */
  patience?: AbortSignal;
}

interface ListedVehicle extends CityVehicle {
  rangeMetres: number;
}

const lookForCitiesMs = 5_000;
const scopes = 'devices:provision vehicles:read vehicles:manage rollouts:read';

async function postForm<T>(url: string, form: Record<string, string>, headers: Record<string, string>): Promise<T> {
  const response = await fetch(url, { method: 'POST', headers, body: new URLSearchParams(form) });
  if (!response.ok) throw new Error(`${url} answered ${response.status}: ${await response.text()}`);
  return (await response.json()) as T;
}

/** The simulator is a machine client of the platform like any other. */
async function machineToken({ configuration, keys }: SimulatorOptions): Promise<string> {
  const secret = await keys.secret('client:simulator');
  const { access_token: token } = await postForm<{ access_token: string }>(
    `${configuration.publicUrl}/oidc/token`,
    { grant_type: 'client_credentials', scope: scopes, resource: 'urn:mobility:api' },
    { authorization: `Basic ${Buffer.from(`simulator:${secret}`).toString('base64')}` },
  );
  return token;
}

async function riderToken(publicUrl: string, email: string): Promise<string> {
  const response = await fetch(`${publicUrl}/demo/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email }) });
  if (!response.ok) throw new Error(`no token for ${email}: ${response.status}`);
  return ((await response.json()) as { token: string }).token;
}

const askAgainMs = 500;

/** @throws what the work throws, at once without patience */
async function patiently<T>({ patience, logger }: SimulatorOptions, work: () => Promise<T>): Promise<T> {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (!patience || patience.aborted) throw error;
      logger.info({ error }, 'the platform does not answer the simulator yet');
      await pause(askAgainMs);
    }
  }
}

async function fleetOf(api: Api, cityId: string): Promise<ListedVehicle[]> {
  const vehicles: ListedVehicle[] = [];
  let cursor = '';
  do {
    const page = await api.call<{ items: ListedVehicle[]; next?: string }>(`/v1/cities/${cityId}/vehicles?limit=200${cursor && `&cursor=${encodeURIComponent(cursor)}`}`);
    vehicles.push(...page.items);
    cursor = page.next ?? '';
  } while (cursor);
  return vehicles;
}

export interface RunningSimulator {
  /** Resolves when every vehicle was connected once. */
  connected(): Promise<void>;
  close(): Promise<void>;
}

/** @returns what stops vehicles and riders */
export async function startSimulator(options: SimulatorOptions): Promise<RunningSimulator> {
  const { configuration, clock, logger, tracer, folder, seed, nearFieldPort } = options;
  const { publicUrl } = configuration;
  const api = new Api(publicUrl, () => machineToken(options));
  const counted = new Map<string, number>();

  /** Vehicles of cities that have changed in number since the last look. */
  async function newcomers(): Promise<ListedVehicle[]> {
    const { items } = await api.call<{ items: { id: string; vehicleCount: number }[] }>('/v1/cities');
    const changed = items.filter(({ id, vehicleCount }) => counted.get(id) !== vehicleCount);
    const fleets = await Promise.all(changed.map(({ id }) => fleetOf(api, id)));
    for (const { id, vehicleCount } of changed) counted.set(id, vehicleCount);
    return fleets.flat();
  }

  const city = await startCity({
    apiUrl: publicUrl, vehicles: await patiently(options, newcomers), folder, seed, clock, tracer: tracer.of('vehicle-agent'), nearField: { port: nearFieldPort },
    provision: (vehicleId, csrPem) => api.call<IssuedCertificate>(`/v1/vehicles/${encodeURIComponent(vehicleId)}/device-certificates`, { method: 'POST', body: { csrPem } }),
    claim: (csrPem) => api.call<Omit<IssuedCertificate, 'unlockKeys'>>('/v1/device-claims', { method: 'POST', body: { csrPem, name: 'simulator', validForDays: 1 } }),
    bundleKeys: await patiently(options, () => api.call('/v1/bundle-keys')),
    ...(configuration.MOBILITY_SIMULATED_RIDERS > 0 && { riders: { count: configuration.MOBILITY_SIMULATED_RIDERS, token: (email: string) => riderToken(publicUrl, email) } }),
    onTrouble: (trouble, error) => logger.info({ error }, trouble),
  });
  const looking = setInterval(() => {
    newcomers().then((vehicles) => city.add(vehicles)).catch((error: unknown) => logger.info({ error }, 'the simulator cannot look for new vehicles'));
  }, lookForCitiesMs);
  return {
    connected: () => city.connected(),
    async close() {
      clearInterval(looking);
      await city.close();
    },
  };
}
