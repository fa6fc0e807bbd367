import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { BookingState } from '../contract.ts';
import { bookingLifeCycle, type BookingEvent, holdingStates, next } from './life-cycle.ts';

const events = Object.keys(bookingLifeCycle) as BookingEvent[];

describe('the life of a booking', () => {
  test('BOOKING-08: a cancelled, expired or failed booking cannot be unlocked, nor anything else', () => {
    for (const state of ['cancelled', 'expired', 'failed', 'charged'] as const) {
      for (const event of events) expect(next(state, event)).toBeUndefined();
    }
  });

  test('BOOKING-07: every state but the first is reached by an event', () => {
    const reached = new Set<string>(events.map((event) => bookingLifeCycle[event].to));
    expect(BookingState.options.filter((state) => !reached.has(state))).toEqual(['reserved']);
  });

  test('BOOKING-03: the states that hold a vehicle are those of the exclusion constraint', () => {
    const migration = readFileSync(new URL('../migrations/001_bookings.sql', import.meta.url), 'utf8');
    const [, states = ''] = /exclude using gist .+\n\s+where \(state in \((.+)\)\)/.exec(migration) ?? [];
    expect(states.split(', ').map((state) => state.slice(1, -1))).toEqual(holdingStates);
  });
});
