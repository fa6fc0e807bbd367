/** What the Booking service promises: quotes, reservations, rides, returns, feedback. */
import { z } from 'zod';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { Currency, Id, Instant, Minor, page, PageQuery, Position, PriceLine, VehicleType } from '../../wire/schemas.ts';
import { VehicleId } from '../vehicle/contract.ts';

const rider = { roles: ['rider', 'staff', 'admin'], scope: 'bookings' } as const;
const internal = { roles: ['machine'], scope: 'internal' } as const;

export const BookingState = z.enum(['reserved', 'confirmed', 'riding', 'paused', 'ended', 'charged', 'cancelled', 'expired', 'failed']);
export type BookingState = z.infer<typeof BookingState>;

export const Quote = z.object({
  id: Id,
  vehicleId: VehicleId,
  startsAt: Instant,
  minutes: z.int().describe('the planned duration that the total is for'),
  lines: z.array(PriceLine),
  multiplier: z.number(),
  multiplierReason: z.string().optional(),
  totalMinor: Minor.describe('for the planned duration, taxes included'),
  taxMinor: Minor.describe('the tax that the total contains'),
  taxPercent: z.number(),
  depositMinor: Minor,
  authorisedMinor: Minor.describe('what will be held on the payment method when booking'),
  currency: Currency,
  expiresAt: Instant,
});
export type Quote = z.infer<typeof Quote>;

export const Booking = z.object({
  id: Id,
  riderId: Id,
  vehicleId: VehicleId,
  vehicleType: VehicleType,
  model: z.string(),
  state: BookingState,
  startsAt: Instant,
  /** Cars and vans: the fixed end. Scooters and eBikes: the latest possible end. */
  endsAt: Instant,
  fixedTime: z.boolean(),
  /** An unlocked ride must begin by then, or the booking expires. */
  reservedUntil: Instant,
  startedAt: Instant.nullable(),
  endedAt: Instant.nullable(),
  pausedSince: Instant.nullable(),
  startPosition: Position.nullable(),
  endPosition: Position.nullable(),
  distanceMetres: z.number().nullable(),
  multiplier: z.number(),
  /** The price so far (riding), or the final one (ended, charged); taxes included. */
  price: z.object({ lines: z.array(PriceLine), totalMinor: Minor, taxMinor: Minor, currency: Currency }),
  authorisedMinor: Minor,
  /** What the rider has to do for the payment: a 3-D Secure challenge at `actionUrl`. */
  payment: z.object({ state: z.enum(['none', 'pending', 'action-required', 'authorised', 'declined', 'captured', 'capture-pending', 'voided']), actionUrl: z.string().optional() }),
  failureCode: z.string().optional().describe('the problem code that made the booking fail'),
  photoIds: z.array(Id),
  feedback: z.object({ rating: z.int(), text: z.string().optional(), faults: z.array(z.string()) }).nullable(),
  createdAt: Instant,
});
export type Booking = z.infer<typeof Booking>;

const bookingParams = z.object({ bookingId: Id });
const planned = {
  vehicleId: VehicleId,
  startsAt: Instant.optional(),
  minutes: z.int().min(1).max(7 * 24 * 60 + 1).optional(),
};
const eligibility = ['vehicle-unavailable', 'battery-too-low', 'too-young', 'licence-required', 'identity-not-verified', 'account-suspended'] as const;
const transition = ['not-found', 'wrong-state'] as const;

export const Fault = z.enum(['brakes', 'lights', 'tyres', 'handlebar', 'battery', 'display', 'bodywork', 'dirty', 'lock', 'other']);

const BookingChanged = z.object({
  bookingId: Id,
  riderId: Id,
  vehicleId: VehicleId,
  vehicleType: VehicleType,
  from: BookingState.nullable(),
  at: Instant,
  startsAt: Instant,
  endsAt: Instant,
  fixedTime: z.boolean(),
  position: Position.nullable(),
  totalMinor: Minor.nullable(),
  currency: Currency,
  revision: z.int().min(1).optional().describe('counts up with each change of this booking: the order of its events, whatever clocks do'),
});

const changed = (state: BookingState) => defineEvent(`bookings.${state}`, `A booking became ${state}`, BookingChanged);

