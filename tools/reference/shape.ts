/** A Zod schema in one line that a person can read: `{ id: uuid, minutes?: integer 1…720 }`. */
import { z } from 'zod';

type Schema = z.core.JSONSchema.BaseSchema;

type Limit = number | boolean | undefined;

const limits = (low: Limit, high: Limit): string => {
  // JSON Schema writes down the range of safe integers; nobody wants to read it.
  const shown = (limit: Limit): string => (typeof limit !== 'number' || Math.abs(limit) === Number.MAX_SAFE_INTEGER ? '' : String(limit));
  return shown(low) || shown(high) ? ` ${shown(low)}…${shown(high)}` : '';
};

const isSchema = (value: unknown): value is Schema => typeof value === 'object' && value !== null;

function objectShape(schema: Schema): string {
  const required = new Set(schema.required ?? []);
  const members = Object.entries(schema.properties ?? {}).map(([name, member]) => `${name}${required.has(name) ? '' : '?'}: ${shapeOf(member)}`);
  if (isSchema(schema.additionalProperties) && Object.keys(schema.additionalProperties).length > 0) members.push(`[name]: ${shapeOf(schema.additionalProperties)}`);
  return members.length > 0 ? `{ ${members.join(', ')} }` : 'object';
}

function arrayShape(schema: Schema): string {
  const tuple = schema.prefixItems;
  if (tuple) return `[${tuple.map(shapeOf).join(', ')}]`;
  const item = isSchema(schema.items) && !Array.isArray(schema.items) ? shapeOf(schema.items) : 'anything';
  return `[${item}]${limits(schema.minItems, schema.maxItems)}`;
}

function shapeOf(schema: Schema | boolean): string {
  if (typeof schema === 'boolean') return schema ? 'anything' : 'nothing';
  const types: unknown = schema.type;
  if (Array.isArray(types)) return types.map((type) => (type === 'null' ? 'null' : shapeOf({ ...schema, type: type as 'string', enum: schema.enum?.filter((value) => value !== null) }))).join(' or ');
  if (schema.const !== undefined) return JSON.stringify(schema.const);
  if (schema.enum) return schema.enum.map((value) => JSON.stringify(value)).join(' or ');
  const choices = schema.anyOf ?? schema.oneOf;
  if (choices) return choices.map(shapeOf).join(' or ');
  if (schema.allOf) return schema.allOf.map(shapeOf).join(' and ');
  if (schema.type === 'object') return objectShape(schema);
  if (schema.type === 'array') return arrayShape(schema);
  if (schema.type === 'string') return `${schema.format ?? 'string'}${schema.format ? '' : limits(schema.minLength, schema.maxLength)}`;
  if (schema.type === 'number' || schema.type === 'integer') return `${schema.type}${limits(schema.minimum ?? schema.exclusiveMinimum, schema.maximum ?? schema.exclusiveMaximum)}`;
  return typeof schema.type === 'string' ? schema.type : 'anything';
}

/** @param side what callers write (`input`) or what readers get (`output`) */
export const shape = (schema: z.ZodType | undefined, side: 'input' | 'output'): string =>
  schema ? shapeOf(z.toJSONSchema(schema, { io: side, unrepresentable: 'any', reused: 'inline' })) : '–';
