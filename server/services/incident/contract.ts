/** What Incident Management promises: from an alert to a closed case, and the rider asked in between. */
import { z } from 'zod';
import { AlertMessage } from '../../../edge/protocol/messages.ts';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { Id, Instant, page, PageQuery, Position } from '../../wire/schemas.ts';
import { TrackPoint } from '../telemetry/contract.ts';
import { VehicleId } from '../vehicle/contract.ts';

const staff = { roles: ['staff', 'admin', 'machine'], scope: 'incidents:manage' } as const;
const rider = { roles: ['rider', 'staff', 'admin'], scope: 'incidents:answer' } as const;
/** What people write: anything but the one character that no database keeps. */
const words = (most: number) => z.string().max(most).refine((text) => !text.includes('\0'), 'without the character U+0000');
const incidentParams = z.object({ incidentId: Id });

export const IncidentKind = z.enum(['collision', 'tamper', 'manual']);
export const IncidentState = z.enum(['open', 'checking', 'escalated', 'dispatched', 'on-site', 'closed']);
export type IncidentState = z.infer<typeof IncidentState>;
export const Severity = z.enum(['low', 'medium', 'high', 'critical']);

export const TimelineEntry = z.object({
  at: Instant,
  kind: z.enum(['opened', 'merged', 'rider-asked', 'rider-answered', 'rider-silent', 'escalated', 'telemetry-attached', 'vehicle-disabled', 'vehicle-enabled', 'assigned', 'arrived', 'note', 'closed']),
  /** Who did it: an account, or `system`. */
  by: z.string(),
  text: z.string(),
});

export const Incident = z.object({
  id: Id,
  kind: IncidentKind,
  state: IncidentState,
  severity: Severity,
  vehicleId: VehicleId,
  bookingId: Id.nullable(),
  occurredAt: Instant,
  openedAt: Instant,
  closedAt: Instant.nullable(),
  position: Position,
  peakG: z.number().nullable(),
  tamper: AlertMessage.shape.tamper.nullable(),
  assignee: z.string().nullable().describe('the staff member who goes there'),
  riderAnswer: z.enum(['fine', 'help']).nullable(),
  resolution: z.string().nullable(),
});
export type Incident = z.infer<typeof Incident>;

/** What the rider's app shows: never more than the own ride. */
export const RiderCheck = z.object({ incidentId: Id, bookingId: Id, occurredAt: Instant, askedAt: Instant, answerBy: Instant, answer: Incident.shape.riderAnswer });

export const incidentContract = defineContract({
  module: 'incident',
  operations: {
    listIncidents: {
      method: 'GET', path: '/v1/incidents', summary: 'Incidents, the newest first', access: staff, public: true,
      query: PageQuery.extend({ state: IncidentState.optional(), open: z.enum(['true', 'false']).optional(), vehicleId: VehicleId.optional() }), status: 200, response: page(Incident), errors: [],
    },
    streamIncidents: {
      method: 'GET', path: '/v1/incidents/stream', summary: 'Server-sent events: `snapshot` of the open ones, then `incident` at every change', access: staff, public: true, produces: ['text/event-stream'], status: 200, errors: ['too-many-streams'],
    },
    getIncident: {
      method: 'GET', path: '/v1/incidents/{incidentId}', summary: 'An incident with its timeline, the telemetry around it and the motion of the impact', access: staff, public: true, params: incidentParams, status: 200,
      response: Incident.extend({ timeline: z.array(TimelineEntry), telemetry: z.array(TrackPoint), motion: AlertMessage.shape.motion.nullable() }), errors: ['not-found'],
    },
    openIncident: {
      method: 'POST', path: '/v1/incidents', summary: 'Open an incident by hand', access: staff, public: true, idempotent: true,
      body: z.strictObject({ vehicleId: VehicleId, severity: Severity, text: words(2000).min(1) }), status: 201, response: Incident, errors: ['not-found'],
    },
    assignIncident: {
      method: 'POST', path: '/v1/incidents/{incidentId}/assign', summary: 'Send a staff member there', access: staff, public: true, params: incidentParams, body: z.strictObject({ assignee: words(200).min(1).optional().describe('the caller without it') }),
      status: 200, response: Incident, errors: ['not-found', 'incident-state'],
    },
    arriveAtIncident: {
      method: 'POST', path: '/v1/incidents/{incidentId}/arrive', summary: 'The staff member is there', access: staff, public: true, params: incidentParams, status: 200, response: Incident, errors: ['not-found', 'incident-state'],
    },
    noteIncident: {
      method: 'POST', path: '/v1/incidents/{incidentId}/notes', summary: 'Write into the timeline', access: staff, public: true, idempotent: true, params: incidentParams, body: z.strictObject({ text: words(2000).min(1) }), status: 201, response: TimelineEntry, errors: ['not-found', 'incident-state'],
    },
    closeIncident: {
      method: 'POST', path: '/v1/incidents/{incidentId}/close', summary: 'Close it; the vehicle can be enabled again with it', access: staff, public: true, params: incidentParams,
      body: z.strictObject({ resolution: words(2000).min(1), enableVehicle: z.boolean().default(false) }), status: 200, response: Incident, errors: ['not-found', 'incident-state'],
    },
    listMyChecks: {
      method: 'GET', path: '/v1/me/checks', summary: 'Whether somebody asks if you are all right', access: rider, public: true, status: 200, response: z.object({ items: z.array(RiderCheck) }), errors: [],
    },
    answerCheck: {
      method: 'POST', path: '/v1/me/checks/{incidentId}', summary: 'Say that you are all right, or need help; a later answer counts instead', access: rider, public: true, params: incidentParams,
      body: z.strictObject({ answer: z.enum(['fine', 'help']), text: words(1000).optional() }), status: 200, response: RiderCheck, errors: ['not-found', 'incident-state'],
    },
  },
  events: {
    opened: defineEvent('incidents.opened', 'An incident was opened', Incident),
    changed: defineEvent('incidents.changed', 'An incident went on', Incident),
    closed: defineEvent('incidents.closed', 'An incident was closed', Incident),
    riderAsked: defineEvent('incidents.rider-asked', 'Somebody has to ask the rider whether all is well', z.object({ incidentId: Id, riderId: Id, bookingId: Id, answerBy: Instant })),
    helpNeeded: defineEvent('incidents.help-needed', 'A rider needs help, or did not answer after a severe crash', Incident),
  },
});
