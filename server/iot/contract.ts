/** What the IoT core promises: device identities, the broker, shadows, jobs, messages up and down. */
import { z } from 'zod';
import { AlertMessage, CommandMessage } from '../../edge/protocol/messages.ts';
import { defineContract, defineEvent } from '../wire/contract.ts';
import { Instant, page, PageQuery } from '../wire/schemas.ts';
import { VehicleId } from '../services/vehicle/contract.ts';

const internal = { roles: ['machine'], scope: 'internal' } as const;
const staff = { roles: ['staff', 'admin', 'machine'], scope: 'devices:read' } as const;
const provisioner = { roles: ['admin', 'machine'], scope: 'devices:provision' } as const;

const UnlockKeys = z.object({ keys: z.array(z.record(z.string(), z.unknown())) });
const Pem = z.string().max(20_000);
const CertificateId = z.string().regex(/^[0-9a-f]{64}$/).describe('SHA-256 of the DER form, in hexadecimal');
const vehicleParams = z.object({ vehicleId: VehicleId });
const Json = z.record(z.string(), z.unknown());

export const DeviceCertificate = z.object({
  id: CertificateId,
  kind: z.enum(['claim', 'device']),
  vehicleId: VehicleId.nullable(),
  status: z.enum(['pending', 'active', 'inactive', 'revoked']),
  issuedAt: Instant,
  expiresAt: Instant,
});

export const Device = z.object({
  vehicleId: VehicleId,
  certificates: z.array(DeviceCertificate),
  connected: z.boolean(),
  connectedAt: Instant.nullable(),
  disconnectedAt: Instant.nullable(),
});

/** As AWS IoT's data plane answers `GetThingShadow`. */
export const ShadowDocument = z.object({
  state: z.object({ desired: Json.optional(), reported: Json.optional(), delta: Json.optional() }),
  metadata: Json,
  version: z.int().min(1),
  timestamp: z.int().describe('Unix seconds'),
});

/** The statuses of AWS IoT Jobs. */
export const JobExecutionStatus = z.enum(['QUEUED', 'IN_PROGRESS', 'SUCCEEDED', 'FAILED', 'TIMED_OUT', 'REJECTED', 'REMOVED', 'CANCELED']);
export type JobExecutionStatus = z.infer<typeof JobExecutionStatus>;
export const JobId = z.string().regex(/^[A-Za-z0-9_-]{1,64}$/);

export const JobExecution = z.object({
  jobId: JobId,
  vehicleId: VehicleId,
  status: JobExecutionStatus,
  statusDetails: z.record(z.string(), z.string()),
  versionNumber: z.int(),
  executionNumber: z.int(),
  queuedAt: Instant,
  startedAt: Instant.nullable(),
  updatedAt: Instant,
});

export type JobExecution = z.infer<typeof JobExecution>;

