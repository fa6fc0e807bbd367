import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { collision } from '../testing/world.ts';
import { belongTogether, type GraveAlert, isGrave, isToAsk, isToDisable, mergeWithinMs, occurredAtMs, rodeAt, severityOf, silenceMeansHelp, windowAround, windowIsFull, worse } from './rules.ts';

const atMs = Date.parse('2026-11-22T10:00:00Z');
const bookingId = '0198c5a0-0000-7000-8000-000000000001';
const crash = (change: Partial<GraveAlert> = {}) => ({ ...collision({ bookingId }), kind: 'collision', ...change }) as GraveAlert;
const tampered = (tamper: GraveAlert['tamper'], confidence = 1) => crash({ kind: 'tamper', tamper, confidence, bookingId: null });

describe('INCIDENT-02: severity', () => {
  test.each([
    [11, 0, 'critical'], [10, 0, 'critical'], [9.9, 5, 'high'], [6, 6, 'critical'], [6, 0, 'high'], [4, 4, 'high'], [4, 3.9, 'medium'], [3.9, 6, 'medium'], [3.9, 5.9, 'low'], [0, 0, 'low'],
  ] as const)('%d g at %d m/s is %s', (peakG, speedMetresPerSecond, severity) => {
    expect(severityOf(crash({ peakG, speedMetresPerSecond }))).toBe(severity);
  });

  test('a step less when the vehicle is unsure, and when nobody rides', () => {
    expect(severityOf(crash({ peakG: 11, confidence: 0.69 }))).toBe('high');
    expect(severityOf(crash({ peakG: 11, bookingId: null }))).toBe('high');
    expect(severityOf(crash({ peakG: 11, bookingId: null, confidence: 0.1 }))).toBe('medium');
    expect(severityOf(crash({ peakG: undefined, speedMetresPerSecond: 0, bookingId: null, confidence: 0 }))).toBe('low');
  });

  test('taking away and opening is worse than tilting', () => {
    expect(severityOf(tampered('battery-removed'))).toBe('medium');
    expect(severityOf(tampered('moved-while-locked', 0.5))).toBe('low');
    expect(severityOf(tampered('tilted'))).toBe('low');
  });

  test('a harder impact is never less severe', () => {
    const anything = fc.record({ peakG: fc.double({ min: 0, max: 40, noNaN: true }), speedMetresPerSecond: fc.double({ min: 0, max: 60, noNaN: true }) });
    fc.assert(fc.property(anything, fc.double({ min: 0, max: 10, noNaN: true }), (impact, more) => {
      const less = severityOf(crash(impact));
      expect(worse(less, severityOf(crash({ ...impact, peakG: impact.peakG + more })))).toBe(severityOf(crash({ ...impact, peakG: impact.peakG + more })));
    }));
  });
});

test('INCIDENT-12: a clock that runs ahead or has begun in 1970 is not believed; a day late is', () => {
  const hourMs = 3600_000;
  expect(occurredAtMs(atMs, atMs)).toBe(atMs);
  expect(occurredAtMs(atMs - 24 * hourMs, atMs)).toBe(atMs - 24 * hourMs);
  expect(occurredAtMs(0, atMs)).toBe(atMs);
  expect(occurredAtMs(atMs + 365 * 24 * hourMs, atMs)).toBe(atMs);
  expect(occurredAtMs(atMs + 60_000, atMs)).toBe(atMs + 60_000);
});

test('INCIDENT-03: asked is about a collision with a booking, within ten minutes; disabled within an hour', () => {
  const incident = { kind: 'collision', severity: 'high', bookingId, occurredAtMs: atMs } as const;
  expect(isToAsk(incident, atMs + 600_000)).toBe(true);
  expect(isToAsk(incident, atMs + 600_001)).toBe(false);
  expect(isToAsk({ ...incident, bookingId: null }, atMs)).toBe(false);
  expect(isToAsk({ ...incident, kind: 'tamper' }, atMs)).toBe(false);
  expect(isToDisable(incident, atMs + 3600_000)).toBe(true);
  expect(isToDisable(incident, atMs + 3600_001)).toBe(false);
  expect(isToDisable({ ...incident, severity: 'medium' }, atMs)).toBe(false);
});

test('INCIDENT-03: who rode at the moment, a minute around it', () => {
  const ride = { startedAt: new Date(atMs).toISOString(), endedAt: new Date(atMs + 600_000).toISOString() };
  expect([atMs - 60_001, atMs - 60_000, atMs + 660_000, atMs + 660_001].map((moment) => rodeAt(ride, moment))).toEqual([false, true, true, false]);
  expect(rodeAt({ startedAt: null, endedAt: null }, atMs)).toBe(false);
  expect(rodeAt({ ...ride, endedAt: null }, atMs + 9e9)).toBe(true);
});

test('INCIDENT-04: silence after a bump means nothing', () => {
  expect((['low', 'medium', 'high', 'critical'] as const).map(silenceMeansHelp)).toEqual([false, true, true, true]);
});

test('INCIDENT-01: five minutes belong together, whichever came first', () => {
  expect(belongTogether(atMs, atMs + mergeWithinMs)).toBe(true);
  expect(belongTogether(atMs + mergeWithinMs, atMs)).toBe(true);
  expect(belongTogether(atMs, atMs + mergeWithinMs + 1)).toBe(false);
});

test('INCIDENT-13: a geofence or a low battery is no incident', () => {
  expect((['collision', 'tamper', 'geofence-entered', 'geofence-left', 'battery-low'] as const).filter((kind) => isGrave(collision({ kind })))).toEqual(['collision', 'tamper']);
});

test('INCIDENT-07: fifteen seconds to each side, and full when the end of it was heard', () => {
  expect(windowAround(atMs)).toEqual({ from: '2026-11-22T09:59:45.000Z', to: '2026-11-22T10:00:15.000Z' });
  const heard = (afterMs: number) => [{ at: new Date(atMs + afterMs).toISOString() }];
  expect([heard(0), heard(8_000), heard(10_000)].map((items) => windowIsFull(items, atMs))).toEqual([false, false, true]);
});
