/**
 * Every module of the program in one process with a small city, as an attacker meets it: by HTTP.
 *
 * It is started once and shared by all files that `whole-program.test.ts` imports; each makes riders of its own.
 */
import { channel } from 'node:diagnostics_channel';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { FastifyInstance, RouteOptions } from 'fastify';
import postgres from 'postgres';
import { v7 } from 'uuid';
import { frankfurt } from '../../server/demo/frankfurt.ts';
import { freePort } from '../../server/infra/free-port.ts';
import { modules } from '../../server/modules.ts';
import { startModules, type TestProcess } from '../../server/program/testing.ts';
import { type ReportedState, vehicleContract } from '../../server/services/vehicle/contract.ts';
import type { EventDefinition } from '../../server/wire/contract.ts';
import { startAdyenSandbox } from '../../simulator/providers/adyen.ts';
import { startStripeSandbox } from '../../simulator/providers/stripe.ts';
import { type ApiUser, apiUser, until } from '../journeys/program.ts';

export interface World {
  url: string;
  process: TestProcess;
  /** Every route that a server of the program has registered: `GET /v1/me`. */
  routes: ReadonlySet<string>;
  /** As the owner of the database: sees every schema. */
  sql: postgres.Sql;
  /** A new account with a token and a card. */
  user(role?: 'rider' | 'staff' | 'admin'): Promise<ApiUser & { id: string; email: string }>;
  /** An event, as the module that owns it would publish it. */
  publish(definition: EventDefinition, subject: string, data: unknown): Promise<void>;
  /** A scooter that nobody else in these tests uses, available to rent. */
  freeVehicle(): Promise<string>;
  /** What a vehicle says of itself; it has done what it was told. */
  report(vehicleId: string, change?: Partial<ReportedState>): Promise<void>;
  close(): Promise<void>;
}

/** Notes every route from the moment that a server is made. */
function watchRoutes(routes: Set<string>): () => void {
  const initialisation = channel('fastify.initialization');
  const note = (message: unknown) => {
    const { fastify } = message as { fastify: FastifyInstance };
    fastify.addHook('onRoute', ({ method, url }: RouteOptions) => {
      for (const each of [method].flat()) routes.add(`${each} ${url}`);
    });
  };
  initialisation.subscribe(note);
  return () => {
    initialisation.unsubscribe(note);
  };
}

/** Puts more than a few vehicles there: each is used by one test. */
async function open(): Promise<World> {
  const folder = await mkdtemp(join(tmpdir(), 'mobility-security-'));
  const stripe = await startStripeSandbox({ port: 0, folder: join(folder, 'stripe') });
  const adyen = await startAdyenSandbox({ port: 0, folder: join(folder, 'adyen') });
  const port = await freePort();
  const routes = new Set<string>();
  const endWatching = watchRoutes(routes);
  const process = await startModules(modules, {
    environment: {
      PORT: String(port), MOBILITY_STRIPE_URL: stripe.url, MOBILITY_ADYEN_URL: adyen.url, MOBILITY_RIDER_APP: 'false', MOBILITY_LOG_LEVEL: 'silent',
      MOBILITY_LIMIT_PER_USER: '1000000', MOBILITY_LIMIT_PER_CLIENT: '1000000',
    },
  });
  endWatching();
  const url = `http://localhost:${port}`;
  const sql = postgres(process.ports.database.url, { max: 2, onnotice: () => undefined, types: { bigint: { to: 20, from: [20], parse: Number, serialize: String } } }) as unknown as postgres.Sql;
  const body = frankfurt({ vehicles: 60, seed: 7 });
  await process.client(vehicleContract).putCity({ params: { cityId: body.id }, body });
  const scooters = new Set(body.models.filter(({ type }) => type === 'scooter').map(({ id }) => id));
  const positions = new Map(body.vehicles.map(({ id, position }) => [id, position]));
  const unused = body.vehicles.filter(({ modelId }) => scooters.has(modelId)).map(({ id }) => id);
  const sequences = new Map<string, number>();

  const publish: World['publish'] = (definition, subject, data) =>
    process.ports.events.append(definition.topic, [
      { specversion: '1.0', id: v7(), source: '/test', type: definition.type, subject, time: new Date().toISOString(), datacontenttype: 'application/json', dataschemaversion: definition.version, data },
    ]);
  const report: World['report'] = async (vehicleId, change = {}) => {
    const sequence = (sequences.get(vehicleId) ?? 0) + 1;
    sequences.set(vehicleId, sequence);
    const commands = await sql<{ id: string }[]>`select id from vehicle.commands where vehicle_id = ${vehicleId} and state in ('pending', 'sent')`;
    return publish(vehicleContract.events.stateReported, vehicleId, {
      vehicleId, sequence, reportedAt: new Date().toISOString(), position: positions.get(vehicleId), speedMetresPerSecond: 0, odometerMetres: 1000, batteryPercent: 90,
      locked: true, pluggedIn: false, disabled: false, bookingId: null, commandResults: commands.map(({ id }) => ({ commandId: id, outcome: 'done' })), ...change,
    });
  };
  return {
    url, process, routes, sql, publish, report,
    async user(role = 'rider') {
      const email = `${v7()}@example.com`;
      const response = await fetch(`${url}/demo/token`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ email, role }) });
      if (!response.ok) throw new Error(`no token: ${response.status} ${await response.text()}`);
      const { token, riderId } = (await response.json()) as { token: string; riderId: string };
      return { ...apiUser(url, token), id: riderId, email };
    },
    async freeVehicle() {
      const vehicleId = unused.pop();
      if (!vehicleId) throw new Error('no scooter is left');
      await report(vehicleId);
      const asked = process.client(vehicleContract);
      await until(async () => (await asked.getVehicle({ params: { vehicleId } })).status === 'available');
      return vehicleId;
    },
    async close() {
      await sql.end();
      await process.dispose();
      await Promise.all([stripe.close(), adyen.close()]);
      await rm(folder, { recursive: true, force: true });
    },
  };
}

let opened: Promise<World> | undefined;

/** The one world of this run. */
export const world = (): Promise<World> => (opened ??= open());

/** When all tests are done. */
export async function closeWorld(): Promise<void> {
  await (await opened)?.close();
  opened = undefined;
}
