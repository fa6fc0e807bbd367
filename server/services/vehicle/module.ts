import { v5 } from 'uuid';
import { iotContract } from '../../iot/contract.ts';
import { defineModule, type ModuleContext } from '../../module.ts';
import { type Handlers, RawReply } from '../../wire/contract.ts';
import { requestHash } from '../../wire/idempotency.ts';
import { Problem } from '../../wire/problem.ts';
import { bookingContract } from '../booking/contract.ts';
import { FleetChanges } from './changes.ts';
import { loadFleet, putCity, toDefinition } from './cities.ts';
import { CommandDesk, presentCommand } from './commands.ts';
import { type Command, vehicleContract } from './contract.ts';
import { judgePlace } from './domain/areas.ts';
import { readCursor, writeCursor } from './domain/nearest.ts';
import { observeFleet } from './figures.ts';
import { Fleet, type FleetVehicle, positionOf, presentVehicle } from './fleet.ts';
import { type Followed, followBookings, followReports } from './follow.ts';
import { type CommandRow, findByKey, findCommand, findVehicle, insertCommand, insertVehicle, setDisabled, setInService, type VehicleRow } from './store.ts';
import { VehicleStreams } from './stream.ts';

type Operations = typeof vehicleContract.operations;
type Part<Name extends keyof Operations> = Pick<Handlers<Operations>, Name>;

interface VehicleServices extends Followed {
  context: ModuleContext;
  streams: VehicleStreams;
}

const reviewIntervalMs = 5_000;
const staffWaitMs = 10_000;
/** A vehicle that moves is told again and again to stop being ridden once it stands; anything else is for now. */
const staffDeadlineMs = (kind: CommandRow['kind']): number => (kind === 'disable' ? 24 * 3600_000 : 30_000);
const staffCommands = '3f2f6a0e-6a3c-4c1c-9f0a-6f0c6d1e7b52';

/** @throws Problem `not-found` */
function known({ fleet }: VehicleServices, vehicleId: string): FleetVehicle {
  const vehicle = fleet.get(vehicleId);
  if (!vehicle) throw new Problem('not-found', `there is no vehicle ${vehicleId}`);
  return vehicle;
}

function searchHandlers(services: VehicleServices): Part<'searchVehicles' | 'streamVehicles' | 'getVehicle' | 'countVehicles'> {
  const { fleet, streams } = services;
  return {
    async searchVehicles({ query }) {
      const { lat, lon, radiusMetres, limit, cursor, ...filters } = query;
      const after = cursor === undefined ? undefined : readCursor(cursor);
      if (cursor !== undefined && !after) throw new Problem('invalid-request', 'the cursor is not one of ours');
      const found = fleet.search({ center: { lat, lon }, radiusMetres, filters, limit: limit + 1, after });
      const shown = found.slice(0, limit);
      const last = shown.at(-1);
      if (!after) services.metrics.count('mobility_vehicle_searches_total', 'Searches of riders, and whether there was anything to find', { found: shown.length > 0 ? 'yes' : 'no' });
      return { items: shown.map(({ item, metres }) => presentVehicle(item, metres)), ...(found.length > limit && last && { next: writeCursor(last) }) };
    },
    async streamVehicles({ query: { bbox, ...filters }, caller, signal }) {
      return new RawReply('text/event-stream', streams.open({ box: bbox, filters, caller: caller?.subject ?? 'nobody', signal }), { 'cache-control': 'no-cache' });
    },
    async getVehicle({ params }) {
      const vehicle = known(services, params.vehicleId);
      return { ...presentVehicle(vehicle), vehicleModel: vehicle.model, tariff: vehicle.tariff };
    },
    async countVehicles() {
      const vehicles: Record<string, Record<string, number>> = {};
      for (const { model, status } of fleet.all()) {
        const ofType = (vehicles[model.type] ??= {});
        ofType[status] = (ofType[status] ?? 0) + 1;
      }
      return { vehicles };
    },
  };
}

