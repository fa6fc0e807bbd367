import { expect, test } from 'vitest';
import { bookingStep, isOpen, refreshIntervalMs } from './booking';
import { liveCostMinor } from './liveCost';
import { exampleBooking, exampleTariff } from '../testing/examples';

const noon = Date.parse('2026-11-22T12:00:00Z');

test('each state has its step', () => {
  const step = (more: Parameters<typeof exampleBooking>[0]): string => bookingStep(exampleBooking(more), noon);
  expect(step({ state: 'reserved', payment: { state: 'pending' } })).toBe('authorising');
  expect(step({ state: 'reserved', payment: { state: 'action-required' } })).toBe('confirm-payment');
  expect(step({ state: 'confirmed' })).toBe('ready');
  expect(step({ state: 'confirmed', fixedTime: true, startsAt: '2026-11-22T13:00:00Z' })).toBe('waiting');
  expect(step({ state: 'riding' })).toBe('riding');
  expect(step({ state: 'paused' })).toBe('paused');
  expect(step({ state: 'ended' })).toBe('settling');
  expect(step({ state: 'charged' })).toBe('done');
  for (const state of ['cancelled', 'expired', 'failed'] as const) expect(step({ state })).toBe('closed');
});

test('a booking that needs its rider is asked for until it is over', () => {
  expect(isOpen(exampleBooking({ state: 'paused' }))).toBe(true);
  expect(isOpen(exampleBooking({ state: 'charged' }))).toBe(false);
  expect(refreshIntervalMs(exampleBooking({ state: 'riding' }))).toBeGreaterThan(0);
  expect(refreshIntervalMs(exampleBooking({ state: 'charged' }))).toBe(false);
  expect(refreshIntervalMs(undefined)).toBe(false);
});

test('the cost moves on by the tariff between two answers, and stands still while paused', () => {
  const riding = exampleBooking({ state: 'riding', startedAt: '2026-11-22T11:58:30Z', multiplier: 2 });
  expect(liveCostMinor(riding, exampleTariff, noon, noon)).toBe(riding.price.totalMinor);
  expect(liveCostMinor(riding, exampleTariff, noon, noon + 45_000)).toBe(riding.price.totalMinor + 2 * 25);
  expect(liveCostMinor(riding, undefined, noon, noon + 45_000)).toBe(riding.price.totalMinor);
  expect(liveCostMinor({ ...riding, state: 'paused' }, exampleTariff, noon, noon + 45_000)).toBe(riding.price.totalMinor);
});