export const iotContract = defineContract({
  module: 'iot',
  operations: {
    issueCertificate: {
      method: 'POST', path: '/v1/vehicles/{vehicleId}/device-certificates', summary: 'A certificate for the device in a vehicle, from its certificate signing request; it works beside the ones before until they are revoked or replaced', public: true,
      access: provisioner, params: vehicleParams, body: z.strictObject({ csrPem: Pem, replaceOthers: z.boolean().default(false) }), status: 201,
      response: z.object({ clientId: z.string(), certificateId: CertificateId, certificatePem: Pem, authorityPem: Pem, brokerUrl: z.string(), expiresAt: Instant, unlockKeys: UnlockKeys }),
      errors: ['certificate-request-invalid'],
    },
    issueClaim: {
      method: 'POST', path: '/v1/device-claims', summary: 'A claim certificate, with which new devices ask for their own over MQTT, and nothing else', public: true,
      access: provisioner, body: z.strictObject({ csrPem: Pem, name: z.string().min(1).max(80), validForDays: z.int().min(1).max(365).default(30) }), status: 201,
      response: z.object({ certificateId: CertificateId, certificatePem: Pem, authorityPem: Pem, brokerUrl: z.string(), expiresAt: Instant, template: z.string() }),
      errors: ['certificate-request-invalid'],
    },
    revokeCertificate: {
      method: 'POST', path: '/v1/device-certificates/{certificateId}/revoke', summary: 'End a certificate, and every connection that was made with it', public: true,
      access: provisioner, params: z.object({ certificateId: CertificateId }), status: 200, response: DeviceCertificate, errors: ['not-found'],
    },
    listDevices: {
      method: 'GET', path: '/v1/devices', summary: 'Devices with their certificates and connections, by vehicle id', public: true, access: staff, query: PageQuery, status: 200, response: page(Device), errors: [],
    },
    getDevice: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}/device', summary: 'The device of a vehicle', public: true, access: staff, params: vehicleParams, status: 200, response: Device, errors: ['not-found'],
    },
    getShadow: {
      method: 'GET', path: '/v1/vehicles/{vehicleId}/shadow', summary: 'The shadow of a vehicle: what is wanted, what it reported, what differs', public: true,
      access: staff, params: vehicleParams, query: z.object({ name: z.string().regex(/^[A-Za-z0-9:_-]{1,64}$/).optional() }), status: 200, response: ShadowDocument, errors: ['not-found'],
    },
    updateDesired: {
      method: 'PATCH', path: '/v1/vehicles/{vehicleId}/shadow', summary: 'Merge into the desired state; null removes. With `version` only when it is still that one', public: true,
      access: { roles: ['staff', 'admin', 'machine'], scope: 'devices:manage' }, params: vehicleParams, query: z.object({ name: z.string().regex(/^[A-Za-z0-9:_-]{1,64}$/).optional() }),
      body: z.strictObject({ desired: Json, version: z.int().min(1).optional() }), bodyLimitBytes: 8 * 1024, status: 200, response: ShadowDocument, errors: ['shadow-conflict', 'shadow-invalid'],
    },
    getStatistics: {
      method: 'GET', path: '/v1/statistics/devices', summary: 'Connections, messages and what was dropped, with a sample of each kind', public: true, access: staff, status: 200,
      response: z.object({
        connected: z.int(), messagesReceived: z.int(), messagesPerSecond: z.number(),
        refused: z.record(z.string(), z.int()), dropped: z.record(z.string(), z.int()),
        samples: z.array(z.object({ reason: z.string(), topic: z.string(), vehicleId: z.string(), at: Instant, payloadBase64: z.string() })),
      }),
      errors: [],
    },
    deliverCommand: {
      method: 'POST', path: '/internal/iot/commands', summary: 'Publish a command to a vehicle; delivery is proven by state, never by this answer', access: internal, public: false,
      body: z.object({ vehicleId: VehicleId, message: CommandMessage }), status: 200, response: z.object({ connected: z.boolean() }), errors: [],
    },
    publishUnlockKeys: {
      method: 'PUT', path: '/internal/iot/unlock-keys', summary: 'Retain the public keys of unlock tokens for all vehicles', access: internal, public: false, body: UnlockKeys, status: 204, errors: [],
    },
    createJob: {
      method: 'PUT', path: '/internal/iot/jobs/{jobId}', summary: 'Make a job, or add targets to it; a vehicle that is a target already stays as it is', access: internal, public: false,
      params: z.object({ jobId: JobId }), body: z.object({ document: Json, vehicleIds: z.array(VehicleId).max(50_000), inProgressTimeoutMinutes: z.int().min(1).max(10_080).optional() }),
      bodyLimitBytes: 8 * 1024 * 1024, status: 200, response: z.object({ queued: z.int() }), errors: ['job-conflict'],
    },
    cancelJob: {
      method: 'POST', path: '/internal/iot/jobs/{jobId}/cancel', summary: 'Cancel executions that are queued, and with `force` those in progress', access: internal, public: false,
      params: z.object({ jobId: JobId }), body: z.object({ force: z.boolean().default(false) }), status: 200, response: z.object({ cancelled: z.int() }), errors: ['not-found'],
    },
    listJobExecutions: {
      method: 'GET', path: '/internal/iot/jobs/{jobId}/executions', summary: 'How a job stands with each vehicle', access: internal, public: false,
      params: z.object({ jobId: JobId }), query: PageQuery.extend({ limit: z.coerce.number().int().min(1).max(1000).default(1000) }), status: 200,
      response: page(JobExecution).extend({ counts: z.record(z.string(), z.int()) }), errors: ['not-found'],
    },
  },
  events: {
    alertRaised: defineEvent('vehicles.alert-raised', 'A vehicle raised an alert: a collision, tampering, a geofence, a low battery', AlertMessage),
    jobExecutionChanged: defineEvent('jobs.execution-changed', 'A vehicle took up, finished or refused a job', JobExecution),
    telemetryReceived: defineEvent('telemetry.received', 'What vehicles sent within a moment, as it came: the subject is a share of the fleet, a vehicle is always in the same share', z.object({
      /** Base64 of entries, one after the other: length of the vehicle id (1 byte), vehicle id, length of the payload (4 bytes, big endian), payload; in the order in which they came. */
      frames: z.base64(),
      receivedAtMs: z.number(),
    })),
  },
});
