/** What the adapters on Amazon's services have in common: limits, retries, and what their errors mean. */
import { Problem } from '../wire/problem.ts';

/**
 * Limits and retries of a client. The SDK tries again what may succeed then (throttling, 5xx, lost connections), after
 * pauses that double and have jitter, out of a budget: when everything fails, it soon stops to try everything again.
 * Region and credentials come from where the SDK looks for them: environment, profile, web identity, instance.
 * @param options.requestTimeoutMs of one attempt
 */
export function clientOptions(options: { url: string | undefined; requestTimeoutMs: number }) {
  return {
    ...(options.url !== undefined && { endpoint: options.url }),
    retryMode: 'standard', maxAttempts: 4,
    requestHandler: { connectionTimeout: 3_000, requestTimeout: options.requestTimeoutMs, throwOnRequestTimeout: true, httpAgent: { keepAlive: true, maxSockets: 64 }, httpsAgent: { keepAlive: true, maxSockets: 64 } },
  } as const;
}

/** The members of the SDK's errors that we read. */
interface ServiceError {
  name?: string;
  code?: unknown;
  $metadata?: { httpStatusCode?: number; attempts?: number };
}

const asServiceError = (error: unknown): ServiceError => (typeof error === 'object' && error !== null ? error : {}) as ServiceError;

const throttling = new Set([
  'ProvisionedThroughputExceededException', 'RequestLimitExceeded', 'ThrottlingException', 'ThrottledException', 'Throttling', 'SlowDown', 'TooManyRequestsException', 'LimitExceededException',
]);
const passing = new Set(['TimeoutError', 'RequestTimeout', 'RequestTimeoutException', 'InternalServerError', 'ServiceUnavailable', 'InternalError']);
const lostConnection = new Set(['ECONNREFUSED', 'ECONNRESET', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH']);

export const errorName = (error: unknown): string => asServiceError(error).name ?? '';
export const statusOf = (error: unknown): number | undefined => asServiceError(error).$metadata?.httpStatusCode;

/** Whether an earlier attempt of the same request may have been carried out, though its answer never came. */
export const wasTriedBefore = (metadata: { attempts?: number | undefined } | undefined): boolean => (metadata?.attempts ?? 1) > 1;
export const metadataOf = (error: unknown) => asServiceError(error).$metadata;

/** @throws Problem `unavailable` when the same request may succeed later; every other error as it is */
export function rethrow(service: string, error: unknown): never {
  const { name = '', code } = asServiceError(error);
  const status = statusOf(error) ?? 0;
  if (throttling.has(name) || status === 429) throw new Problem('unavailable', `${service} takes no more requests at the moment`, { cause: error });
  if (status >= 500 || passing.has(name) || lostConnection.has(String(code))) throw new Problem('unavailable', `${service} does not answer`, { cause: error });
  throw error;
}
