/** What every adapter refuses. */
const maximumKeyBytes = 1024;
const maximumValueBytes = 350_000;
const tableName = /^[a-z0-9-]{1,64}$/;

/** @throws RangeError */
export function checkedTableName(name: string): string {
  if (!tableName.test(name)) throw new RangeError(`a table's name has lower case letters, digits and dashes, not ${JSON.stringify(name)}`);
  return name;
}

/** @throws RangeError */
export function checkedKey(key: string): string {
  if (key === '' || !key.isWellFormed()) throw new RangeError('a key must be text and not empty');
  if (Buffer.byteLength(key) > maximumKeyBytes) throw new RangeError(`a key has at most ${maximumKeyBytes} bytes; this one begins with ${key.slice(0, 40)}`);
  return key;
}

/** @throws TypeError for what is not JSON, RangeError for what is too long */
export function jsonOf(value: unknown): string {
  const json = JSON.stringify(value) as string | undefined;
  if (json === undefined) throw new TypeError('a value that is stored must be JSON');
  if (Buffer.byteLength(json) > maximumValueBytes) throw new RangeError(`a value has at most ${maximumValueBytes} bytes as JSON`);
  return json;
}

/** @throws RangeError */
export function checkedTime(expiresAtMs: number | undefined): number | undefined {
  if (expiresAtMs !== undefined && !Number.isFinite(expiresAtMs)) throw new RangeError(`expiresAtMs must be a time, not ${expiresAtMs}`);
  return expiresAtMs;
}

/** @throws RangeError */
export function checkedLimit(limit = 1000): number {
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a whole number above 0, not ${limit}`);
  return limit;
}
