/** How a call can go wrong, in one type that screens can put into words. */
import type { ProblemCode, ProblemDocument } from './contract';

/** `offline`: nothing answered. `session-ended`: the rider has to sign in again. The others are the server's problem codes. */
export type FailureCode = ProblemCode | 'offline' | 'session-ended';

export class Failure extends Error {
  override readonly name = 'Failure';
  readonly code: FailureCode;
  readonly status: number;
  /** Members of the request that are wrong, by JSON pointer. */
  readonly pointers: readonly string[];
  readonly retryAfterSeconds: number | undefined;

  constructor(code: FailureCode, status = 0, document?: Partial<ProblemDocument>) {
    super(document?.detail ?? code);
    this.code = code;
    this.status = status;
    this.pointers = document?.errors?.map((error) => error.pointer) ?? [];
    this.retryAfterSeconds = document?.retryAfterSeconds;
  }
}

/** Reads an answer that is not a success; one that is no problem document counts as `internal`. */
export async function failureFrom(response: Response): Promise<Failure> {
  const document = await response.json().then(
    (json: unknown) => json as Partial<ProblemDocument>,
    () => undefined,
  );
  return new Failure(document?.code ?? (response.status === 401 ? 'unauthenticated' : response.status === 503 ? 'unavailable' : 'internal'), response.status, document);
}