export const bookingContract = defineContract({
  module: 'booking',
  operations: {
    createQuote: {
      method: 'POST', path: '/v1/quotes', summary: 'What a ride would cost', access: rider, public: true, idempotent: true,
      body: z.strictObject({ ...planned, dropOff: Position.optional() }), status: 201, response: Quote,
      errors: ['not-found', ...eligibility, 'outside-booking-window', 'duration-not-allowed'],
    },
    createBooking: {
      method: 'POST', path: '/v1/bookings', summary: 'Reserve a vehicle and authorise the payment', access: rider, public: true, idempotent: true,
      body: z.strictObject({ ...planned, quoteId: Id.optional(), paymentMethodId: Id.optional() }), status: 201, response: Booking,
      errors: ['not-found', 'vehicle-taken', 'active-booking-exists', ...eligibility, 'outside-booking-window', 'duration-not-allowed', 'quote-expired', 'quote-mismatch', 'payment-method-missing', 'payment-declined', 'payment-unresolved', 'payment-provider-down', 'debt-outstanding'],
    },
    listBookings: {
      method: 'GET', path: '/v1/bookings', summary: 'The own bookings, newest first', access: rider, public: true,
      query: PageQuery.extend({ state: z.union([BookingState, z.array(BookingState)]).optional().transform((state) => (typeof state === 'string' ? [state] : state)) }),
      status: 200, response: page(Booking), errors: [],
    },
    getBooking: {
      method: 'GET', path: '/v1/bookings/{bookingId}', summary: 'One booking with its price so far', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: ['not-found'],
    },
    confirmPayment: {
      method: 'POST', path: '/v1/bookings/{bookingId}/confirm-payment', summary: 'After a 3-D Secure challenge: ask the provider how it ended', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: [...transition, 'payment-declined', 'payment-unresolved'],
    },
    unlock: {
      method: 'POST', path: '/v1/bookings/{bookingId}/unlock', summary: 'A token that opens this vehicle for this rider and booking, valid for 60 seconds, without a network', access: rider, public: true,
      params: bookingParams, status: 200,
      response: z.object({ token: z.string(), expiresAt: Instant, /** Where the demo has its stand-in for the radio link between phone and vehicle. */ nearFieldUrl: z.string().optional() }),
      errors: [...transition, 'not-started-yet'],
    },
    unlockRemotely: {
      method: 'POST', path: '/v1/bookings/{bookingId}/unlock-remotely', summary: 'Open the vehicle over the network; answers when the vehicle has reported it', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: [...transition, 'not-started-yet', 'vehicle-unreachable'],
    },
    pause: {
      method: 'POST', path: '/v1/bookings/{bookingId}/pause', summary: 'Lock the vehicle and keep it', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: [...transition, 'vehicle-unreachable', 'vehicle-moving'],
    },
    resume: {
      method: 'POST', path: '/v1/bookings/{bookingId}/resume', summary: 'Go on after a pause', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: [...transition, 'vehicle-unreachable'],
    },
    cancel: {
      method: 'POST', path: '/v1/bookings/{bookingId}/cancel', summary: 'Give a reservation back before the ride', access: rider, public: true,
      params: bookingParams, status: 200, response: Booking, errors: [...transition],
    },
    uploadPhoto: {
      method: 'POST', path: '/v1/photos', summary: 'A photo of the parked vehicle (JPEG, PNG, WebP; at most 8 MiB)', access: rider, public: true, idempotent: true,
      consumes: 'multipart/form-data', bodyLimitBytes: 9 * 1024 * 1024, status: 201, response: z.object({ id: Id }), errors: ['photo-unreadable'],
    },
    getPhoto: {
      method: 'GET', path: '/v1/photos/{photoId}', summary: 'A photo, for its rider and for staff', access: rider, public: true,
      params: z.object({ photoId: Id }), produces: ['image/jpeg', 'image/png', 'image/webp'], status: 200, errors: ['not-found'],
    },
    end: {
      method: 'POST', path: '/v1/bookings/{bookingId}/end', summary: 'End the ride: lock, price with fines, charge', access: rider, public: true,
      params: bookingParams, body: z.strictObject({ photoIds: z.array(Id).max(10).default([]) }), status: 200, response: Booking,
      errors: [...transition, 'photo-required', 'vehicle-moving', 'parking-forbidden'],
    },
    giveFeedback: {
      method: 'POST', path: '/v1/bookings/{bookingId}/feedback', summary: 'Rate the ride and report faults', access: rider, public: true, idempotent: true,
      params: bookingParams, body: z.strictObject({ rating: z.int().min(1).max(5), text: z.string().trim().max(2000).optional(), faults: z.array(Fault).max(10).default([]) }),
      status: 201, response: Booking, errors: [...transition, 'feedback-exists'],
    },
    countBookings: {
      method: 'GET', path: '/v1/statistics/bookings', summary: 'Bookings by state', access: { roles: ['staff', 'admin'], scope: 'bookings:manage' }, public: true,
      status: 200, response: z.object({ bookings: z.record(z.string(), z.int()) }), errors: [],
    },
    hasOpenBooking: {
      method: 'GET', path: '/internal/booking/riders/{riderId}/open', summary: 'Whether a rider has a booking that is not finished', access: internal, public: false,
      params: z.object({ riderId: Id }), status: 200, response: z.object({ open: z.boolean() }), errors: [],
    },
    getRide: {
      method: 'GET', path: '/internal/booking/bookings/{bookingId}/ride', summary: 'Who rides which vehicle, from when to when', access: internal, public: false,
      params: bookingParams, status: 200, response: z.object({ riderId: Id, vehicleId: VehicleId, startedAt: Instant.nullable(), endedAt: Instant.nullable() }), errors: ['not-found'],
    },
  },
  events: {
    reserved: changed('reserved'),
    confirmed: changed('confirmed'),
    riding: changed('riding'),
    paused: changed('paused'),
    ended: changed('ended'),
    charged: changed('charged'),
    cancelled: changed('cancelled'),
    expired: changed('expired'),
    failed: changed('failed'),
    rated: defineEvent('bookings.rated', 'A rider gave feedback', z.object({ bookingId: Id, riderId: Id, vehicleId: VehicleId, rating: z.int(), faults: z.array(Fault) })),
  },
});
