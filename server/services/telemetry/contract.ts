/** What Telemetry promises: where every vehicle is now, where it was, and what follows from that. */
import { z } from 'zod';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { BoundingBox, Instant, Position } from '../../wire/schemas.ts';
import { VehicleId } from '../vehicle/contract.ts';

const staff = { roles: ['staff', 'admin', 'machine'], scope: 'telemetry:read' } as const;
const internal = { roles: ['machine'], scope: 'internal' } as const;
const percent = z.number().min(0).max(100);
const vehicleParams = z.object({ vehicleId: VehicleId });
const Range = { from: Instant, to: Instant };
const Interval = z.enum(['minute', 'hour']);

/** The last known of a vehicle. */
export const LiveVehicle = z.object({
  vehicleId: VehicleId,
  position: Position,
  speedMetresPerSecond: z.number(),
  headingDegrees: z.number(),
  batteryPercent: percent,
  odometerMetres: z.number(),
  locked: z.boolean(),
  pluggedIn: z.boolean(),
  disabled: z.boolean(),
  online: z.boolean(),
  /** H3, resolution 9. */
  cell: z.string(),
  /** By the vehicle clock, within what can be. */
  at: Instant,
});
export type LiveVehicle = z.infer<typeof LiveVehicle>;

export const TrackPoint = z.object({
  at: Instant, sequence: z.int(), position: Position, speedMetresPerSecond: z.number(), headingDegrees: z.number(), batteryPercent: percent, odometerMetres: z.number(), peakAccelerationG: z.number(), locked: z.boolean(),
});
export type TrackPoint = z.infer<typeof TrackPoint>;

const Summary = z.object({ minimum: z.number(), maximum: z.number(), mean: z.number(), last: z.number() });
const Aggregate = z.object({ at: Instant, records: z.int(), speedMetresPerSecond: Summary.nullable(), batteryPercent: Summary.nullable(), peakAccelerationG: Summary.nullable() });

const Crossing = z.object({ vehicleId: VehicleId, zoneId: z.string(), at: Instant, position: Position });

export const telemetryContract = defineContract({
  module: 'telemetry',
  operations: {
    listLive: {
      method: 'GET', path: '/v1/telemetry/vehicles', summary: 'The last known of every vehicle in a viewport', access: staff, public: true,
      query: z.object({ bbox: BoundingBox, limit: z.coerce.number().int().min(1).max(50_000).default(10_000) }), status: 200, response: z.object({ items: z.array(LiveVehicle), total: z.int() }), errors: [],
    },
    streamLive: {
      method: 'GET', path: '/v1/telemetry/stream', summary: 'Server-sent events: `snapshot` first, then `changed` and `left`, only what changed in the viewport', access: staff, public: true,
      query: z.object({ bbox: BoundingBox }), produces: ['text/event-stream'], status: 200, errors: ['too-many-streams'],
    },
    getTrack: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}/telemetry', summary: 'Where a vehicle was, thinned out to `maximumPoints`', access: staff, public: true,
      params: vehicleParams, query: z.object({ ...Range, maximumPoints: z.coerce.number().int().min(2).max(10_000).default(1000) }), status: 200, response: z.object({ items: z.array(TrackPoint) }), errors: ['range-invalid'],
    },
    getAggregates: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}/telemetry/aggregates', summary: 'A vehicle by minute or hour', access: staff, public: true,
      params: vehicleParams, query: z.object({ ...Range, interval: Interval.default('minute') }), status: 200, response: z.object({ items: z.array(Aggregate) }), errors: ['range-invalid'],
    },
    getFleetAggregates: {
      method: 'GET', path: '/v1/telemetry/aggregates', summary: 'The fleet by minute or hour', access: staff, public: true,
      query: z.object({ ...Range, interval: Interval.default('minute') }), status: 200, response: z.object({ items: z.array(Aggregate) }), errors: ['range-invalid'],
    },
    getStatistics: {
      method: 'GET', path: '/v1/statistics/telemetry', summary: 'How much comes in, how far behind history is, and what was dropped and why', access: staff, public: true, status: 200,
      response: z.object({
        vehicles: z.int(), online: z.int(), recordsReceived: z.int(), recordsPerSecond: z.number(), duplicates: z.int(), late: z.int(), dropped: z.record(z.string(), z.int()),
        /** From the vehicle clock to the live state, of the newest record of each batch, over the last minute. */
        liveP50Ms: z.number().nullable(), liveP99Ms: z.number().nullable(),
        /** Events of the bus that are not in history yet. */
        lagEvents: z.int(), recordsWritten: z.int(), history: z.object({ rows: z.int(), bytes: z.int(), compressedBytes: z.int(), partitions: z.int() }),
      }),
      errors: [],
    },
    getWindow: {
      method: 'GET', path: '/internal/telemetry/vehicles/{vehicleId}/window', summary: 'Every record of a vehicle in a short time', access: internal, public: false,
      params: vehicleParams, query: z.object(Range), status: 200, response: z.object({ items: z.array(TrackPoint) }), errors: ['range-invalid'],
    },
    getHealth: {
      method: 'POST', path: '/internal/telemetry/health', summary: 'Whether vehicles are alive and well since a moment: what the gate of an update asks', access: internal, public: false,
      body: z.object({ vehicleIds: z.array(VehicleId).max(50_000), since: Instant }), bodyLimitBytes: 8 * 1024 * 1024, status: 200,
      response: z.object({ items: z.array(z.object({ vehicleId: VehicleId, records: z.int(), lastAt: Instant.nullable(), bootsSince: z.int().describe('starts of the agent since then'), refused: z.int().describe('batches that could not be read') })) }),
      errors: [],
    },
  },
  events: {
    batteryLow: defineEvent('vehicles.battery-low', 'The battery of a vehicle fell below its floor', z.object({ vehicleId: VehicleId, batteryPercent: percent, at: Instant, position: Position })),
    wentOffline: defineEvent('vehicles.went-offline', 'Nothing was heard of a vehicle for too long', z.object({ vehicleId: VehicleId, lastAt: Instant, position: Position })),
    cameBack: defineEvent('vehicles.came-back', 'A vehicle that was offline is heard again', z.object({ vehicleId: VehicleId, at: Instant, position: Position })),
    geofenceEntered: defineEvent('vehicles.geofence-entered', 'A vehicle entered a zone', Crossing),
    geofenceLeft: defineEvent('vehicles.geofence-left', 'A vehicle left a zone', Crossing),
    tripAdvanced: defineEvent('vehicles.trip-advanced', 'A point on the way of an unlocked vehicle, every hundred metres or half a minute', z.object({ vehicleId: VehicleId, sequence: z.int(), at: Instant, position: Position, odometerMetres: z.number(), batteryPercent: percent })),
  },
});
