/** The schemas of all contracts as plain JSON: what is kept of a release. */
import { z } from 'zod';
import { modules } from '../../server/modules.ts';

export type JsonSchema = z.core.JSONSchema.BaseSchema;

export interface ReleasedOperation {
  method: string;
  path: string;
  public: boolean;
  status: number;
  idempotent: boolean;
  errors: readonly string[];
  params?: JsonSchema;
  query?: JsonSchema;
  body?: JsonSchema;
  response?: JsonSchema;
}

export interface ReleasedEvent {
  type: string;
  version: number;
  data: JsonSchema;
  /** What a consumer takes: a member with a default may be missing in an event of old. */
  taken?: JsonSchema;
}

export interface Release {
  /** By `booking.createBooking`. */
  operations: Record<string, ReleasedOperation>;
  /** By type and version: `bookings.confirmed 1`. */
  events: Record<string, ReleasedEvent>;
}

const plain = (schema: z.ZodType | undefined, io: 'input' | 'output'): JsonSchema | undefined => {
  if (!schema) return undefined;
  const { $schema: _always, ...rest } = z.toJSONSchema(schema, { io, unrepresentable: 'any', reused: 'inline' });
  return JSON.parse(JSON.stringify(rest)) as JsonSchema;
};

const present = <T extends object>(members: T): T => Object.fromEntries(Object.entries(members).filter(([, value]) => value !== undefined)) as T;

/** @returns the contracts as they are in this source */
export function currentRelease(): Release {
  const release: Release = { operations: {}, events: {} };
  for (const { name, contract } of modules) {
    for (const [operationName, operation] of Object.entries(contract?.operations ?? {})) {
      const { method, path, status, errors } = operation;
      release.operations[`${name}.${operationName}`] = present({
        method, path, public: operation.public, status, idempotent: operation.idempotent ?? false, errors,
        params: plain(operation.params, 'input'), query: plain(operation.query, 'input'), body: plain(operation.body, 'input'), response: plain(operation.response, 'output'),
      });
    }
    for (const { type, version, data } of Object.values(contract?.events ?? {})) release.events[`${type} ${version}`] = { type, version, data: present(plain(data, 'output') ?? {}), taken: present(plain(data, 'input') ?? {}) };
  }
  return release;
}
