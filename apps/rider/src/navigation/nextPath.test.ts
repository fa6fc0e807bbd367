import { expect, test } from 'vitest';
import { nextPath } from './nextPath';

test('only paths of this app are followed', () => {
  expect(nextPath('next=%2Fvehicles%2Fv1')).toBe('/vehicles/v1');
  for (const search of ['', 'next=https://evil.example', 'next=//evil.example', 'next=/%5Cevil.example']) expect(nextPath(search)).toBeUndefined();
});
