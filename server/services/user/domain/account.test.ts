import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ageInYears, bookingIsOpenAfter, erasureRefusal, registrationRefusal } from './account.ts';
import { attemptLimits } from './attempts.ts';
import { licenceExpired, numberEnding } from './licence.ts';

test('USER-01: the 18th birthday is the first day on which an account can be opened', () => {
  expect(registrationRefusal('2008-11-23', '2026-11-22')).toBe('too-young');
  expect(registrationRefusal('2008-11-22', '2026-11-22')).toBeUndefined();
  expect(registrationRefusal('2008-02-29', '2026-02-28')).toBe('too-young');
  expect(registrationRefusal('2008-02-29', '2026-03-01')).toBeUndefined();
});

test('USER-01: a birth date in the future or 126 years ago cannot be right', () => {
  expect(registrationRefusal('2026-11-23', '2026-11-22')).toBe('birth-date-implausible');
  expect(registrationRefusal('1900-11-22', '2026-11-22')).toBe('birth-date-implausible');
});

test('USER-01: age grows by one on each birthday and on no other day', () => {
  const day = fc.date({ min: new Date('1930-01-01'), max: new Date('2030-12-30'), noInvalidDate: true });
  fc.assert(fc.property(day, day, (birth, today) => {
    const text = (date: Date) => date.toISOString().slice(0, 10);
    const next = new Date(today.getTime() + 86_400_000);
    const grown = ageInYears(text(birth), text(next)) - ageInYears(text(birth), text(today));
    const isBirthday = text(next).slice(5) === text(birth).slice(5);
    const leapDayPassed = text(birth).slice(5) === '02-29' && text(next).slice(5) === '03-01' && text(today).slice(5) === '02-28';
    expect(grown).toBe(isBirthday || leapDayPassed ? 1 : 0);
  }));
});

test('USER-14: an open booking is named before a debt', () => {
  expect(erasureRefusal({ openBookings: 1, debts: 1 })).toBe('rider-has-open-booking');
  expect(erasureRefusal({ openBookings: 0, debts: 1 })).toBe('debt-outstanding');
  expect(erasureRefusal({ openBookings: 0, debts: 0 })).toBeUndefined();
});

test('USER-14: a booking is open until it is charged, cancelled, expired or failed', () => {
  for (const state of ['reserved', 'confirmed', 'riding', 'paused', 'ended']) expect(bookingIsOpenAfter(`bookings.${state}`)).toBe(true);
  for (const state of ['charged', 'cancelled', 'expired', 'failed']) expect(bookingIsOpenAfter(`bookings.${state}`)).toBe(false);
  expect(bookingIsOpenAfter('bookings.rated')).toBeUndefined();
});

test('USER-06: attempts are counted for the account, the address, and both together most strictly', () => {
  const limits = attemptLimits('digest', '203.0.113.7');
  expect(limits.map(({ maximum }) => maximum).toSorted((a, b) => a - b)).toEqual([6, 30, 60]);
  expect(attemptLimits('digest', undefined)).toHaveLength(1);
});

test('USER-09: the ending of a licence number is its last three characters without spaces', () => {
  expect(numberEnding('B072 RRE 2I5 5 ')).toBe('I55');
});

test('USER-10: a licence is valid through its last day', () => {
  expect(licenceExpired('2026-11-22', '2026-11-22')).toBe(false);
  expect(licenceExpired('2026-11-21', '2026-11-22')).toBe(true);
});
