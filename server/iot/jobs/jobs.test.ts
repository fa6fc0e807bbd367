import { afterAll, beforeAll, expect, test } from 'vitest';
import type { CloudEvent } from '../../infra/events/port.ts';
import { eventually, startModules, type TestProcess } from '../../program/testing.ts';
import type { Client } from '../../wire/contract.ts';
import { iotContract } from '../contract.ts';
import { iotModule } from '../module.ts';
import { connectDevice, provisionedDevice } from '../testing/device.ts';

/** Moves on with the machine's time, and in leaps when a test says so. */
let offsetMs = 0;
const clock = { nowMs: () => Date.now() + offsetMs, now: () => new Date(Date.now() + offsetMs) };
let running: TestProcess;
let iot: Client<typeof iotContract.operations>;

beforeAll(async () => {
  running = await startModules([iotModule], { clock });
  iot = running.client(iotContract);
});
afterAll(() => running.dispose());

type Said = Record<string, unknown>;

/** A vehicle that asks about its jobs over MQTT. */
async function vehicle(id: string) {
  const client = await connectDevice(await provisionedDevice(iot, id));
  const prefix = `$aws/things/${id}/jobs/`;
  const heard: { topic: string; said: Said }[] = [];
  client.on('message', (topic, payload) => heard.push({ topic: topic.slice(prefix.length), said: JSON.parse(payload.toString()) as Said }));
  await client.subscribeAsync(`${prefix}#`, { qos: 1 });
  let count = 0;
  return {
    heard,
    async ask(rest: string, request: Said | string = {}): Promise<{ accepted: boolean; said: Said }> {
      const clientToken = `${id} ${count++}`;
      await client.publishAsync(prefix + rest, typeof request === 'string' ? request : JSON.stringify({ ...request, clientToken }), { qos: 1 });
      const isAnswer = ({ topic, said }: { topic: string; said: Said }) => topic.startsWith(`${rest}/`) && (typeof request === 'string' || said['clientToken'] === clientToken);
      const answer = await eventually(async () => heard.find(isAnswer));
      heard.splice(heard.indexOf(answer), 1);
      return { accepted: answer.topic.endsWith('/accepted'), said: answer.said };
    },
    leave: () => client.endAsync(true),
  };
}

const create = (jobId: string, vehicleIds: string[], more: { inProgressTimeoutMinutes?: number; document?: Said } = {}) =>
  iot.createJob({ params: { jobId }, body: { document: { do: jobId }, vehicleIds, ...more } });
const executions = async (jobId: string) => (await iot.listJobExecutions({ params: { jobId }, query: {} })).items;

async function changesOf(vehicleId: string): Promise<string[]> {
  const { events } = running.ports;
  const all = await Promise.all(Array.from({ length: events.partitions('jobs') }, (_, partition) => events.read('jobs', partition, 0, 1000)));
  return all.flat().map(({ event }) => event as CloudEvent<{ status: string }>).filter(({ subject }) => subject === vehicleId).map(({ data }) => data.status);
}

test('IOT-61: a job is made once; more targets are added; another document is refused', async () => {
  expect(await create('once', ['o-1', 'o-2'])).toEqual({ queued: 2 });
  expect(await create('once', ['o-2', 'o-3', 'o-3'])).toEqual({ queued: 1 });
  await expect(create('once', ['o-4'], { document: { do: 'else' } })).rejects.toMatchObject({ code: 'job-conflict' });
  expect((await executions('once')).map(({ vehicleId }) => vehicleId)).toEqual(['o-1', 'o-2', 'o-3']);
});

test('IOT-62: a vehicle that was away finds its jobs when it comes, the oldest first, and the one under way again', async () => {
  await create('first', ['away']);
  await create('second', ['away']);
  const device = await vehicle('away');
  expect((await device.ask('start-next')).said).toMatchObject({ execution: { jobId: 'first', jobDocument: { do: 'first' }, status: 'IN_PROGRESS' } });
  expect((await device.ask('start-next')).said).toMatchObject({ execution: { jobId: 'first', versionNumber: 2 } });
  await device.ask('first/update', { status: 'SUCCEEDED' });
  await eventually(async () => device.heard.some(({ topic, said }) => topic === 'notify-next' && JSON.stringify(said).includes('"second"')));
  expect((await device.ask('$next/get')).said).toMatchObject({ execution: { jobId: 'second', status: 'QUEUED' } });
  await device.leave();
});

