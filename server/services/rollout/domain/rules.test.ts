import { createHash } from 'node:crypto';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Thresholds } from '../contract.ts';
import { judgeDeliveries, judgeHealth, type VehicleHealth } from './gate.ts';
import { next, rolloutLifeCycle } from './life-cycle.ts';
import { assignStages } from './stages.ts';

const thresholds = Thresholds.parse({});
const vehicles = (count: number, health: Partial<VehicleHealth> = {}): VehicleHealth[] => Array.from({ length: count }, () => ({ records: 5, boots: 0, ...health }));
const lotOf = (seed: string) => (vehicleId: string) => createHash('sha256').update(`${seed}/${vehicleId}`).digest('hex');

test('ROLLOUT-04: each stage has its share of the fleet and holds those before it, whatever the order in which vehicles are listed', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 400 }), fc.uniqueArray(fc.integer({ min: 1, max: 100 }), { minLength: 1, maxLength: 5 }), fc.string(), (count, unsorted, seed) => {
      const percents = unsorted.toSorted((a, b) => a - b);
      const ids = Array.from({ length: count }, (_, index) => `v${index}`);
      const assigned = assignStages(ids, percents, lotOf(seed));
      expect(assignStages(ids.toReversed(), percents, lotOf(seed))).toEqual(assigned);
      percents.forEach((percent, stage) => {
        expect(assigned.filter((vehicle) => vehicle.stage <= stage)).toHaveLength(Math.max(1, Math.ceil((count * percent) / 100)));
        // The same lots with this stage as the last: the same vehicles.
        expect(assignStages(ids, percents.slice(0, stage + 1), lotOf(seed))).toEqual(assigned.filter((vehicle) => vehicle.stage <= stage));
      });
    }),
  );
});

test('ROLLOUT-04: another rollout draws other lots', () => {
  const ids = Array.from({ length: 500 }, (_, index) => `v${index}`);
  const first = (seed: string) => assignStages(ids, [2], lotOf(seed)).map(({ vehicleId }) => vehicleId);
  expect(first('a')).not.toEqual(first('b'));
});

test('ROLLOUT-06: the gate stops when more installations failed than allowed, at once, and waits for enough that succeeded', () => {
  const gate = (succeeded: number, failed: number) => judgeDeliveries({ vehicles: 100, succeeded, failed }, thresholds).gate;
  expect([gate(0, 0), gate(79, 0), gate(80, 0), gate(80, 5), gate(0, 6), gate(94, 6)]).toEqual(['waiting', 'waiting', 'passed', 'passed', 'failed', 'failed']);
});

test('ROLLOUT-07: vehicles crash when they start more often than chance and the others would', () => {
  const judge = (boots: number, others: number) => judgeHealth(vehicles(100, { boots }), vehicles(100, { boots: others }), undefined, thresholds).gate;
  expect([judge(1, 0), judge(2, 0), judge(3, 0), judge(4, 1), judge(5, 1)]).toEqual(['passed', 'passed', 'failed', 'passed', 'failed']);
  const few = [...vehicles(95), ...vehicles(5, { boots: 9 })];
  expect(judgeHealth(few, vehicles(100), undefined, thresholds).gate).toBe('passed');
  expect(judgeHealth([...few, ...vehicles(1, { boots: 9 })], vehicles(100), undefined, thresholds).gate).toBe('failed');
});

test('ROLLOUT-08: as many silent vehicles as among the others are no fault of the bundle', () => {
  const mixed = (silent: number) => [...vehicles(100 - silent), ...vehicles(silent, { records: 0 })];
  const judge = (having: number, control: number) => judgeHealth(mixed(having), mixed(control), undefined, thresholds);
  expect([judge(5, 0).gate, judge(6, 0).gate, judge(30, 26).gate, judge(30, 20).gate]).toEqual(['passed', 'failed', 'passed', 'failed']);
  expect(judge(30, 20).reasons).toEqual(['30 of 100 vehicles went silent (30%, others 20%; at most 5% more)']);
  expect(judgeHealth(mixed(30), [], { silentPercent: 28, crashingPercent: 0 }, thresholds).gate).toBe('passed');
});

test('ROLLOUT-10: when nobody is heard, or nobody has it, there is nothing to judge by', () => {
  expect(judgeHealth(vehicles(10, { records: 0 }), vehicles(10, { records: 0 }), undefined, thresholds)).toMatchObject({ gate: 'waiting', reasons: ['no telemetry of any vehicle to judge by'] });
  expect(judgeHealth([], vehicles(10), undefined, thresholds).gate).toBe('waiting');
  const hardlyAnybody = [...vehicles(4), ...vehicles(6, { records: 0 })];
  expect(judgeHealth(hardlyAnybody, hardlyAnybody, undefined, thresholds)).toMatchObject({ gate: 'waiting', reasons: ['too early to tell: 60% of the others have said nothing either'] });
  expect(judgeHealth(vehicles(10, { records: 0 }), [], undefined, thresholds).gate).toBe('waiting');
});

test('ROLLOUT-16: what is over does not begin again', () => {
  for (const state of ['rolled-back', 'cancelled'] as const) for (const event of Object.keys(rolloutLifeCycle) as (keyof typeof rolloutLifeCycle)[]) expect(next(state, event)).toBeUndefined();
  expect(next('complete', 'stopped')).toBe('rolling-back');
});
