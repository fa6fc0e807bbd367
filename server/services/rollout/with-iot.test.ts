import { afterAll, beforeAll, expect, test } from 'vitest';
import { iotContract } from '../../iot/contract.ts';
import { iotModule } from '../../iot/module.ts';
import { eventually, moduleOf, startModules, type TestProcess } from '../../program/testing.ts';
import { telemetryContract } from '../telemetry/contract.ts';
import { vehicleContract } from '../vehicle/contract.ts';
import { rolloutContract } from './contract.ts';
import { rolloutModule } from './module.ts';
import { firmwareArchive } from './testing/world.ts';

let running: TestProcess;
beforeAll(async () => {
  const vehicles = moduleOf(vehicleContract, { listVehicleIds: async () => ({ vehicleIds: ['a-1', 'a-2', 'a-3'] }) });
  running = await startModules([rolloutModule, iotModule, vehicles, moduleOf(telemetryContract, { getHealth: async () => ({ items: [] }) })]);
});
afterAll(() => running?.dispose());

test('ROLLOUT-11, ROLLOUT-14: jobs of the IoT core are queued, cancelled in a pause, queued again by another job, and withdrawn', async () => {
  const rollouts = running.client(rolloutContract);
  const iot = running.client(iotContract);
  const upload = { fileName: 'bundle.tar.gz', contentType: 'application/gzip', bytes: firmwareArchive('healthy', '3.0.0') };
  const answer = await running.served('rollout')?.dispatch('createBundle', { query: { kind: 'firmware', version: '3.0.0' }, uploads: [upload] }, { idempotencyKey: 'one' });
  const bundleId = (answer as { json: { id: string } }).json.id;
  const { id } = await rollouts.createRollout({ body: { bundleId, stagesPercent: [100], soakMinutes: 0 } }, { idempotencyKey: 'two' });
  const params = { rolloutId: id };
  const statuses = async (attempt: number) => (await iot.listJobExecutions({ params: { jobId: `install-${id}-0-${attempt}` }, query: {} }).catch(() => ({ items: [] }))).items.map(({ status }) => status).join();
  const queued = async () => (await rollouts.getRollout({ params })).stages[0]?.queued;
  await eventually(async () => (await statuses(0)) === 'QUEUED,QUEUED,QUEUED' && (await queued()) === 3);
  await rollouts.pauseRollout({ params });
  await eventually(async () => (await statuses(0)) === 'CANCELED,CANCELED,CANCELED' && (await queued()) === 0);
  await rollouts.resumeRollout({ params });
  await eventually(async () => (await statuses(1)) === 'QUEUED,QUEUED,QUEUED' && (await queued()) === 3);
  await rollouts.rollBackRollout({ params, body: { reason: 'not now' } });
  await eventually(async () => (await rollouts.getRollout({ params })).state === 'cancelled');
  expect(await statuses(1)).toBe('CANCELED,CANCELED,CANCELED');
});