function cityHandlers(services: VehicleServices): Part<'listCities' | 'listFleet' | 'listVehicleIds' | 'putCity' | 'listBays' | 'listZones'> {
  const { fleet, context } = services;
  return {
    async listCities() {
      const counts = new Map<string, number>();
      for (const { city, definition } of fleet.all()) if (definition.listed) counts.set(city.summary.id, (counts.get(city.summary.id) ?? 0) + 1);
      return { items: [...fleet.cities.values()].map(({ summary }) => ({ ...summary, vehicleCount: counts.get(summary.id) ?? 0 })) };
    },
    async listFleet({ params, query: { cursor, limit } }) {
      if (!fleet.cities.has(params.cityId)) throw new Problem('not-found', `there is no city ${params.cityId}`);
      const ofCity = [...fleet.all()].filter(({ city, definition, id }) => city.summary.id === params.cityId && definition.listed && (cursor === undefined || id > cursor));
      const shown = ofCity.sort((a, b) => (a.id < b.id ? -1 : 1)).slice(0, limit);
      return { items: shown.map((vehicle) => presentVehicle(vehicle)), ...(ofCity.length > limit && { next: shown.at(-1)?.id }) };
    },
    async listVehicleIds({ query: { cityId } }) {
      if (cityId !== undefined && !fleet.cities.has(cityId)) throw new Problem('not-found', `there is no city ${cityId}`);
      return { vehicleIds: [...fleet.all()].filter(({ city, definition }) => definition.listed && (cityId === undefined || city.summary.id === cityId)).map(({ id }) => id) };
    },
    async putCity({ params, body }) {
      if (params.cityId !== body.id) throw new Problem('city-invalid', `the path says ${params.cityId}, the definition ${body.id}`);
      await putCity({ fleet, changes: services.changes, database: context.database, clock: context.clock }, body);
      return { cityId: body.id, vehicles: body.vehicles.length, bays: body.bays.length, zones: body.zones.length, tariffs: body.tariffs.length, models: body.models.length };
    },
    listBays: async ({ query }) => ({ items: [...fleet.cities.values()].flatMap(({ areas }) => areas.baysInside(query.bbox)) }),
    listZones: async ({ query }) => ({ items: [...fleet.cities.values()].flatMap(({ areas }) => areas.zonesTouching(query.bbox)) }),
  };
}

function staffHandlers(services: VehicleServices): Part<'setInService' | 'registerVehicle'> {
  const { fleet, changes, context } = services;
  const { sql } = context.database;
  return {
    async setInService({ params, body }) {
      const vehicle = known(services, params.vehicleId);
      await changes.change(async (draft, transaction) => {
        await setInService(transaction.sql, vehicle.id, body.inService);
        draft.set(vehicle, { definition: { ...draft.of(vehicle).definition, inService: body.inService } });
      });
      return presentVehicle(vehicle);
    },
    async registerVehicle({ body, idempotencyKey }) {
      const city = fleet.cities.get(body.cityId);
      if (!city) throw new Problem('not-found', `there is no city ${body.cityId}`);
      if (!city.models.has(body.modelId) || !city.tariffs.has(body.tariffId)) throw new Problem('city-invalid', `${body.cityId} has no such model or tariff`);
      const hash = requestHash(body);
      await changes.alone(async () => {
        const repeated = idempotencyKey === undefined ? undefined : await findByKey(sql, idempotencyKey);
        if (repeated?.requestHash === hash) return;
        if (repeated) throw new Problem('idempotency-key-reused');
        if (await findVehicle(sql, body.id)) throw new Problem('vehicle-exists', body.id);
        const row: VehicleRow = {
          id: body.id, cityId: body.cityId, modelId: body.modelId, tariffId: body.tariffId, plate: body.plate ?? null, lat: body.position.lat, lon: body.position.lon,
          batteryPercent: body.batteryPercent, listed: true, inService: body.inService, disabled: false, registered: true, registeredAt: context.clock.now(), idempotencyKey: idempotencyKey ?? null, requestHash: hash,
        };
        await insertVehicle(sql, row);
        fleet.set(row.id, city, { definition: toDefinition(row), live: undefined, bookings: [] }, context.clock.nowMs());
      });
      return presentVehicle(known(services, body.id));
    },
  };
}

const opposites: Partial<Record<CommandRow['kind'], CommandRow['kind']>> = { disable: 'enable', enable: 'disable' };

/** From the moment that staff want it, a vehicle is out of renting, or on its way back; what the opposite wanted is over. */
async function markDisabled({ changes, desk }: VehicleServices, vehicle: FleetVehicle, row: CommandRow, opposite: CommandRow['kind']): Promise<void> {
  const superseded = await changes.change(async (draft, transaction) => {
    if (await findCommand(transaction.sql, row.id)) return [];
    await insertCommand(transaction.sql, row);
    const disabled = row.kind === 'disable';
    await setDisabled(transaction.sql, vehicle.id, disabled);
    draft.set(vehicle, { definition: { ...draft.of(vehicle).definition, disabled } });
    return desk.supersede(transaction, vehicle.id, opposite);
  });
  desk.settle(superseded);
}

interface Order extends Pick<CommandRow, 'id' | 'vehicleId' | 'kind' | 'expiresAt'> {
  bookingId?: string | undefined;
  riderId?: string | undefined;
  waitMs: number;
}

