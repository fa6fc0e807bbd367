import { afterAll, beforeAll, expect, test } from 'vitest';
import { firmwareArchive, startWorld } from './testing/world.ts';

let world: Awaited<ReturnType<typeof startWorld>>;
beforeAll(async () => {
  world = await startWorld(300);
});
afterAll(() => world?.dispose());

const versionsOf = () => [...new Set(world.fleet.vehicles.map(({ version }) => version))];

test.each([
  ['ROLLOUT-06', 'fails to come up', 'crashes-at-once', /of 3 installations failed/],
  ['ROLLOUT-07', 'installs and then crashes again and again', 'crashes-later', /3 of 3 vehicles restart again and again/],
  ['ROLLOUT-08', 'installs, reports success and goes silent', 'goes-silent', /3 of 3 vehicles went silent/],
])('%s: firmware that %s is stopped at 1%%, and every vehicle undoes it', async (_rule, _what, behaviour, reason) => {
  const rollout = await world.create(await world.firmware(behaviour));
  expect(rollout.stages.map(({ vehicles }) => vehicles)).toEqual([3, 27, 120, 150]);
  const over = await world.until(rollout.id, ({ state }) => state === 'rolled-back');
  expect(over.reason).toMatch(reason);
  expect(over.stages.map(({ gate }) => gate)).toEqual(['failed', 'not-reached', 'not-reached', 'not-reached']);
  expect(over.stages.slice(1).map(({ queued, inProgress, succeeded, failed }) => queued + inProgress + succeeded + failed)).toEqual([0, 0, 0]);
  expect(versionsOf()).toEqual(['1.0.0']);
  expect(world.fleet.vehicles.every(({ updater }) => updater === undefined || updater.installed().software.slot === 'a')).toBe(true);
});

test('ROLLOUT-05: good firmware reaches everybody, stage by stage; whoever was offline catches up', async () => {
  const late = world.fleet.vehicles.filter((_, index) => index % 20 === 0);
  for (const vehicle of late) vehicle.online = false;
  const bundleId = await world.firmware('healthy');
  const rollout = await world.create(bundleId, { thresholds: { minimumInstalledPercent: 50, maximumSilentPercent: 10 } });
  const complete = await world.until(rollout.id, ({ state }) => state === 'complete');
  expect(complete.stages.map(({ gate }) => gate)).toEqual(['passed', 'passed', 'passed', 'passed']);
  const installed = await world.until(rollout.id, ({ stages }) => stages.reduce((sum, { succeeded }) => sum + succeeded, 0) === 285);
  expect(installed.stages.reduce((sum, { queued }) => sum + queued, 0)).toBe(15);
  for (const vehicle of late) vehicle.online = true;
  const caughtUp = await world.until(rollout.id, ({ stages }) => stages.every(({ queued, inProgress }) => queued + inProgress === 0));
  expect(caughtUp.stages.map(({ succeeded }) => succeeded)).toEqual([3, 27, 120, 150]);
  expect(versionsOf()).toEqual([caughtUp.bundle.version]);
  expect(firmwareArchive('healthy', caughtUp.bundle.version)).toHaveLength(caughtUp.bundle.sizeBytes);
});
