import { createHash } from 'node:crypto';

/** JSON with sorted keys, so that equal values have equal text. */
function canonical(value: unknown): string {
  if (Array.isArray(value)) return `[${value.map(canonical).join(',')}]`;
  if (value !== null && typeof value === 'object') {
    const members = Object.entries(value).filter(([, member]) => member !== undefined).sort(([a], [b]) => (a < b ? -1 : 1));
    return `{${members.map(([name, member]) => `${JSON.stringify(name)}:${canonical(member)}`).join(',')}}`;
  }
  return JSON.stringify(value) ?? 'null';
}

/**
 * What is stored beside an Idempotency-Key, to tell a repeated request from another one with the same key.
 * @param request the validated parts that make the request what it is
 */
export const requestHash = (request: unknown): string => createHash('sha256').update(canonical(request)).digest('base64url');
