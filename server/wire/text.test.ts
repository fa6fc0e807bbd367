import fc from 'fast-check';
import { expect, test } from 'vitest';
import { unusableText } from './text.ts';

test('text that PostgreSQL cannot keep is found wherever it is, and nothing else is', () => {
  expect(unusableText('a\0b')).toEqual([]);
  expect(unusableText({ a: [{ b: 'x' }, { b: '\ud800' }] })).toEqual(['a', '1', 'b']);
  expect(unusableText({ a: { 'b\0': 1 } })).toEqual(['a', '?']);
  for (const fine of [undefined, null, 7, true, '', 'Ä😀', { a: [1, null, 'b', { c: 'd' }] }, new Uint8Array(3)]) expect(unusableText(fine)).toBeUndefined();
});

test('any JSON without such a text passes, and with one planted in it does not', () => {
  fc.assert(fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
    expect(unusableText(JSON.parse(JSON.stringify(value).replaceAll('\\u0000', '').replaceAll(/\\u[dD][89a-fA-F]../g, '')))).toBeUndefined();
    expect(unusableText({ at: [value, 'planted\0'] })).toBeDefined();
  }));
});

test('depth is the choice of whoever sends: a hundred thousand levels are looked through', () => {
  let deep: unknown = '\0';
  for (let level = 0; level < 100_000; level++) deep = [deep];
  expect(unusableText(deep)).toHaveLength(100_000);
});
