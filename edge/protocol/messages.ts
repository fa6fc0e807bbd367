/** What goes over the wire as JSON. WGS84 degrees, metres, seconds, UTC; ids are UUIDs. */
import { z } from 'zod';

const Id = z.uuid();
const Instant = z.iso.datetime({ offset: true });
const percent = z.number().min(0).max(100);

/** Ids from the outside world (a GBFS feed, a plate) are kept as they are. */
export const VehicleId = z.string().regex(/^[A-Za-z0-9:._-]{1,80}$/);
export const Position = z.object({ lat: z.number().min(-90).max(90), lon: z.number().min(-180).max(180) });
export type Position = z.infer<typeof Position>;

/** `disable` stops a vehicle from being ridden, `enable` takes that back; neither ever happens to one that moves. */
export const CommandKind = z.enum(['unlock', 'lock', 'pause', 'resume', 'locate', 'disable', 'enable']);
export type CommandKind = z.infer<typeof CommandKind>;

/** W3C trace context of what the message belongs to. What is none of it is no reason to drop a message. */
const Traceparent = z.string().max(100).optional();

/** A vehicle runs each id once and answers in its next state report. */
export const CommandMessage = z.object({
  commandId: Id,
  kind: CommandKind,
  bookingId: Id.nullable(),
  riderId: Id.nullable(),
  issuedAt: Instant,
  expiresAt: Instant,
  traceparent: Traceparent,
});
export type CommandMessage = z.infer<typeof CommandMessage>;

export const CommandResult = z.object({ commandId: Id, outcome: z.enum(['done', 'refused']), reason: z.string().max(200).optional() });
export type CommandResult = z.infer<typeof CommandResult>;

/** What a vehicle says about itself, kept until it was heard. */
export const ReportedState = z.object({
  vehicleId: VehicleId,
  /** Counts up by one for each report of this vehicle, across power cuts. */
  sequence: z.int().min(0),
  reportedAt: Instant.describe('by the vehicle clock'),
  position: Position,
  speedMetresPerSecond: z.number().min(0).max(100),
  odometerMetres: z.number().min(0),
  batteryPercent: percent,
  locked: z.boolean(),
  pluggedIn: z.boolean(),
  /** By a command of staff; cannot be ridden until it is enabled again. */
  disabled: z.boolean().default(false),
  /** The booking whose token or command unlocked it, while unlocked; and the last one after locking. */
  bookingId: Id.nullable(),
  /** Commands that this report is the answer to. */
  commandResults: z.array(CommandResult).max(20).default([]),
  /** Of the command that this answers. */
  traceparent: Traceparent,
});
export type ReportedState = z.infer<typeof ReportedState>;

/** The claims of an unlock token (JWS, EdDSA): `sub` rider, `aud` vehicle, `jti` for once-only use. */
export const UnlockClaims = z.object({ sub: Id, aud: z.string(), jti: Id, bookingId: Id, iat: z.int(), exp: z.int() });
export type UnlockClaims = z.infer<typeof UnlockClaims>;

/** Acceleration in g (gravity included) and rotation in degrees per second, in the vehicle's axes: x forward, y left, z up. */
export const MotionSample = z.object({
  /** Against the moment of the alert. */
  offsetMs: z.number(),
  accelerationG: z.tuple([z.number(), z.number(), z.number()]),
  rotationDegreesPerSecond: z.tuple([z.number(), z.number(), z.number()]),
});

/** Something that must not wait. The id makes it once, however often it is sent. */
export const AlertMessage = z.object({
  alertId: Id,
  vehicleId: VehicleId,
  kind: z.enum(['collision', 'tamper', 'geofence-entered', 'geofence-left', 'battery-low']),
  raisedAt: Instant.describe('by the vehicle clock: the moment itself'),
  position: Position,
  speedMetresPerSecond: z.number().min(0).max(100).describe('just before'),
  bookingId: Id.nullable(),
  /** 0 to 1, of the model; 1 from a rule. */
  confidence: z.number().min(0).max(1),
  decidedBy: z.enum(['model', 'rule']),
  /** Collision: peak acceleration. */
  peakG: z.number().min(0).optional(),
  /** Tamper: what kind. */
  tamper: z.enum(['moved-while-locked', 'battery-removed', 'enclosure-opened', 'tilted', 'unusual']).optional(),
  /** Geofence: which zone. */
  zoneId: z.string().max(120).optional(),
  /** Collision: the motion around it, at most 3 seconds at 100 Hz. */
  motion: z.array(MotionSample).max(300).optional(),
});
export type AlertMessage = z.infer<typeof AlertMessage>;

/** What the agent keeps under `state.reported` of its classic shadow. Unknown members are left alone. */
export const ReportedShadow = z.looseObject({
  software: z.object({ version: z.string(), slot: z.enum(['a', 'b']) }).optional(),
  models: z.record(z.string(), z.string()).optional().describe('model → version'),
  zonesVersion: z.string().optional(),
  bootCount: z.int().min(0).optional(),
  configuration: z.record(z.string(), z.unknown()).optional(),
});
export type ReportedShadow = z.infer<typeof ReportedShadow>;
/** What the platform asks for under `state.desired`: the agent applies and reports it back. */
export const DesiredConfiguration = z.object({
  telemetryMovingSeconds: z.number().min(0.2).max(60).optional(),
  telemetryParkedSeconds: z.number().min(10).max(3600).optional(),
  lowBatteryPercent: percent.optional(),
});
export type DesiredConfiguration = z.infer<typeof DesiredConfiguration>;
