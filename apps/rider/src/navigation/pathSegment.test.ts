import { expect, test } from 'vitest';
import { pathSegment } from './pathSegment';

test('ids with reserved characters come out of a path as they went in', () => {
  const id = 'YGA:Vehicle:1322175';
  expect(pathSegment(encodeURIComponent(id))).toBe(id);
  expect(pathSegment(id)).toBe(id);
});

test('a segment that is not well-formed names itself', () => {
  expect(pathSegment('100%')).toBe('100%');
});
