/**
 * What a module promises to others: operations (HTTP routes described by Zod) and events.
 *
 * A contract holds no behaviour. The module's own `module.ts` serves it, the client in
 * `client.ts` calls it, and OpenAPI, the reference pages and the authorisation matrix are
 * read from it without starting anything.
 */
import type { z } from 'zod';
import type { ProblemCode } from './problem.ts';

export type Role = 'rider' | 'staff' | 'admin' | 'device' | 'machine';

/**
 * Who may call: `anyone` without a token, or a token with one of the roles and the scope.
 * Operations without `public: true` are for other modules only and never reach the gateway.
 */
export type Access = 'anyone' | { roles: readonly Role[]; scope: string };

export type Method = 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE';

export interface Operation {
  method: Method;
  /** With OpenAPI's braces: `/v1/vehicles/{vehicleId}`. */
  path: string;
  summary: string;
  access: Access;
  /** Served by the gateway to the outside. Internal paths begin with `/internal/`. */
  public: boolean;
  params?: z.ZodType;
  query?: z.ZodType;
  body?: z.ZodType;
  /** What the body is sent as; `application/json` unless told. */
  consumes?: 'application/json' | 'multipart/form-data';
  bodyLimitBytes?: number;
  /** Media types that the operation can answer with; `application/json` unless told. */
  produces?: readonly string[];
  status: 200 | 201 | 202 | 204;
  response?: z.ZodType;
  errors: readonly ProblemCode[];
  /** The call must carry an `Idempotency-Key`; the same key with the same body has one effect. */
  idempotent?: boolean;
}

export type Operations = Record<string, Operation>;

/** A CloudEvents type with the schema of its `data`. The part before the first dot is the topic. */
export interface EventDefinition<Data extends z.ZodType = z.ZodType> {
  type: string;
  topic: string;
  version: number;
  summary: string;
  data: Data;
}

export interface Contract<O extends Operations = Operations> {
  module: string;
  operations: O;
  events: Record<string, EventDefinition>;
}

export function defineContract<const O extends Operations, const E extends Record<string, EventDefinition>>(
  contract: { module: string; operations: O; events: E },
): { module: string; operations: O; events: E } {
  return contract;
}

/** @param type noun and verb, `bookings.confirmed`; the noun is the topic. */
export function defineEvent<Data extends z.ZodType>(
  type: string,
  summary: string,
  data: Data,
  version = 1,
): EventDefinition<Data> {
  const [topic] = type.split('.');
  if (!topic || topic === type) throw new Error(`event type ${type} needs a topic and a verb`);
  return { type, topic, version, summary, data };
}

/** Who calls. `subject` is the rider's or staff member's id, or the client's for machines. */
export interface Caller {
  subject: string;
  roles: readonly Role[];
  scopes: readonly string[];
  clientId: string;
}

/** A caller that stands for one of our own modules. */
export function moduleCaller(module: string): Caller {
  return { subject: `module:${module}`, roles: ['machine'], scopes: ['internal'], clientId: module };
}

type Input<T> = T extends z.ZodType ? z.input<T> : undefined;
type Output<T> = T extends z.ZodType ? z.output<T> : undefined;

/** A file that came in by multipart. */
export interface Upload {
  fileName: string;
  contentType: string;
  bytes: Uint8Array;
}

/** What a handler is given: already validated. */
export interface Call<O extends Operation> {
  params: Output<O['params']>;
  query: Output<O['query']>;
  body: Output<O['body']>;
  caller: Caller | undefined;
  idempotencyKey: string | undefined;
  /** The request's Accept header; `application/json` when there is none. */
  accept: string;
  /** Aborts when the caller is gone or has waited too long. */
  signal: AbortSignal;
  uploads: readonly Upload[];
}

/** An answer that is not JSON: a page, a PDF, a photo, a stream of server-sent events. */
export class RawReply {
  readonly contentType: string;
  readonly body: Uint8Array | string | AsyncIterable<Uint8Array | string>;
  readonly headers: Record<string, string>;
  constructor(
    contentType: string,
    body: Uint8Array | string | AsyncIterable<Uint8Array | string>,
    headers: Record<string, string> = {},
  ) {
    this.contentType = contentType;
    this.body = body;
    this.headers = headers;
  }
}

type JsonReply<O extends Operation> = O['response'] extends z.ZodType ? z.input<O['response']> : undefined;

/** What a handler returns: the JSON answer, or a RawReply where the operation `produces` other types. */
export type Handler<O extends Operation> = (
  call: Call<O>,
) => Promise<O['produces'] extends readonly string[] ? JsonReply<O> | RawReply : JsonReply<O>>;

export type Handlers<O extends Operations> = { [K in keyof O]: Handler<O[K]> };

type Pruned<T> = { [K in keyof T as T[K] extends undefined ? never : K]: T[K] };

/** What a client is given: unvalidated, so the input side of the schemas. */
export type ClientRequest<O extends Operation> = Pruned<{
  params: Input<O['params']>;
  query: Input<O['query']>;
  body: Input<O['body']>;
}>;

export interface CallOptions {
  caller?: Caller;
  idempotencyKey?: string;
  accept?: string;
  signal?: AbortSignal;
  timeoutMs?: number;
  /** The same call twice does no more than once; clients set it by the operation. */
  repeatable?: boolean;
}

/** One typed function for each operation. Throws a `Problem` for every refusal. */
export type Client<O extends Operations> = {
  [K in keyof O]: (request: ClientRequest<O[K]>, options?: CallOptions) => Promise<Output<O[K]['response']>>;
};
