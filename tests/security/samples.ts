/** Requests made from the contracts alone, so that a new route is attacked without anybody thinking of it. */
import { z } from 'zod';
import { type PublicOperation, publicOperations } from '../../server/gateway/routes.ts';

interface Schema {
  type?: string;
  enum?: unknown[];
  const?: unknown;
  format?: string;
  pattern?: string;
  anyOf?: Schema[];
  allOf?: Schema[];
  properties?: Record<string, Schema>;
  additionalProperties?: Schema | boolean;
  items?: Schema | false;
  prefixItems?: Schema[];
  minimum?: number;
  exclusiveMinimum?: number;
  maximum?: number;
  minLength?: number;
  minItems?: number;
  propertyNames?: Schema;
}

const samplesOfFormats: Record<string, string> = { uuid: '0198c5a0-0000-7000-8000-00000000dead', date: '2031-01-01', 'date-time': '2026-11-22T10:00:00Z', email: 'nobody@example.com', uri: 'https://example.com/a' };
/** One of each pattern that a contract has is enough. */
const candidates = ['a1', 'AB', 'EUR', '1.2.3', '8,50,9,51', 'a', 'abcdefghij', '2026-11-22T10:00:00Z', '2031-01-01', 'f'.repeat(64), '1'];

function textFor({ format, pattern, minLength = 0 }: Schema): string {
  if (format && samplesOfFormats[format]) return samplesOfFormats[format];
  const fitting = pattern ? candidates.find((text) => new RegExp(pattern, 'u').test(text)) : undefined;
  return fitting ?? 'a'.repeat(Math.max(1, minLength));
}

const numberFor = ({ minimum, exclusiveMinimum, maximum }: Schema): number => Math.min(maximum ?? Infinity, Math.max(minimum ?? 1, exclusiveMinimum === undefined ? -Infinity : exclusiveMinimum + 1));

/** A value that fits, with every optional member there. */
function sampleOf(schema: Schema): unknown {
  if (schema.const !== undefined) return schema.const;
  if (schema.enum) return schema.enum[0];
  const [first] = schema.anyOf ?? [];
  if (first) return sampleOf(first);
  if (schema.allOf) return Object.assign({}, ...schema.allOf.map(sampleOf)) as unknown;
  if (schema.type === 'object' || schema.properties) {
    if (schema.propertyNames) return { [textFor({ minLength: 2, ...schema.propertyNames })]: typeof schema.additionalProperties === 'object' ? sampleOf(schema.additionalProperties) : 'a' };
    return Object.fromEntries(Object.entries(schema.properties ?? {}).map(([name, member]) => [name, sampleOf(member)]));
  }
  if (schema.prefixItems) return schema.prefixItems.map(sampleOf);
  if (schema.type === 'array') return Array.from({ length: Math.max(1, schema.minItems ?? 1) }, () => (schema.items ? sampleOf(schema.items) : 'a'));
  if (schema.type === 'boolean') return true;
  if (schema.type === 'integer' || schema.type === 'number') return numberFor(schema);
  return textFor(schema);
}

const sampled = (schema: z.ZodType | undefined): unknown => (schema ? sampleOf(z.toJSONSchema(schema, { unrepresentable: 'any', io: 'input' }) as Schema) : undefined);

export interface Sample extends PublicOperation {
  params: Record<string, string>;
  query: Record<string, string>;
  body: unknown;
}

/** One request for each public operation. */
export const samples = (): Sample[] =>
  publicOperations().map((entry) => {
    const { params, query, body, consumes } = entry.operation;
    const texts = (value: unknown) => Object.fromEntries(Object.entries((value ?? {}) as object).map(([name, each]) => [name, String(Array.isArray(each) ? each[0] : each)]));
    return { ...entry, params: texts(sampled(params)), query: texts(sampled(query)), body: consumes === 'multipart/form-data' ? undefined : sampled(body) };
  });

export type Path = readonly (string | number)[];

/** Where texts stand in a value, and names of members that are free. */
export function textsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value === 'string') return [path];
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([name, member]) => textsIn(member, [...path, Array.isArray(value) ? Number(name) : name]));
}

/** Where objects stand in a value. */
export function objectsIn(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [];
  const within = Object.entries(value).flatMap(([name, member]) => objectsIn(member, [...path, Array.isArray(value) ? Number(name) : name]));
  return Array.isArray(value) ? within : [path, ...within];
}

/** A copy with another value at one place. */
export function withAt(value: unknown, path: Path, change: (there: unknown) => unknown): unknown {
  const [name, ...rest] = path;
  if (name === undefined) return change(value);
  const copy = (Array.isArray(value) ? [...value] : { ...(value as object) }) as Record<string | number, unknown>;
  copy[name] = withAt(copy[name], rest, change);
  return copy;
}
