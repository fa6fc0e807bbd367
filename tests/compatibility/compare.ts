/**
 * Whether what was released goes on working: old clients with the new server, old events with new consumers.
 *
 * What is written by others (requests, stored events) may only become wider; what they read
 * (answers, new events) may only become richer.
 */
import type { JsonSchema, Release, ReleasedOperation } from './schemas.ts';

type Direction = 'accepts' | 'answers';
type Schema = JsonSchema | boolean | undefined;

const isObject = (schema: Schema): schema is JsonSchema => typeof schema === 'object';
const choicesOf = (schema: JsonSchema): JsonSchema[] => {
  const alternatives = schema.anyOf ?? schema.oneOf;
  const types: unknown = schema.type;
  if (Array.isArray(types)) return types.map((type) => ({ ...schema, type: type as 'string', ...(type === 'null' && { enum: undefined }) }));
  return alternatives ? (alternatives.filter((choice) => typeof choice === 'object') as JsonSchema[]).flatMap(choicesOf) : [schema];
};
const wordsOf = (schema: JsonSchema): unknown[] | undefined => schema.enum ?? (schema.const === undefined ? undefined : [schema.const]);
const typeOf = (schema: JsonSchema): string => (schema.type === 'integer' ? 'number' : String(schema.type ?? 'any'));

const lowerLimits = ['minimum', 'exclusiveMinimum', 'minLength', 'minItems'] as const;
const upperLimits = ['maximum', 'exclusiveMaximum', 'maxLength', 'maxItems'] as const;
const asNumber = (limit: unknown, otherwise: number): number => (typeof limit === 'number' ? limit : otherwise);

/** Requests: what was taken has to be taken still. */
function narrower(before: JsonSchema, now: JsonSchema, at: string): string[] {
  const found: string[] = [];
  if (before.type === 'number' && now.type === 'integer') found.push(`${at}: took fractions, takes integers only`);
  const gone = wordsOf(now) && (wordsOf(before) ?? ['any other text']).filter((word) => !wordsOf(now)?.includes(word));
  if (gone && gone.length > 0) found.push(`${at}: no longer takes ${gone.map((word) => JSON.stringify(word)).join(', ')}`);
  for (const limit of lowerLimits) if (asNumber(now[limit], Number.NEGATIVE_INFINITY) > asNumber(before[limit], Number.NEGATIVE_INFINITY)) found.push(`${at}: ${limit} rose from ${String(before[limit] ?? 'none')} to ${String(now[limit])}`);
  for (const limit of upperLimits) if (asNumber(now[limit], Number.POSITIVE_INFINITY) < asNumber(before[limit], Number.POSITIVE_INFINITY)) found.push(`${at}: ${limit} fell from ${String(before[limit] ?? 'none')} to ${String(now[limit])}`);
  for (const rule of ['pattern', 'format'] as const) if (now[rule] !== undefined && now[rule] !== before[rule]) found.push(`${at}: ${rule} changed from ${before[rule] ?? 'none'} to ${now[rule]}`);
  return found;
}

/** Members of objects, one by one. */
function comparedMembers(before: JsonSchema, now: JsonSchema, direction: Direction, at: string): string[] {
  const found: string[] = [];
  const old = before.properties ?? {};
  const current = now.properties ?? {};
  for (const [name, schema] of Object.entries(old)) {
    const place = `${at}/${name}`;
    if (name in current) found.push(...comparedSchemas(schema, current[name], direction, place));
    else if (direction === 'answers') found.push(`${place}: is no longer answered`);
    else if (now.additionalProperties === false) found.push(`${place}: is no longer taken`);
  }
  const required = new Set(now.required ?? []);
  if (direction === 'accepts') for (const name of required) if (!before.required?.includes(name)) found.push(`${at}/${name}: is needed now; old clients do not send it`);
  if (direction === 'answers') for (const name of before.required ?? []) if (name in current && !required.has(name)) found.push(`${at}/${name}: was always answered, may be missing now`);
  if (direction === 'accepts' && now.additionalProperties === false && before.additionalProperties !== false) found.push(`${at}: refuses members that it does not know, which it took before`);
  if (isObject(before.additionalProperties as Schema) && isObject(now.additionalProperties as Schema)) found.push(...comparedSchemas(before.additionalProperties as Schema, now.additionalProperties as Schema, direction, `${at}/*`));
  return found;
}

