/** What never reaches a log line: secrets, and what tells who somebody is, where they are, or how they pay. */

const removed = '[removed]';

/** Members that are removed by their names, wherever they stand. */
const names = new Set([
  'authorization', 'cookie', 'password', 'passphrase', 'secret', 'token', 'accesstoken', 'refreshtoken', 'idtoken', 'cardtoken', 'apikey', 'privatekey', 'privatekeypem', 'keypem',
  'email', 'phone', 'fullname', 'firstname', 'lastname', 'displayname', 'birthdate', 'dateofbirth', 'licencenumber', 'address',
  'position', 'startposition', 'endposition', 'lat', 'lon', 'latitude', 'longitude', 'motion',
]);

/** What gives itself away in a text, such as the message of somebody else's error. */
const patterns: readonly RegExp[] = [
  /[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(?:\.[A-Za-z0-9-]+)+/g,
  // JSON Web Tokens: three parts, the first of which is JSON.
  /\beyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_-]*\.?[A-Za-z0-9_-]*/g,
  /\b(?:Bearer|Basic)\s+[A-Za-z0-9._~+/=-]+/g,
  // Cards and keys as Stripe names them, and what Adyen encrypts on the phone.
  /\b(?:pm|tok|card|sk|rk|seti|src)_[A-Za-z0-9_]{6,}/g,
  /\badyenjs_[A-Za-z0-9_$]+/g,
  // The password of an address: postgres://user:password@host.
  /(?<=:\/\/[^/\s:@]*:)[^@\s/]+(?=@)/g,
];

const deepest = 6;

export const withoutSecrets = (text: string): string => patterns.reduce((cleaned, pattern) => cleaned.replace(pattern, removed), text);

/** A copy without the members that are removed by their names. Errors are left to their own serializer. */
export function redacted(value: unknown, depth = 0): unknown {
  if (typeof value !== 'object' || value === null || value instanceof Error || value instanceof Date || ArrayBuffer.isView(value)) return value;
  if (depth === deepest) return '[…]';
  if (Array.isArray(value)) return value.map((item) => redacted(item, depth + 1));
  return Object.fromEntries(Object.entries(value).map(([name, member]) => [name, names.has(name.replaceAll(/[_-]/g, '').toLowerCase()) ? removed : redacted(member, depth + 1)]));
}

/** What of an error helps: errors of libraries carry whole requests with them. */
export function errorFields(error: unknown, depth = 0): unknown {
  if (!(error instanceof Error)) return redacted(error);
  const code: unknown = 'code' in error ? error.code : undefined;
  return {
    type: error.name, message: error.message, ...((typeof code === 'string' || typeof code === 'number') && { code }), stack: error.stack,
    ...(error.cause !== undefined && depth < deepest && { cause: errorFields(error.cause, depth + 1) }),
  };
}
