import fc from 'fast-check';
import { expect, test } from 'vitest';
import { chargeStep, metresBetween, rideStep } from './physics.ts';

const place = fc.record({ lat: fc.double({ min: 50, max: 50.05, noNaN: true }), lon: fc.double({ min: 8.6, max: 8.65, noNaN: true }) });

test('SIMULATOR-13: however time is cut, a ride arrives, never backwards, and the battery pays for each metre', () => {
  fc.assert(
    fc.property(place, place, fc.array(fc.double({ min: 0.1, max: 10, noNaN: true }), { minLength: 1, maxLength: 20 }), (from, to, steps) => {
      const options = { speedMetresPerSecond: 8, rangeMetres: 100_000 };
      let motion = { position: from, odometerMetres: 0, batteryPercent: 100, speedMetresPerSecond: 0 };
      let arrived = false;
      for (let step = 0; !arrived && step < 100_000; step++) {
        const next = rideStep(motion, to, { ...options, seconds: steps[step % steps.length] ?? 1 });
        expect(next.odometerMetres).toBeGreaterThanOrEqual(motion.odometerMetres);
        expect(metresBetween(next.position, to)).toBeLessThanOrEqual(metresBetween(motion.position, to) + 1e-6);
        ({ arrived } = next);
        motion = next;
      }
      expect(motion.position).toEqual(to);
      expect(motion.odometerMetres).toBeCloseTo(metresBetween(from, to), -1);
      expect(motion.batteryPercent).toBeCloseTo(100 - motion.odometerMetres / 1000, 3);
      expect(motion.speedMetresPerSecond).toBe(0);
    }),
    { numRuns: 50 },
  );
});

test('SIMULATOR-13: an empty battery stands still, and no battery holds more than all', () => {
  const motion = { position: { lat: 50, lon: 8.6 }, odometerMetres: 0, batteryPercent: 0.001, speedMetresPerSecond: 5 };
  const stopped = rideStep(motion, { lat: 50.1, lon: 8.6 }, { seconds: 3600, speedMetresPerSecond: 5, rangeMetres: 10_000 });
  expect(stopped).toMatchObject({ batteryPercent: 0, speedMetresPerSecond: 0, arrived: false });
  expect(stopped.odometerMetres).toBeCloseTo(0.1);
  expect(chargeStep(99.9, 'car', 3600)).toBe(100);
});
