/**
 * Errors as RFC 9457 problem+json with a stable `code`.
 *
 * Every error that a caller can meet is in this table: the contracts name codes from it,
 * the OpenAPI document and the reference page are made from it.
 */
export const problems = {
  // the request itself
  'invalid-request': { status: 400, title: 'The request does not have the shape that this route describes' },
  'malformed-json': { status: 400, title: 'The body is not valid JSON' },
  'idempotency-key-missing': { status: 400, title: 'This route needs an Idempotency-Key header' },
  'unauthenticated': { status: 401, title: 'A valid access token is needed' },
  'forbidden': { status: 403, title: 'This token may not do that' },
  'not-found': { status: 404, title: 'There is no such thing' },
  'method-not-allowed': { status: 405, title: 'This path does not answer that method' },
  'not-acceptable': { status: 406, title: 'None of the accepted media types can be made' },
  'payload-too-large': { status: 413, title: 'The body is larger than this route takes' },
  'unsupported-media-type': { status: 415, title: 'This media type is not taken here' },
  'idempotency-key-reused': { status: 422, title: 'This Idempotency-Key was used with another request' },
  'too-many-requests': { status: 429, title: 'Too many requests; wait and try again' },
  'internal': { status: 500, title: 'Something went wrong on our side' },
  'unavailable': { status: 503, title: 'This part of the platform does not answer right now' },
  'timeout': { status: 504, title: 'The answer took too long' },
  // riders
  'email-taken': { status: 409, title: 'There is already an account with this e-mail address' },
  'wrong-credentials': { status: 401, title: 'E-mail address or password is wrong' },
  'account-suspended': { status: 403, title: 'This account is suspended' },
  'account-erased': { status: 410, title: 'This account was erased' },
  'rider-has-open-booking': { status: 409, title: 'End or cancel the open booking first' },
  // bookings
  'vehicle-taken': { status: 409, title: 'The vehicle is taken for that time' },
  'vehicle-unavailable': { status: 409, title: 'The vehicle cannot be rented right now' },
  'battery-too-low': { status: 409, title: 'The battery of this vehicle is below the floor for a ride' },
  'active-booking-exists': { status: 409, title: 'You have an active booking already' },
  'too-young': { status: 403, title: 'You are below the minimum age for this vehicle' },
  'licence-required': { status: 403, title: 'A valid driving licence of the right class is needed for this vehicle' },
  'identity-not-verified': { status: 403, title: 'Your identity has to be verified first' },
  'outside-booking-window': { status: 422, title: 'The start lies outside the booking window of this vehicle type' },
  'duration-not-allowed': { status: 422, title: 'The duration is not allowed for this vehicle type' },
  'quote-expired': { status: 409, title: 'The quote has expired; ask for a new one' },
  'quote-mismatch': { status: 409, title: 'The quote belongs to another vehicle, rider or time' },
  'wrong-state': { status: 409, title: 'The booking is not in a state that allows this' },
  'not-started-yet': { status: 409, title: 'The booked time has not begun yet' },
  'vehicle-moving': { status: 409, title: 'Stop the vehicle first' },
  'photo-required': { status: 422, title: 'A photo of the parked vehicle is needed' },
  'photo-unreadable': { status: 422, title: 'The file is not a JPEG, PNG or WebP image' },
  'parking-forbidden': { status: 409, title: 'Parking is not allowed here' },
  'feedback-exists': { status: 409, title: 'Feedback was given already' },
  'vehicle-unreachable': { status: 504, title: 'The vehicle does not answer' },
  // payments
  'payment-method-missing': { status: 409, title: 'Add a payment method first' },
  'payment-method-invalid': { status: 422, title: 'The provider does not accept this payment method' },
  'payment-declined': { status: 402, title: 'The payment was declined' },
  'payment-unresolved': { status: 503, title: 'The payment provider has not answered yet; we keep asking' },
  'payment-provider-down': { status: 503, title: 'No payment provider answers right now' },
  'debt-outstanding': { status: 402, title: 'An earlier ride is not paid yet' },
  'refund-too-large': { status: 422, title: 'The refund is larger than what was paid' },
  'receipt-not-ready': { status: 409, title: 'The receipt is made when the ride has been charged' },
  // vehicles and cities
  'vehicle-exists': { status: 409, title: 'A vehicle with this id exists already' },
  'city-invalid': { status: 422, title: 'The city definition contradicts itself' },
  // devices
  'certificate-request-invalid': { status: 422, title: 'The certificate signing request is not a PKCS #10 request with an EC P-256 or RSA key that signed it' },
  'shadow-conflict': { status: 409, title: 'The shadow has another version' },
  'shadow-invalid': { status: 422, title: 'The shadow would be too large, too deep or no JSON object' },
  'job-conflict': { status: 409, title: 'A job of this id has another document' },
  // telemetry and incidents
  'range-invalid': { status: 422, title: 'The range of time is empty or too long' },
  'incident-state': { status: 409, title: 'The incident is not in a state that allows this' },
  // updates of vehicles
  'bundle-invalid': { status: 422, title: 'The bundle is not a gzipped tar that may be installed' },
  'bundle-exists': { status: 409, title: 'There is a bundle of this kind and version already' },
  'ticket-invalid': { status: 403, title: 'This ticket does not open this archive, or has run out' },
  'rollout-conflict': { status: 409, title: 'Another rollout of this kind is under way' },
  'rollout-state': { status: 409, title: 'The rollout is not in a state that allows this' },
  'too-many-streams': { status: 429, title: 'Too many open streams for one client' },
} as const satisfies Record<string, { status: number; title: string }>;

export type ProblemCode = keyof typeof problems;

/** The wire form of a problem, as RFC 9457 names its members. */
export interface ProblemDocument {
  type: string;
  title: string;
  status: number;
  code: ProblemCode;
  detail?: string;
  requestId?: string;
  /** Which members of the request are wrong: JSON pointers and what was expected. */
  errors?: { pointer: string; message: string }[];
  /** Seconds after which trying again makes sense. */
  retryAfterSeconds?: number;
}

/** An expected refusal. Anything else that is thrown is a fault of ours and becomes `internal`. */
export class Problem extends Error {
  readonly code: ProblemCode;
  readonly status: number;
  readonly detail: string | undefined;
  readonly errors: ProblemDocument['errors'];
  readonly retryAfterSeconds: number | undefined;

  constructor(
    code: ProblemCode,
    detail?: string,
    more: { errors?: ProblemDocument['errors']; retryAfterSeconds?: number; cause?: unknown } = {},
  ) {
    super(detail ? `${code}: ${detail}` : code, { cause: more.cause });
    this.name = 'Problem';
    this.code = code;
    this.status = problems[code].status;
    this.detail = detail;
    this.errors = more.errors;
    this.retryAfterSeconds = more.retryAfterSeconds;
  }

  toDocument(requestId?: string): ProblemDocument {
    return {
      type: `https://mobility.example/problems/${this.code}`,
      title: problems[this.code].title,
      status: this.status,
      code: this.code,
      ...(this.detail !== undefined && { detail: this.detail }),
      ...(this.errors && { errors: this.errors }),
      ...(this.retryAfterSeconds !== undefined && { retryAfterSeconds: this.retryAfterSeconds }),
      ...(requestId !== undefined && { requestId }),
    };
  }

  static fromDocument(document: ProblemDocument): Problem {
    const code = document.code in problems ? document.code : 'internal';
    return new Problem(code, document.detail, {
      errors: document.errors,
      retryAfterSeconds: document.retryAfterSeconds,
    });
  }
}
