/** What every adapter refuses. */
const keySegment = /^[A-Za-z0-9_=+@,-][A-Za-z0-9._=+@,-]{0,199}$/;
const maximumKeyLength = 900;

/** @throws RangeError for a key that is not a name inside the store */
export function checkedKey(key: string): string {
  if (key.length <= maximumKeyLength && key.split('/').every((segment) => keySegment.test(segment))) return key;
  throw new RangeError(`not a key of an object: ${JSON.stringify(key.slice(0, 100))}; segments of letters, digits and ._=+@,- between single slashes, none begins with a dot`);
}

/** @throws RangeError */
export function checkedContentType(contentType: string): string {
  if (contentType === '') throw new RangeError('an object needs a content type');
  return contentType;
}

/** @throws RangeError */
export function checkedLimit(limit = 1000): number {
  if (!Number.isInteger(limit) || limit < 1) throw new RangeError(`limit must be a whole number above 0, not ${limit}`);
  return limit;
}

export const isRange = ({ first, last }: { first: number; last: number }): boolean => Number.isInteger(first) && Number.isInteger(last) && first >= 0 && last >= first;

export const notInObject = (key: string, { first, last }: { first: number; last: number }): RangeError => new RangeError(`bytes ${first} to ${last} are not in the object ${key}`);
