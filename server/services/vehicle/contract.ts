/** What Vehicle Management promises: cities, models, tariffs, bays, zones, vehicles, live state, commands. */
import { z } from 'zod';
import { CommandKind, ReportedState, VehicleId } from '../../../edge/protocol/messages.ts';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { BoundingBox, Currency, Id, Instant, Minor, page, PageQuery, Position, VehicleType } from '../../wire/schemas.ts';

const rider = { roles: ['rider', 'staff', 'admin', 'machine'], scope: 'vehicles:read' } as const;
const staff = { roles: ['staff', 'admin', 'machine'], scope: 'vehicles:manage' } as const;
const internal = { roles: ['machine'], scope: 'internal' } as const;

const CatalogueId = z.string().regex(/^[A-Za-z0-9:._-]{1,120}$/);
const LocalisedText = z.record(z.string().min(2).max(35), z.string().max(2000)).describe('BCP 47 language tag → text');

/** What vehicles say and are told is described beside their firmware. */
export { ReportedState, VehicleId };

const percent = z.number().min(0).max(100);

/**
 * A tariff in the segments of GBFS `per_min_pricing`: from `startMinute` (inclusive) to `endMinute`
 * (exclusive, open without one) the price `rateMinor` falls due at the start of every `intervalMinutes`;
 * an interval of 0 charges once.
 */
export const TariffSegment = z.object({
  startMinute: z.number().min(0),
  endMinute: z.number().min(0).optional(),
  intervalMinutes: z.number().min(0),
  rateMinor: Minor,
});

export const Tariff = z.object({
  id: CatalogueId,
  name: LocalisedText,
  currency: Currency,
  unlockFeeMinor: Minor.min(0),
  segments: z.array(TariffSegment).max(50),
  perKilometreMinor: Minor.min(0).default(0),
  /** While paused, per started minute; the riding price applies without it. */
  pausePerMinuteMinor: Minor.min(0).optional(),
  /** Holding a reservation, per started minute. */
  reservationPerMinuteMinor: Minor.min(0).default(0),
  /** At most this for each started 24 hours. */
  dailyCapMinor: Minor.min(1).optional(),
  depositMinor: Minor.min(0),
  taxPercent: z.number().min(0).max(50).describe('included in all prices'),
  fines: z.object({
    outsideBayMinor: Minor.min(0),
    notPluggedInMinor: Minor.min(0),
    lateFixedMinor: Minor.min(0),
    latePerMinuteMinor: Minor.min(0),
  }),
});
export type Tariff = z.infer<typeof Tariff>;

export const VehicleModel = z.object({
  id: CatalogueId,
  type: VehicleType,
  name: z.string().min(1).max(120),
  maximumRangeMetres: z.int().min(1000),
  maximumSpeedKilometresPerHour: z.number().positive().max(200),
  /** Charged at a plug in a bay (cars, vans) or by swapping the battery (scooters, eBikes); none for combustion engines. */
  propulsion: z.enum(['electric', 'electric-assist', 'combustion', 'hybrid', 'human']),
  pluggable: z.boolean().describe('has to be plugged in at the end of a ride'),
  minimumBatteryPercent: percent.default(15).describe('below this no ride starts'),
  minimumAgeYears: z.int().min(0).max(99),
  licenceClass: z.enum(['AM', 'B', 'C1']).optional(),
  seats: z.int().min(1).max(9).optional(),
});
export type VehicleModel = z.infer<typeof VehicleModel>;

/** A designated place to park: a painted bay, a GBFS station, a charging bay. */
export const Bay = z.object({
  id: CatalogueId,
  name: z.string().max(200),
  position: Position,
  radiusMetres: z.number().positive().max(2000).default(25),
  capacity: z.int().min(0).optional(),
  chargers: z.int().min(0).default(0),
  vehicleTypes: z.array(VehicleType).min(1),
});
export type Bay = z.infer<typeof Bay>;

/** GeoJSON MultiPolygon coordinates: [longitude, latitude] rings, outer ring first. */
export const MultiPolygon = z.array(z.array(z.array(z.tuple([z.number(), z.number()])).min(4)).min(1)).min(1);