test('IOT-63: only what the life of an execution allows is accepted; what is over stays so', async () => {
  await create('life', ['life']);
  const device = await vehicle('life');
  const codeOf = async (rest: string, request: Said | string) => (await device.ask(rest, request)).said['code'];
  expect(await codeOf('life/update', { status: 'CANCELED' })).toBe('InvalidStateTransition');
  expect(await codeOf('life/update', { status: 'DONE' })).toBe('InvalidRequest');
  expect(await codeOf('life/update', '{')).toBe('InvalidJson');
  expect(await codeOf('life/steal', {})).toBe('InvalidTopic');
  expect(await codeOf('unknown/update', { status: 'SUCCEEDED' })).toBe('ResourceNotFound');
  expect(await codeOf('life/update', { status: 'IN_PROGRESS', expectedVersion: 4 })).toBe('VersionMismatch');
  expect((await device.ask('life/update', { status: 'REJECTED', includeJobExecutionState: true, statusDetails: { reason: 'no' } })).said).toMatchObject({ executionState: { status: 'REJECTED', versionNumber: 2 } });
  expect(await codeOf('life/update', { status: 'SUCCEEDED' })).toBe('TerminalStateReached');
  await device.leave();
});

test('IOT-64: each change is told to the platform once, in order', async () => {
  await create('told', ['told']);
  const device = await vehicle('told');
  await device.ask('start-next');
  await Promise.all([1, 2, 3].map(() => device.ask('told/update', { status: 'SUCCEEDED' })));
  await eventually(async () => (await changesOf('told')).length >= 2);
  expect(await changesOf('told')).toEqual(['IN_PROGRESS', 'SUCCEEDED']);
  await device.leave();
});

test('IOT-65: whoever starts and says nothing has timed out; a step gives more time', async () => {
  await create('slow', ['slow', 'steady'], { inProgressTimeoutMinutes: 10 });
  const [slow, steady] = [await vehicle('slow'), await vehicle('steady')];
  await slow.ask('start-next');
  await steady.ask('start-next', { stepTimeoutInMinutes: 60 });
  offsetMs += 11 * 60_000;
  await eventually(async () => (await executions('slow')).find(({ vehicleId }) => vehicleId === 'slow')?.status === 'TIMED_OUT');
  expect((await slow.ask('slow/update', { status: 'SUCCEEDED' })).said['code']).toBe('TerminalStateReached');
  expect((await steady.ask('slow/update', { status: 'SUCCEEDED' })).accepted).toBe(true);
  await Promise.all([slow.leave(), steady.leave()]);
});

test('IOT-66: a cancelled job is taken from whoever has not begun, with force also from who has', async () => {
  await create('cancelled', ['c-1', 'c-2']);
  const device = await vehicle('c-1');
  await device.ask('start-next');
  expect(await iot.cancelJob({ params: { jobId: 'cancelled' }, body: {} })).toEqual({ cancelled: 1 });
  expect(await iot.cancelJob({ params: { jobId: 'cancelled' }, body: { force: true } })).toEqual({ cancelled: 1 });
  await expect(iot.cancelJob({ params: { jobId: 'nothing' }, body: {} })).rejects.toMatchObject({ code: 'not-found' });
  expect((await iot.listJobExecutions({ params: { jobId: 'cancelled' }, query: {} })).counts).toEqual({ CANCELED: 2 });
  expect((await device.ask('start-next')).said).not.toHaveProperty('execution');
  await device.leave();
});

test('IOT-67: a job for twenty thousand vehicles is made in one go and listed in pages', async () => {
  const ids = Array.from({ length: 20_000 }, (_, index) => `mass-${String(index).padStart(5, '0')}`);
  expect(await create('mass', ids)).toEqual({ queued: 20_000 });
  const page = await iot.listJobExecutions({ params: { jobId: 'mass' }, query: {} });
  expect(page).toMatchObject({ counts: { QUEUED: 20_000 }, next: 'mass-00999' });
  expect((await iot.listJobExecutions({ params: { jobId: 'mass' }, query: { cursor: 'mass-00999', limit: 1 } })).items[0]?.vehicleId).toBe('mass-01000');
});
