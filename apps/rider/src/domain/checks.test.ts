import { expect, test } from 'vitest';
import type { RiderCheck } from '../api/contract';
import { exampleBooking } from '../testing/examples';
import { checkIntervalMs, checkToShow, seenAs } from './checks';

const nowMs = Date.parse('2026-11-22T12:00:00Z');
const check = (incidentId: string, answer: RiderCheck['answer']): RiderCheck => ({
  incidentId, bookingId: exampleBooking({}).id, occurredAt: '2026-11-22T11:59:50Z', askedAt: '2026-11-22T11:59:51Z', answerBy: '2026-11-22T12:00:51Z', answer,
});

test('a ride listens closely, the hour after it now and then, everything else not at all', () => {
  const ended = (endedAt: string) => exampleBooking({ state: 'charged', endedAt });
  expect(checkIntervalMs([], nowMs)).toBe(false);
  expect(checkIntervalMs([exampleBooking({})], nowMs)).toBe(false);
  expect(checkIntervalMs([ended('2026-11-22T11:00:00Z')], nowMs)).toBe(false);
  expect(checkIntervalMs([ended('2026-11-22T11:00:01Z')], nowMs)).toBe(10_000);
  expect(checkIntervalMs([exampleBooking({ state: 'paused' }), ended('2026-11-22T11:30:00Z')], nowMs)).toBe(2_000);
});

test('what waits for an answer comes first; an answer is shown until it is put away', () => {
  const [fine, open] = [check('a', 'fine'), check('b', null)];
  expect(checkToShow([fine, open], new Set())).toBe(open);
  expect(checkToShow([fine], new Set())).toBe(fine);
  expect(checkToShow([fine], new Set([seenAs(fine)]))).toBeUndefined();
  expect(checkToShow([{ ...fine, answer: 'help' }], new Set([seenAs(fine)]))).toMatchObject({ answer: 'help' });
  expect(checkToShow([open], new Set([seenAs(open)]))).toBe(open);
});