export const Zone = z.object({
  id: CatalogueId,
  name: z.string().max(200),
  kind: z.enum(['operating', 'no-parking', 'no-ride', 'slow', 'pricing']),
  polygons: MultiPolygon,
  vehicleTypes: z.array(VehicleType).min(1),
  maximumSpeedKilometresPerHour: z.number().positive().optional(),
  /** Pricing zones: multiplies the riding price of rides that start here. */
  multiplier: z.number().min(0.5).max(2.5).optional(),
});
export type Zone = z.infer<typeof Zone>;

export const VehicleDefinition = z.object({
  id: VehicleId,
  modelId: CatalogueId,
  tariffId: CatalogueId,
  plate: z.string().max(20).optional(),
  position: Position,
  batteryPercent: percent.default(100),
  inService: z.boolean().default(true),
});

/** A whole city as data: what the demo seed and the GBFS import both produce. */
export const CityDefinition = z.object({
  id: z.string().regex(/^[a-z0-9-]{1,60}$/),
  name: z.string().min(1).max(120),
  country: z.string().regex(/^[A-Z]{2}$/),
  timeZone: z.string().max(60),
  center: Position,
  /** Parking outside a bay is allowed, or fined by the tariff. */
  parking: z.enum(['bays-only', 'free-floating']),
  source: z.object({ kind: z.enum(['seed', 'gbfs', 'manual']), reference: z.string().max(500).optional(), attribution: z.string().max(500).optional() }),
  tariffs: z.array(Tariff).min(1).max(20_000),
  models: z.array(VehicleModel).min(1).max(2_000),
  bays: z.array(Bay).max(50_000),
  zones: z.array(Zone).max(5_000),
  vehicles: z.array(VehicleDefinition).max(100_000),
});
export type CityDefinition = z.infer<typeof CityDefinition>;
export type CityDefinitionInput = z.input<typeof CityDefinition>;

export const CitySummary = z.object({
  id: z.string(), name: z.string(), country: z.string(), timeZone: z.string(), center: Position,
  parking: CityDefinition.shape.parking, currency: Currency, vehicleCount: z.int(), attribution: z.string().optional(),
});

/** `available` to rent; `reserved` and `in-use` by a booking; `out-of-service` by staff; `low-battery`; `offline` unheard of for too long; `unlocked` with no booking that explains it. */
export const VehicleStatus = z.enum(['available', 'reserved', 'in-use', 'low-battery', 'offline', 'out-of-service', 'unlocked']);
export type VehicleStatus = z.infer<typeof VehicleStatus>;

export const Vehicle = z.object({
  id: VehicleId,
  cityId: z.string(),
  type: VehicleType,
  model: z.string(),
  status: VehicleStatus,
  position: Position,
  distanceMetres: z.number().optional().describe('from the searched position'),
  batteryPercent: percent,
  rangeMetres: z.int(),
  bayId: z.string().nullable(),
  locked: z.boolean(),
  pluggedIn: z.boolean(),
  pricePerMinuteMinor: z.number().describe('the first riding minute with the zone multiplier; may have a fraction where the tariff counts in hours'),
  unlockFeeMinor: Minor,
  currency: Currency,
  seenAt: Instant.nullable(),
});
export type Vehicle = z.infer<typeof Vehicle>;

/** Everything that a booking decision needs to know about one vehicle, in one answer. */
export const RentableVehicle = z.object({
  vehicle: Vehicle,
  model: VehicleModel,
  tariff: Tariff,
  multiplier: z.number(),
  multiplierReason: z.string().optional(),
  cityId: z.string(),
  timeZone: z.string(),
  parking: CityDefinition.shape.parking,
});
export type RentableVehicle = z.infer<typeof RentableVehicle>;

/** How a vehicle stands at a place, for the return rules. */
export const ParkingVerdict = z.object({
  position: Position,
  bayId: z.string().nullable(),
  inOperatingArea: z.boolean(),
  parkingForbidden: z.boolean(),
  parking: CityDefinition.shape.parking,
});

