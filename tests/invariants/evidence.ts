/** What is known of a city after a run, as plain data: what the platform has stored, what others have seen of it. */
import type { BookingState } from '../../server/services/booking/contract.ts';
import type { PaymentState } from '../../server/services/payment/domain/life-cycle.ts';

export interface BookingFact {
  id: string;
  riderId: string;
  vehicleId: string;
  state: BookingState;
  startsAtMs: number;
  endsAtMs: number;
  startedAtMs: number | null;
  endedAtMs: number | null;
  /** The final price, once ended. */
  totalMinor: number | null;
}

/** One event of a booking's life, in the order in which the log has them; what the log has twice stands here twice. */
export interface LifeEvent {
  eventId: string;
  bookingId: string;
  from: BookingState | null;
  to: BookingState;
}

export interface PaymentFact {
  bookingId: string;
  state: PaymentState;
  authorisedMinor: number;
  capturedMinor: number;
  refundedMinor: number;
  debtMinor: number;
}

/** What a provider's own books say of one charge. `attempt` is the name that the platform gave it. */
export interface ProviderCharge {
  provider: string;
  id: string;
  attempt: string;
  heldMinor: number;
  capturedMinor: number;
  refundedMinor: number;
}

/** Who is open to whom: as the vehicle service has it, or as the vehicle itself stands. */
export interface VehicleFact {
  id: string;
  locked: boolean;
  bookingId: string | null;
}

/** An answer of the public API to a request with an Idempotency-Key: 201 with a booking, or a refusal. */
export interface KeptAnswer {
  key: string;
  status: number;
  bookingId: string | null;
  vehicleId: string | null;
}

/** A time in which a rider certainly rode a vehicle, by one clock that never goes back: from hearing "riding" to asking for the end. */
export interface SeenRide {
  riderId: string;
  vehicleId: string;
  fromMs: number;
  toMs: number;
}

export interface Evidence {
  bookings: readonly BookingFact[];
  life: readonly LifeEvent[];
  payments: readonly PaymentFact[];
  /** Names of attempts that nobody knows the end of. */
  openAttempts: readonly string[];
  ledger: readonly { currency: string; balanceMinor: number }[];
  /** How often each ended ride stands in the books, with what riders owe for it and what was received. */
  booked: readonly { bookingId: string; rides: number; owedMinor: number; receivedMinor: number }[];
  charges: readonly ProviderCharge[];
  outbox: readonly { module: string; events: number }[];
  /** Timers that should have fired, and by how much they are late. */
  overdue: readonly { module: string; kind: string; key: string; lateMs: number }[];
  lag: readonly { group: string; topic: string; events: number }[];
  deadLetters: readonly { topic: string; events: number; error: string }[];
  /** Events that a module wants and has not written into its inbox. */
  unhandled: readonly { module: string; eventId: string; type: string }[];
  vehicles: readonly VehicleFact[];
  /** The vehicles themselves; none when nobody can look at them. */
  bodies: readonly VehicleFact[];
  /** Bookings that hold a vehicle, as the vehicle service has heard. */
  holds: readonly { bookingId: string; vehicleId: string; state: string }[];
  /** The first answers that riders were given. */
  told: readonly KeptAnswer[];
  /** The same requests sent again, by key. */
  repeated: readonly KeptAnswer[];
  rides: readonly SeenRide[];
  /** How far clocks were moved back during the run: stored times may overlap by so much. */
  clockSlackMs: number;
}
