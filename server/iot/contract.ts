/** What the IoT core promises: device credentials, the broker, messages down to vehicles. */
import { z } from 'zod';
import { defineContract } from '../wire/contract.ts';
import { Id, Instant } from '../wire/schemas.ts';
import { CommandKind, VehicleId } from '../services/vehicle/contract.ts';

const internal = { roles: ['machine'], scope: 'internal' } as const;

/** The message on `vehicles/{vehicleId}/commands` (QoS 1). A vehicle runs each id once and answers in its next state report. */
export const CommandMessage = z.object({
  commandId: Id,
  kind: CommandKind,
  bookingId: Id.nullable(),
  riderId: Id.nullable(),
  issuedAt: Instant,
  expiresAt: Instant,
});
export type CommandMessage = z.infer<typeof CommandMessage>;

/**
 * MQTT topics. A device connects with its vehicle id as client id and user name and its secret as password;
 * it may publish and subscribe to its own topics only.
 */
export const topics = {
  /** device → platform: `ReportedState` as JSON, QoS 1. */
  state: (vehicleId: string) => `vehicles/${vehicleId}/state`,
  /** platform → device: `CommandMessage` as JSON, QoS 1. */
  commands: (vehicleId: string) => `vehicles/${vehicleId}/commands`,
  /** platform → device, retained: the JWK set that unlock tokens are verified with. */
  unlockKeys: 'platform/unlock-keys',
} as const;

export const iotContract = defineContract({
  module: 'iot',
  operations: {
    issueCredentials: {
      method: 'POST', path: '/v1/vehicles/{vehicleId}/device-credentials', summary: 'A new secret for the device in a vehicle; the old one stops working', public: true,
      access: { roles: ['admin', 'machine'], scope: 'devices:provision' }, params: z.object({ vehicleId: VehicleId }), status: 201,
      response: z.object({ clientId: z.string(), userName: z.string(), password: z.string(), brokerUrl: z.string(), unlockKeys: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }) }),
      errors: ['not-found'],
    },
    deliverCommand: {
      method: 'POST', path: '/internal/iot/commands', summary: 'Publish a command to a vehicle; delivery is proven by state, never by this answer', access: internal, public: false,
      body: z.object({ vehicleId: VehicleId, message: CommandMessage }), status: 200, response: z.object({ connected: z.boolean() }), errors: [],
    },
    publishUnlockKeys: {
      method: 'PUT', path: '/internal/iot/unlock-keys', summary: 'Retain the public keys of unlock tokens for all vehicles', access: internal, public: false,
      body: z.object({ keys: z.array(z.record(z.string(), z.unknown())) }), status: 204, errors: [],
    },
  },
  events: {},
});

/** The claims of an unlock token (JWS, EdDSA): `sub` rider, `aud` vehicle, `jti` for once-only use. */
export const UnlockClaims = z.object({ sub: Id, aud: z.string(), jti: Id, bookingId: Id, iat: z.int(), exp: z.int() });