export const Command = z.object({
  id: Id,
  vehicleId: VehicleId,
  kind: CommandKind,
  bookingId: Id.optional(),
  state: z.enum(['pending', 'sent', 'verified', 'refused', 'expired']),
  reason: z.string().optional(),
  createdAt: Instant,
});
export type Command = z.infer<typeof Command>;

const vehicleParams = z.object({ vehicleId: VehicleId });
const Filters = {
  type: z.union([VehicleType, z.array(VehicleType)]).optional().transform((type) => (typeof type === 'string' ? [type] : type)),
  minBattery: z.coerce.number().min(0).max(100).optional(),
  maxPricePerMinuteMinor: z.coerce.number().min(0).optional(),
};

export const vehicleContract = defineContract({
  module: 'vehicle',
  operations: {
    searchVehicles: {
      method: 'GET', path: '/v1/vehicles', summary: 'Vehicles to rent around a position, nearest first', access: rider, public: true,
      query: z.object({
        lat: z.coerce.number().min(-90).max(90), lon: z.coerce.number().min(-180).max(180),
        radiusMetres: z.coerce.number().min(1).max(20_000).default(1000),
        ...Filters, ...PageQuery.shape,
      }),
      status: 200, response: page(Vehicle), errors: [],
    },
    streamVehicles: {
      method: 'GET', path: '/v1/vehicles/stream', summary: 'Server-sent events: `snapshot` first, then `upsert` and `remove` as vehicles inside the box change', access: rider, public: true,
      query: z.object({ bbox: BoundingBox, ...Filters }), produces: ['text/event-stream'], status: 200, errors: ['too-many-streams'],
    },
    getVehicle: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}', summary: 'One vehicle', access: rider, public: true,
      params: vehicleParams, status: 200, response: Vehicle.extend({ vehicleModel: VehicleModel, tariff: Tariff }), errors: ['not-found'],
    },
    setInService: {
      method: 'PATCH', path: '/v1/vehicles/{vehicleId}', summary: 'Take a vehicle out of service, or back', access: staff, public: true,
      params: vehicleParams, body: z.strictObject({ inService: z.boolean() }), status: 200, response: Vehicle, errors: ['not-found'],
    },
    registerVehicle: {
      method: 'POST', path: '/v1/vehicles', summary: 'Add one vehicle to a city', access: staff, public: true, idempotent: true,
      body: VehicleDefinition.extend({ cityId: z.string() }), status: 201, response: Vehicle, errors: ['vehicle-exists', 'city-invalid', 'not-found'],
    },
    listCities: {
      method: 'GET', path: '/v1/cities', summary: 'The cities', access: 'anyone', public: true,
      status: 200, response: page(CitySummary), errors: [],
    },
    listFleet: {
      method: 'GET', path: '/v1/cities/{cityId}/vehicles', summary: 'Every vehicle of a city, in whatever state, by id', access: staff, public: true,
      params: z.object({ cityId: CityDefinition.shape.id }), query: PageQuery, status: 200, response: page(Vehicle), errors: ['not-found'],
    },
    listVehicleIds: {
      method: 'GET', path: '/internal/vehicles/ids', summary: 'The ids of all vehicles, or of those of a city: whom an update is for', access: internal, public: false,
      query: z.object({ cityId: CityDefinition.shape.id.optional() }), status: 200, response: z.object({ vehicleIds: z.array(VehicleId) }), errors: ['not-found'],
    },
    putCity: {
      method: 'PUT', path: '/v1/cities/{cityId}', summary: 'Create a city or bring it up to a definition; vehicles that are no longer in it go out of service', access: { roles: ['admin', 'machine'], scope: 'cities:manage' }, public: true,
      params: z.object({ cityId: CityDefinition.shape.id }), body: CityDefinition, bodyLimitBytes: 64 * 1024 * 1024,
      status: 200, response: z.object({ cityId: z.string(), vehicles: z.int(), bays: z.int(), zones: z.int(), tariffs: z.int(), models: z.int() }), errors: ['city-invalid'],
    },
    listBays: {
      method: 'GET', path: '/v1/bays', summary: 'Parking bays inside a box', access: 'anyone', public: true,
      query: z.object({ bbox: BoundingBox }), status: 200, response: page(Bay), errors: [],
    },
    listZones: {
      method: 'GET', path: '/v1/zones', summary: 'Zones that touch a box', access: 'anyone', public: true,
      query: z.object({ bbox: BoundingBox }), status: 200, response: page(Zone), errors: [],
    },
    countVehicles: {
      method: 'GET', path: '/v1/statistics/vehicles', summary: 'Vehicles by type and status', access: staff, public: true,
      status: 200, response: z.object({ vehicles: z.record(z.string(), z.record(z.string(), z.int())) }), errors: [],
    },
    getRentableVehicle: {
      method: 'GET', path: '/internal/vehicle/vehicles/{vehicleId}', summary: 'A vehicle with model, tariff and multiplier', access: internal, public: false,
      params: vehicleParams, status: 200, response: RentableVehicle, errors: ['not-found'],
    },
    judgeParking: {
      method: 'GET', path: '/internal/vehicle/vehicles/{vehicleId}/parking', summary: 'Where the vehicle stands by the return rules', access: internal, public: false,
      params: vehicleParams, query: z.object({ lat: z.coerce.number().optional(), lon: z.coerce.number().optional() }),
      status: 200, response: ParkingVerdict, errors: ['not-found'],
    },
    getOdometer: {
      method: 'GET', path: '/internal/vehicle/vehicles/{vehicleId}/odometer', summary: 'Metres that the vehicle has gone in its life', access: internal, public: false,
      params: vehicleParams, status: 200, response: z.object({ odometerMetres: z.number() }), errors: ['not-found'],
    },
    commandVehicle: {
      method: 'POST', path: '/v1/vehicles/{vehicleId}/commands', summary: 'Unlock, lock, locate, disable or enable a vehicle as staff; a moving vehicle is never disabled. Answers when the vehicle has shown it, refused, or after 10 s as `sent`', access: staff, public: true, idempotent: true,
      params: vehicleParams, body: z.strictObject({ kind: z.enum(['unlock', 'lock', 'locate', 'disable', 'enable']) }), status: 202, response: Command, errors: ['not-found'],
    },
    getVehicleCommand: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}/commands/{commandId}', summary: 'How a command stands', access: staff, public: true,
      params: z.object({ vehicleId: VehicleId, commandId: Id }), status: 200, response: Command, errors: ['not-found'],
    },
    sendCommand: {
      method: 'POST', path: '/internal/vehicle/commands', summary: 'Command a vehicle; the id makes it happen once. Answers when verified, refused, expired or after `waitMs`', access: internal, public: false,
      body: z.object({ id: Id, vehicleId: VehicleId, kind: CommandKind, bookingId: Id.optional(), riderId: Id.optional(), expiresAt: Instant, waitMs: z.int().min(0).max(15_000).default(0) }),
      status: 200, response: Command, errors: ['not-found', 'idempotency-key-reused'],
    },
    getCommand: {
      method: 'GET', path: '/internal/vehicle/commands/{commandId}', summary: 'How a command stands', access: internal, public: false,
      params: z.object({ commandId: Id }), status: 200, response: Command, errors: ['not-found'],
    },
  },
  events: {
    stateReported: defineEvent('vehicles.state-reported', 'A vehicle reported its state (published by the IoT core)', ReportedState),
    unlocked: defineEvent('vehicles.unlocked', 'A vehicle was unlocked for a booking', z.object({ vehicleId: VehicleId, bookingId: Id, unlockedAt: Instant, position: Position, batteryPercent: percent, odometerMetres: z.number() })),
    locked: defineEvent('vehicles.locked', 'A vehicle was locked', z.object({ vehicleId: VehicleId, bookingId: Id.nullable(), lockedAt: Instant, position: Position, pluggedIn: z.boolean(), batteryPercent: percent, odometerMetres: z.number() })),
    statusChanged: defineEvent('vehicles.status-changed', 'A vehicle became available, reserved, in use, …', z.object({ vehicleId: VehicleId, from: VehicleStatus, to: VehicleStatus })),
    cityChanged: defineEvent('vehicles.city-changed', 'A city was created or changed', z.object({ cityId: z.string() })),
  },
});
