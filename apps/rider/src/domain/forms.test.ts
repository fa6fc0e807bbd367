import { expect, test } from 'vitest';
import { checkLicence, checkNewRider, isDay, normaliseDay } from './forms';

const rider = { name: 'Maya', email: 'maya@example.com', password: 'long enough', birthDate: '1994-05-23' };

test('a complete form has nothing to complain about', () => {
  expect(checkNewRider(rider)).toEqual({});
  expect(checkNewRider({ ...rider, birthDate: '23.5.1994' })).toEqual({});
});

test('each field says what it needs', () => {
  expect(checkNewRider({ name: ' ', email: 'maya', password: 'short', birthDate: '1994-02-30' })).toEqual({ name: 'form.required', email: 'form.email', password: 'form.password', birthDate: 'form.date' });
  expect(checkLicence({ number: '1', country: 'Germany', expiresOn: 'soon' })).toEqual({ number: 'form.licenceNumber', country: 'form.country', expiresOn: 'form.date' });
});

test('only days that exist are days', () => {
  expect(isDay('2024-02-29')).toBe(true);
  expect(isDay('2023-02-29')).toBe(false);
  expect(normaliseDay(' 3/4/2001 ')).toBe('2001-04-03');
  expect(normaliseDay('1994-5-3')).toBe('1994-05-03');
  expect(normaliseDay('May 1994')).toBe('May 1994');
});
