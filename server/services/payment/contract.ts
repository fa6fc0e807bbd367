/** What the Payment service promises: methods, authorise at booking, capture at the end, refund, ledger, receipts. */
import { z } from 'zod';
import { defineContract, defineEvent } from '../../wire/contract.ts';
import { Currency, Id, Instant, Minor, page, PriceLine, VehicleType } from '../../wire/schemas.ts';
import { Provider } from '../../orchestrators/payments/contract.ts';

const rider = { roles: ['rider', 'staff', 'admin'], scope: 'payments' } as const;
const staff = { roles: ['staff', 'admin'], scope: 'payments:manage' } as const;
const internal = { roles: ['machine'], scope: 'internal' } as const;

export const PaymentMethod = z.object({ id: Id, provider: Provider, brand: z.string(), last4: z.string(), createdAt: Instant });

/** `pending`: the provider has not answered for certain yet; it is being asked. */
export const PaymentState = z.enum(['pending', 'action-required', 'authorised', 'declined', 'capture-pending', 'captured', 'capture-failed', 'voided']);
export const Payment = z.object({
  bookingId: Id,
  state: PaymentState,
  provider: Provider.nullable(),
  authorisedMinor: Minor,
  capturedMinor: Minor,
  refundedMinor: Minor,
  currency: Currency,
  actionUrl: z.string().optional(),
  failureCode: z.enum(['payment-method-missing', 'payment-declined', 'payment-provider-down']).optional(),
});
export type Payment = z.infer<typeof Payment>;

/** What the receipt tells about the ride; handed over with the capture, so that a receipt never changes later. */
export const RideSummary = z.object({
  vehicleId: z.string(), vehicleType: VehicleType, model: z.string(), cityId: z.string(), timeZone: z.string(),
  startedAt: Instant, endedAt: Instant, distanceMetres: z.number(), locale: z.enum(['en', 'de']),
});

export const Receipt = z.object({
  number: z.string(),
  bookingId: Id,
  issuedAt: Instant,
  ride: RideSummary,
  lines: z.array(PriceLine),
  totalMinor: Minor,
  taxMinor: Minor,
  taxPercent: z.number(),
  refundedMinor: Minor,
  currency: Currency,
  paidWith: z.object({ provider: Provider, brand: z.string(), last4: z.string() }),
});
export type Receipt = z.infer<typeof Receipt>;

const bookingParams = z.object({ bookingId: Id });

export const paymentContract = defineContract({
  module: 'payment',
  operations: {
    addPaymentMethod: {
      method: 'POST', path: '/v1/me/payment-methods', summary: 'Add a payment method by the token that the provider gave the phone', access: rider, public: true, idempotent: true,
      body: z.strictObject({ provider: Provider, token: z.string().min(3).max(500) }), status: 201, response: PaymentMethod,
      errors: ['payment-method-invalid', 'payment-provider-down'],
    },
    listPaymentMethods: {
      method: 'GET', path: '/v1/me/payment-methods', summary: 'The own payment methods; the first is used for bookings', access: rider, public: true,
      status: 200, response: page(PaymentMethod), errors: [],
    },
    removePaymentMethod: {
      method: 'DELETE', path: '/v1/me/payment-methods/{paymentMethodId}', summary: 'Remove a payment method', access: rider, public: true,
      params: z.object({ paymentMethodId: Id }), status: 204, errors: ['not-found', 'rider-has-open-booking'],
    },
    getReceipt: {
      method: 'GET', path: '/v1/bookings/{bookingId}/receipt', summary: 'The receipt as JSON, HTML or PDF by Accept', access: rider, public: true,
      params: bookingParams, produces: ['application/json', 'text/html', 'application/pdf'], status: 200, response: Receipt, errors: ['not-found', 'receipt-not-ready'],
    },
    refund: {
      method: 'POST', path: '/v1/bookings/{bookingId}/refunds', summary: 'Give money back for a ride', access: staff, public: true, idempotent: true,
      params: bookingParams, body: z.strictObject({ amountMinor: Minor.min(1), reason: z.string().trim().min(3).max(500) }),
      status: 201, response: Payment, errors: ['not-found', 'refund-too-large', 'wrong-state', 'payment-unresolved', 'payment-provider-down'],
    },
    getLedger: {
      method: 'GET', path: '/v1/statistics/ledger', summary: 'The sum of all ledger entries by currency: zero, or something is wrong', access: staff, public: true,
      status: 200, response: z.object({ ledgerBalance: z.record(Currency, z.int()), accounts: z.array(z.object({ account: z.string(), currency: Currency, balanceMinor: z.int() })) }), errors: [],
    },
    authorise: {
      method: 'POST', path: '/internal/payment/bookings/{bookingId}/authorise', summary: 'Hold an amount for a booking; once, however often it is asked. Without a certain answer the payment is `pending` and `payments.resolved` follows', access: internal, public: false,
      params: bookingParams, body: z.object({ riderId: Id, amountMinor: Minor.min(1), currency: Currency, paymentMethodId: Id.optional(), returnUrl: z.string().optional() }),
      status: 200, response: Payment, errors: ['debt-outstanding'],
    },
    resolve: {
      method: 'POST', path: '/internal/payment/bookings/{bookingId}/resolve', summary: 'Ask the provider how an uncertain or challenged payment stands', access: internal, public: false,
      params: bookingParams, status: 200, response: Payment, errors: ['not-found'],
    },
    getPayment: {
      method: 'GET', path: '/internal/payment/bookings/{bookingId}', summary: 'How the payment of a booking stands', access: internal, public: false,
      params: bookingParams, status: 200, response: Payment, errors: ['not-found'],
    },
    capture: {
      method: 'POST', path: '/internal/payment/bookings/{bookingId}/capture', summary: 'Charge the final price (more than was held is charged apart; 0 voids), write ledger and receipt; once', access: internal, public: false,
      params: bookingParams, body: z.object({ lines: z.array(PriceLine), totalMinor: Minor.min(0), taxMinor: Minor.min(0), taxPercent: z.number(), ride: RideSummary }),
      status: 200, response: Payment, errors: ['not-found', 'wrong-state'],
    },
    void: {
      method: 'POST', path: '/internal/payment/bookings/{bookingId}/void', summary: 'Release what was held; once', access: internal, public: false,
      params: bookingParams, status: 200, response: Payment, errors: ['not-found'],
    },
    getDebt: {
      method: 'GET', path: '/internal/payment/riders/{riderId}/debt', summary: 'What a rider still owes', access: internal, public: false,
      params: z.object({ riderId: Id }), status: 200, response: z.object({ amountMinor: Minor, currency: Currency.nullable() }), errors: [],
    },
  },
  events: {
    resolved: defineEvent('payments.resolved', 'A payment that was pending is certain now', Payment),
    captured: defineEvent('payments.captured', 'A ride was charged', z.object({ bookingId: Id, riderId: Id, amountMinor: Minor, currency: Currency, receiptNumber: z.string() })),
    captureFailed: defineEvent('payments.capture-failed', 'A ride could not be charged: the rider owes', z.object({ bookingId: Id, riderId: Id, amountMinor: Minor, currency: Currency })),
    refunded: defineEvent('payments.refunded', 'Money was given back', z.object({ bookingId: Id, riderId: Id, amountMinor: Minor, currency: Currency, reason: z.string() })),
  },
});
