import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { ReportedState } from '../contract.ts';
import { applyReport, clockToleranceMs, type LiveState, type LockFact } from './reports.ts';

const arrivedAtMs = Date.parse('2026-11-22T10:00:00Z');
const home = { lat: 50.1, lon: 8.6 };
const report = (sequence: number, change: Partial<ReportedState> = {}): ReportedState => ({
  vehicleId: 'v', sequence, reportedAt: new Date(arrivedAtMs).toISOString(), position: home, speedMetresPerSecond: 0, odometerMetres: 0, batteryPercent: 80, locked: true, pluggedIn: false, disabled: false, bookingId: null, commandResults: [], ...change,
});

function applyAll(reports: readonly ReportedState[], arrival = arrivedAtMs) {
  let live: LiveState | undefined;
  const facts: LockFact[] = [];
  for (const next of reports) {
    const applied = applyReport(live, next, arrival, home);
    if (!applied) continue;
    live = applied.state;
    facts.push(...applied.facts);
  }
  return { live, facts };
}

const ride = (booking: string, from: number): ReportedState[] => [report(from, { locked: false, bookingId: booking }), report(from + 1, { locked: true, bookingId: booking })];

describe('VEHICLE-07: order', () => {
  test('only a newer report changes the live state', () => {
    const { live } = applyAll([report(2, { batteryPercent: 50 }), report(1, { batteryPercent: 90 }), report(2, { batteryPercent: 40 })]);
    expect(live).toMatchObject({ sequence: 2, batteryPercent: 50 });
  });

  test('in whatever order and however often reports come, the last one counts', () => {
    const reports = [report(1), ...ride('a', 2), ...ride('b', 4), report(6, { batteryPercent: 12, bookingId: 'b' })];
    fc.assert(
      fc.property(fc.shuffledSubarray([...reports, ...reports], { minLength: 2 * reports.length }), (shuffled) => {
        expect(applyAll(shuffled).live).toMatchObject({ sequence: 6, batteryPercent: 12, locked: true, bookingId: 'b' });
      }),
    );
  });

  test('in order, duplicates change nothing', () => {
    const reports = [report(1), ...ride('a', 2), ...ride('b', 4)];
    const twice = reports.flatMap((entry) => [entry, entry]);
    expect(applyAll(twice)).toEqual(applyAll(reports));
  });
});

describe('VEHICLE-08: what was unlocked and locked', () => {
  const unlocked = (bookingId: string): LockFact => ({ kind: 'unlocked', bookingId });
  const locked = (bookingId: string | null): LockFact => ({ kind: 'locked', bookingId });

  test('each opening and closing shows once', () => {
    expect(applyAll([report(1), ...ride('a', 2), ...ride('b', 4)]).facts).toEqual([unlocked('a'), locked('a'), unlocked('b'), locked('b')]);
  });

  test('a pause shows as a lock, going on as an unlock of the same booking', () => {
    const bookingId = 'a';
    expect(applyAll([report(1, { locked: false, bookingId }), report(2, { bookingId }), report(3, { locked: false, bookingId })]).facts).toEqual([unlocked('a'), locked('a'), unlocked('a')]);
  });

  test('a ride shows also when the report of its beginning came too late', () => {
    const [begin, end] = ride('a', 2);
    expect(applyAll([report(1), end ?? report(3), begin ?? report(2)]).facts).toEqual([unlocked('a'), locked('a')]);
  });

  test('a change of hands without a lock in between shows both', () => {
    expect(applyAll([report(1, { locked: false, bookingId: 'a' }), report(2, { locked: false, bookingId: 'b' })]).facts).toEqual([unlocked('a'), locked('a'), unlocked('b')]);
  });

  test('opened by hand: nothing for a booking, but the lock afterwards', () => {
    expect(applyAll([report(1, { locked: false }), report(2)]).facts).toEqual([locked(null)]);
  });

  test('of each booking unlocks and locks take turns, whatever is lost', () => {
    const everything = [...ride('a', 1), ...ride('b', 3), ...ride('c', 5), ...ride('d', 7)];
    fc.assert(
      fc.property(fc.subarray(everything), (heard) => {
        for (const booking of ['a', 'b', 'c', 'd']) {
          const kinds = applyAll(heard).facts.filter(({ bookingId }) => bookingId === booking).map(({ kind }) => kind);
          kinds.forEach((kind, index) => expect(kind).toBe(index % 2 === 0 ? 'unlocked' : 'locked'));
        }
      }),
    );
  });
});

describe('VEHICLE-09: clocks', () => {
  const at = (offsetMs: number) => report(1, { reportedAt: new Date(arrivedAtMs + offsetMs).toISOString() });

  test('a vehicle clock more than five minutes ahead is set to the arrival', () => {
    expect(applyAll([at(clockToleranceMs)]).live?.reportedAtMs).toBe(arrivedAtMs + clockToleranceMs);
    expect(applyAll([at(clockToleranceMs + 1)]).live?.reportedAtMs).toBe(arrivedAtMs);
  });

  test('a clock that falls back does not take the vehicle back in time', () => {
    const { live } = applyAll([at(-60_000), report(2, { reportedAt: '1970-01-01T00:00:00Z' })]);
    expect(live?.reportedAtMs).toBe(arrivedAtMs - 60_000);
  });
});

describe('VEHICLE-10: positions', () => {
  test('a jump that no vehicle makes keeps the old position and takes the rest', () => {
    const first = applyReport(undefined, report(1), arrivedAtMs, home);
    const next = applyReport(first?.state, report(2, { position: { lat: 51, lon: 8.6 }, batteryPercent: 70, locked: false, bookingId: 'a' }), arrivedAtMs, home);
    expect(next).toMatchObject({ positionRefused: 'jump', state: { position: home, batteryPercent: 70, locked: false } });
  });

  test('a vehicle that was silent may be far away', () => {
    const first = applyReport(undefined, report(1, { reportedAt: new Date(arrivedAtMs - 3600_000).toISOString() }), arrivedAtMs, home);
    const next = applyReport(first?.state, report(2, { position: { lat: 51, lon: 8.6 } }), arrivedAtMs, home);
    expect(next?.positionRefused).toBeUndefined();
  });

  test('a receiver without satellites says 0, 0: not believed', () => {
    expect(applyReport(undefined, report(1, { position: { lat: 0, lon: 0 } }), arrivedAtMs, home)).toMatchObject({ positionRefused: 'null-island', state: { position: home } });
  });
});
