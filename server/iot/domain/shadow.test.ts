import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { changed, deltaOf, isDeeperThan, type Json, type JsonObject, merged, metadataOf, stamped } from './shadow.ts';

const key = fc.constantFrom('a', 'b', 'c', 'd');
const { value } = fc.letrec<{ value: Json }>((tie) => ({
  value: fc.oneof({ maxDepth: 3 }, fc.integer(), fc.boolean(), fc.string({ maxLength: 3 }), fc.array(fc.integer(), { maxLength: 3 }) as fc.Arbitrary<Json>, fc.dictionary(key, tie('value'), { maxKeys: 3 }) as fc.Arbitrary<Json>),
}));
const state = fc.dictionary(key, value, { maxKeys: 4 }) as fc.Arbitrary<JsonObject>;
const withNulls = fc.dictionary(key, fc.oneof(value, fc.constant(null)), { maxKeys: 4 }) as fc.Arbitrary<JsonObject>;

function leaves(document: Json, path = ''): string[] {
  if (typeof document !== 'object' || document === null) return [path];
  return Object.entries(document).flatMap(([name, member]) => leaves(member as Json, `${path}/${name}`));
}

describe('IOT-51: merging', () => {
  test('the same change twice is that change', () => {
    fc.assert(fc.property(state, withNulls, (before, change) => {
      const once = merged(before, change);
      expect(merged(once, change)).toEqual(once);
    }));
  });

  test('members that the change does not name stay as they were, null removes, arrays are replaced', () => {
    expect(merged({ a: { x: 1, y: [1, 2] }, b: 1 }, { a: { y: [3] }, b: null, c: { z: null } })).toEqual({ a: { x: 1, y: [3] }, c: {} });
    expect(merged({ a: 1 }, JSON.parse('{"__proto__":{"polluted":true}}') as JsonObject)).toEqual({ a: 1 });
    expect(Object.hasOwn(Object.prototype, 'polluted')).toBe(false);
  });

  test('every leaf has its own moment, and only what was set gets a new one', () => {
    const first = stamped({}, {}, { a: 1, b: { c: [1, 2] } }, 10);
    expect(first).toEqual({ a: { timestamp: 10 }, b: { c: [{ timestamp: 10 }, { timestamp: 10 }] } });
    expect(stamped(first, { a: 1, b: { c: [1, 2] } }, { b: { d: 'x' } }, 20)).toEqual({ a: { timestamp: 10 }, b: { c: [{ timestamp: 10 }, { timestamp: 10 }], d: { timestamp: 20 } } });
    fc.assert(fc.property(state, (change) => {
      const metadata = stamped({}, {}, change, 5);
      expect(leaves(metadata as Json).map((path) => path.replace(/\/timestamp$/, '')).filter((path) => path !== '').toSorted()).toEqual(leaves(merged({}, change)).filter((path) => path !== '').toSorted());
    }));
  });
});

describe('IOT-53: what differs', () => {
  test('nothing, exactly when all that is wanted is reported', () => {
    fc.assert(fc.property(state, state, (desired, reported) => {
      const delta = deltaOf(desired, reported);
      const met = delta === undefined;
      expect(met).toBe(deltaOf(desired, merged(reported, delta ?? {})) === undefined && met);
      expect(deltaOf(desired, desired)).toBeUndefined();
    }));
  });

  test('whoever applies it has what was wanted', () => {
    fc.assert(fc.property(state, state, (desired, reported) => {
      const after = merged(reported, deltaOf(desired, reported) ?? {});
      // Objects are merged, so a wanted empty object may keep what is in it.
      expect(deltaOf(desired, after)).toBeUndefined();
    }));
  });

  test('its metadata is that of the wanted members', () => {
    expect(metadataOf({ b: { c: 1 } }, { a: { timestamp: 1 }, b: { c: { timestamp: 2 }, d: { timestamp: 3 } } })).toEqual({ b: { c: { timestamp: 2 } } });
  });
});

test('IOT-52: the version counts up with every change, past a deletion too', () => {
  const first = changed(undefined, 0, { desired: { a: 1 } }, 1);
  const second = changed(first, 1, { reported: { a: 1 } }, 2);
  expect(second).toEqual({ state: { desired: { a: 1 }, reported: { a: 1 } }, metadata: { desired: { a: { timestamp: 1 } }, reported: { a: { timestamp: 2 } } }, version: 2, timestamp: 2 });
  expect(changed(undefined, 2, { reported: {} }, 3)).toEqual({ state: {}, metadata: {}, version: 3, timestamp: 3 });
  expect(changed(second, 2, { desired: null }, 3).state).toEqual({ reported: { a: 1 } });
});

test('IOT-54: levels are counted through objects and arrays', () => {
  const document: Json = { a: [1, { b: 1 }] };
  expect([isDeeperThan(0, 1), isDeeperThan(0, {}), isDeeperThan(1, {}), isDeeperThan(2, document), isDeeperThan(3, document)]).toEqual([false, true, false, true, false]);
  let bottomless: Json = 1;
  for (let level = 0; level < 5000; level++) bottomless = [bottomless];
  expect(isDeeperThan(8, bottomless)).toBe(true);
});
