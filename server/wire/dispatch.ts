/**
 * Takes a call to the module that serves it in this process; `remote.ts` takes it to another.
 *
 * Validation happens here, once, whoever calls; refusals are `Problem`s on both paths.
 */
import type { z } from 'zod';
import {
  type Call,
  type CallOptions,
  type Client,
  type Contract,
  type Operation,
  type Operations,
  RawReply,
  type Upload,
} from './contract.ts';
import { Problem } from './problem.ts';
import { unusableText } from './text.ts';

/** A request that nobody has looked at yet. */
export interface RawRequest {
  params?: unknown;
  query?: unknown;
  body?: unknown;
  uploads?: readonly Upload[];
}

export type Answer = { status: number; json: unknown } | RawReply;

/** Serves every operation of one module. */
export type Dispatch = (operationName: string, request: RawRequest, options: CallOptions) => Promise<Answer>;

const neverAborted = new AbortController().signal;

const pointerTo = (part: string, path: readonly PropertyKey[]): string => `/${part}${path.map((segment) => `/${String(segment).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('')}`;

/** @throws Problem `invalid-request`, with a JSON pointer for each wrong member */
function parse(schema: z.ZodType | undefined, value: unknown, part: string): unknown {
  if (!schema) return undefined;
  const unusable = unusableText(value);
  if (unusable) {
    throw new Problem('invalid-request', `The ${part} of the request has a text that is no text`, { errors: [{ pointer: pointerTo(part, unusable.slice(0, 20)), message: 'Has the character U+0000, or half of one' }] });
  }
  const parsed = schema.safeParse(value);
  if (parsed.success) return parsed.data;
  throw new Problem('invalid-request', `The ${part} of the request is not as described`, {
    errors: parsed.error.issues.slice(0, 20).map((issue) => ({ pointer: pointerTo(part, issue.path), message: issue.message })),
  });
}

type AnyHandler = (call: Call<Operation>) => Promise<unknown>;

/**
 * Dispatches to handlers in this process.
 * @param checkAnswers parse every answer by its schema: what tests do, to hold handlers to their contract
 */
export function localDispatch(
  contract: Contract,
  handlers: Record<string, unknown>,
  { checkAnswers = false }: { checkAnswers?: boolean } = {},
): Dispatch {
  return async (operationName, request, options) => {
    const operation = Object.hasOwn(contract.operations, operationName) ? contract.operations[operationName] : undefined;
    const handler = handlers[operationName] as AnyHandler | undefined;
    if (!operation || !handler) throw new Error(`module ${contract.module} does not serve ${operationName}`);
    if (operation.idempotent && !options.idempotencyKey) throw new Problem('idempotency-key-missing');
    const result = await handler({
      params: parse(operation.params, request.params, 'path'),
      query: parse(operation.query, request.query ?? {}, 'query'),
      body: parse(operation.body, request.body, 'body'),
      caller: options.caller,
      idempotencyKey: options.idempotencyKey,
      accept: options.accept ?? 'application/json',
      uploads: request.uploads ?? [],
      // Read only by handlers that wait: to watch a request for its end costs more than most of them do.
      get signal() {
        return options.signal ?? neverAborted;
      },
    } as Call<Operation>);
    if (result instanceof RawReply) return result;
    if (checkAnswers && operation.response) {
      const checked = operation.response.safeParse(result);
      if (!checked.success) throw new Error(`${contract.module}.${operationName} answered against its contract: ${checked.error.message}`);
    }
    return { status: operation.status, json: result };
  };
}

/** Whether the same call twice does no more than once, whatever it is: reading, and setting something to a value. */
export const isRepeatable = ({ method }: Operation): boolean => method === 'GET' || method === 'PUT';

/**
 * One typed function for each operation of a contract.
 * @param defaults what a call carries when it says nothing itself: the caller that stands for the module
 */
export function createClient<O extends Operations>(
  contract: { module: string; operations: O },
  dispatch: Dispatch,
  defaults: CallOptions,
): Client<O> {
  const entries = Object.entries(contract.operations).map(([name, operation]) => [
    name,
    async (request: RawRequest, options?: CallOptions) => {
      const answer = await dispatch(name, request, { ...defaults, ...options, repeatable: isRepeatable(operation) });
      return answer instanceof RawReply ? answer : answer.json;
    },
  ]);
  return Object.fromEntries(entries) as Client<O>;
}
