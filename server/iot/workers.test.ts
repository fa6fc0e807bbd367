import type { MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { eventually, startModules, type TestProcess } from '../program/testing.ts';
import { topics } from '../../edge/protocol/topics.ts';
import { iotContract } from './contract.ts';
import { iotModule } from './module.ts';
import { connectDevice, type DeviceIdentity, provisionedDevice } from './testing/device.ts';
import { childrenOf } from './testing/processes.ts';
import { command, eventsOf, report, telemetryOf } from './testing/running.ts';

let running: TestProcess;
const clients: MqttClient[] = [];
beforeAll(async () => {
  running = await startModules([iotModule], { environment: { MOBILITY_IOT_WORKERS: '2' } });
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
});
afterAll(() => running.dispose());

const iot = () => running.client(iotContract);
const closing = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', resolve));

async function connected(given: DeviceIdentity): Promise<MqttClient> {
  const client = await connectDevice(given);
  clients.push(client);
  return client;
}
const connectedVehicles = async (): Promise<number> => (await iot().getStatistics({})).connected;

test('IOT-28: several processes act as one: events, commands, answers, take-over, revocation and counts', async () => {
  const devices = await Promise.all(Array.from({ length: 12 }, (_, index) => provisionedDevice(iot(), `spread-${index}`)));
  const vehicles = await Promise.all(devices.map(connected));
  expect(await connectedVehicles()).toBe(12);
  const heard: string[] = [];
  for (const [index, client] of vehicles.entries()) {
    client.on('message', (topic) => heard.push(topic));
    await client.subscribeAsync(topics.commands(`spread-${index}`), { qos: 1 });
    await client.publishAsync(topics.state(`spread-${index}`), JSON.stringify(report(`spread-${index}`)), { qos: 1 });
    await client.publishAsync(topics.telemetry(`spread-${index}`), 'x', { qos: 1 });
    expect(await iot().deliverCommand({ body: { vehicleId: `spread-${index}`, message: command() } })).toEqual({ connected: true });
  }
  await eventually(async () => heard.length === 12);
  await eventually(async () => (await telemetryOf(running)).length === 12);
  expect(await eventsOf(running, 'vehicles')).toHaveLength(12);
  expect((await iot().getStatistics({})).messagesReceived).toBe(24);
  // Of two processes each second connection goes to the other one; of six the chance that none does is one in 64.
  for (let count = 0; count < 6; count++) {
    const closed = closing(vehicles[0] as MqttClient);
    vehicles[0] = await connected(devices[0] as DeviceIdentity);
    await closed;
  }
  expect(await connectedVehicles()).toBe(12);
  const closed = closing(vehicles[1] as MqttClient);
  await iot().revokeCertificate({ params: { certificateId: devices[1]?.certificateId ?? '' } });
  await closed;
  await expect(connectDevice(devices[1] as DeviceIdentity)).rejects.toThrow();
  await eventually(async () => (await connectedVehicles()) === 11);
});

test('IOT-29: a process that dies is started again on the same port, and its vehicles come back', async () => {
  const devices = await Promise.all(Array.from({ length: 8 }, (_, index) => provisionedDevice(iot(), `orphan-${index}`)));
  const vehicles = await Promise.all(devices.map(connected));
  const closed = vehicles.map(closing);
  const before = await childrenOf(process.pid, 'broker-process');
  expect(before).toHaveLength(2);
  for (const processId of before) process.kill(processId, 'SIGKILL');
  await Promise.all(closed);
  await eventually(async () => (await childrenOf(process.pid, 'broker-process')).filter((processId) => !before.includes(processId)).length === 2);
  const [first] = devices as [DeviceIdentity, ...DeviceIdentity[]];
  const back = await eventually(() => connected(first).catch(() => undefined));
  await back.publishAsync(topics.telemetry('orphan-0'), 'back', { qos: 1 });
  await eventually(async () => (await telemetryOf(running)).some(({ payload }) => payload === 'back'));
  expect((await iot().getDevice({ params: { vehicleId: 'orphan-0' } })).connected).toBe(true);
  expect((await iot().getDevice({ params: { vehicleId: 'orphan-1' } })).connected).toBe(false);
});