/** @throws Problem `not-found`, `idempotency-key-reused` */
async function order(services: VehicleServices, { waitMs, ...wanted }: Order, signal: AbortSignal): Promise<Command> {
  const vehicle = known(services, wanted.vehicleId);
  const row: CommandRow = { ...wanted, bookingId: wanted.bookingId ?? null, riderId: wanted.riderId ?? null, state: 'pending', reason: null, createdAt: services.context.clock.now() };
  const opposite = opposites[row.kind];
  if (opposite) await markDisabled(services, vehicle, row, opposite);
  return presentCommand(await services.desk.send(row, waitMs, signal));
}

function commandHandlers(services: VehicleServices): Part<'commandVehicle' | 'getVehicleCommand' | 'sendCommand' | 'getCommand'> {
  const { desk, context } = services;
  const find = async (commandId: string, vehicleId?: string) => {
    const row = await desk.find(commandId);
    if (!row || (vehicleId !== undefined && row.vehicleId !== vehicleId)) throw new Problem('not-found');
    return presentCommand(row);
  };
  return {
    commandVehicle({ params: { vehicleId }, body: { kind }, caller, idempotencyKey = '', signal }) {
      const id = v5(JSON.stringify([caller?.subject, vehicleId, idempotencyKey]), staffCommands);
      return order(services, { id, vehicleId, kind, expiresAt: new Date(context.clock.nowMs() + staffDeadlineMs(kind)), waitMs: staffWaitMs }, signal);
    },
    getVehicleCommand: ({ params }) => find(params.commandId, params.vehicleId),
    sendCommand: ({ body, signal }) => order(services, { ...body, expiresAt: new Date(body.expiresAt) }, signal),
    getCommand: ({ params }) => find(params.commandId),
  };
}

function internalHandlers(services: VehicleServices): Part<'getRentableVehicle' | 'judgeParking' | 'getOdometer'> {
  return {
    async getRentableVehicle({ params }) {
      const vehicle = known(services, params.vehicleId);
      const { model, tariff, place, city } = vehicle;
      return {
        vehicle: presentVehicle(vehicle), model, tariff, multiplier: place.multiplier, ...(place.multiplierReason !== undefined && { multiplierReason: place.multiplierReason }),
        cityId: city.summary.id, timeZone: city.summary.timeZone, parking: city.summary.parking,
      };
    },
    async judgeParking({ params, query }) {
      const vehicle = known(services, params.vehicleId);
      const position = query.lat !== undefined && query.lon !== undefined ? { lat: query.lat, lon: query.lon } : positionOf(vehicle);
      return { position, ...judgePlace(vehicle.city.areas, position, vehicle.model.type), parking: vehicle.city.summary.parking };
    },
    getOdometer: async ({ params }) => ({ odometerMetres: known(services, params.vehicleId).live?.odometerMetres ?? 0 }),
  };
}

export const vehicleModule = defineModule<Operations>({
  name: 'vehicle',
  contract: vehicleContract,
  needs: ['iot'],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { logger, metrics, tracer, events } = context;
    const fleet = new Fleet();
    await loadFleet(fleet, context);
    const desk = new CommandDesk(context.client(iotContract), context);
    const changes = new FleetChanges(fleet, context);
    const streams = new VehicleStreams(fleet);
    const services: VehicleServices = { context, fleet, changes, desk, streams, metrics, tracer, logger };
    observeFleet(services);
    metrics.gauge('mobility_vehicle_streams_open', 'Open streams of live vehicles', () => streams.openStreams);
    await desk.start();
    // Not through the inbox: reports are many, and a sequence number tells already which of them are news.
    const subscriptions = [
      events.subscribe({ group: 'vehicle-reports', topics: [vehicleContract.events.stateReported.topic], maximumBatch: 500, handle: (batch) => context.database.whileReachable(() => followReports(services, batch)) }),
      events.subscribe({ group: 'vehicle-bookings', topics: [bookingContract.events.reserved.topic], handle: (batch) => context.database.whileReachable(() => followBookings(services, batch)) }),
    ];
    const stopReviewing = context.clock.every(reviewIntervalMs, () =>
      changes.review().catch((error: unknown) => logger.error({ error }, 'the status of silent vehicles cannot be brought up to date; tried again')),
    );
    return {
      handlers: { ...searchHandlers(services), ...cityHandlers(services), ...staffHandlers(services), ...commandHandlers(services), ...internalHandlers(services) },
      async stop() {
        await stopReviewing();
        streams.close();
        await Promise.all(subscriptions.map((subscription) => subscription.close()));
        await desk.stop();
        await changes.settled();
      },
    };
  },
});