function comparedOne(before: JsonSchema, now: JsonSchema, direction: Direction, at: string): string[] {
  const found = direction === 'accepts' ? narrower(before, now, at) : [];
  if (before.type === 'object' || before.properties) found.push(...comparedMembers(before, now, direction, at));
  if (isObject(before.items as Schema) && isObject(now.items as Schema)) found.push(...comparedSchemas(before.items as Schema, now.items as Schema, direction, `${at}/[]`));
  return found;
}

/** @returns a line for each way in which `now` breaks what `before` promised */
export function comparedSchemas(before: Schema, now: Schema, direction: Direction, at: string): string[] {
  if (!isObject(before) || !isObject(now) || (Object.keys(now).length === 0 && direction === 'accepts')) return [];
  const [old, current] = [choicesOf(before), choicesOf(now)];
  // Readers met the old choices only; writers may write each of them still.
  const [each, among] = direction === 'accepts' ? [old, current] : [current, old];
  return each.flatMap((choice) => {
    const alike = among.filter((other) => typeOf(other) === typeOf(choice) || typeOf(other) === 'any');
    if (alike.length === 0) return [`${at}: ${direction === 'accepts' ? `no longer takes ${typeOf(choice)}` : `answers ${typeOf(choice)} now`}`];
    const differences = alike.map((other) => (direction === 'accepts' ? comparedOne(choice, other, direction, at) : comparedOne(other, choice, direction, at)));
    return differences.find((lines) => lines.length === 0) ?? differences[0] ?? [];
  });
}

function comparedOperation(before: ReleasedOperation, now: ReleasedOperation, name: string): string[] {
  const found: string[] = [];
  for (const member of ['method', 'path', 'status'] as const) if (before[member] !== now[member]) found.push(`${name}: ${member} was ${before[member]}, is ${now[member]}`);
  if (before.public && !now.public) found.push(`${name}: was public`);
  if (!before.idempotent && now.idempotent) found.push(`${name}: needs an Idempotency-Key now`);
  for (const part of ['params', 'query', 'body'] as const) {
    if (!before[part] && now[part]?.required?.length) found.push(`${name} ${part}: is needed now`);
    found.push(...comparedSchemas(before[part], now[part], 'accepts', `${name} ${part}`));
  }
  if (before.response && !now.response) found.push(`${name}: answers nothing now`);
  return [...found, ...comparedSchemas(before.response, now.response, 'answers', `${name} response`)];
}

/**
 * @param withdrawn operations that are gone on purpose, with the reason
 * @returns a line for each promise of the release that the present contracts break, and for each withdrawal that withdraws nothing
 */
export function brokenPromises(released: Release, current: Release, withdrawn: Readonly<Record<string, string>> = {}): string[] {
  const operations = Object.entries(released.operations).flatMap(([name, before]) => {
    const now = current.operations[name];
    if (name in withdrawn) return now ? [`${name}: is said to be withdrawn, but is there`] : [];
    return now ? comparedOperation(before, now, name) : [`${name}: is gone`];
  });
  operations.push(...Object.keys(withdrawn).filter((name) => !(name in released.operations)).map((name) => `${name}: is said to be withdrawn, but was never released`));
  const events = Object.entries(released.events).flatMap(([name, before]) => {
    const now = current.events[name];
    if (!now) return [`event ${name}: is gone; events of this version may still lie in the log`];
    return [...comparedSchemas(before.data, now.taken ?? now.data, 'accepts', `event ${name}`), ...comparedSchemas(before.data, now.data, 'answers', `event ${name}`)];
  });
  return [...operations, ...events];
}
