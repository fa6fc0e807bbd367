import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import type { IClientOptions, MqttClient } from 'mqtt';
import { eventually, startModules, type TestProcess } from '../program/testing.ts';
import { provisioningTemplate, topics } from '../../edge/protocol/topics.ts';
import { openDoor } from './door.ts';
import { iotContract } from './contract.ts';
import { iotModule } from './module.ts';
import { connectDevice, type DeviceIdentity, provisionedDevice } from './testing/device.ts';
import { alert, command, eventsOf, report, telemetryOf } from './testing/running.ts';

let running: TestProcess;
const clients: MqttClient[] = [];
beforeAll(async () => {
  running = await startModules([iotModule]);
});
afterEach(async () => {
  vi.restoreAllMocks();
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
});
afterAll(() => running.dispose());

const iot = () => running.client(iotContract);
const device = (vehicleId: string): Promise<DeviceIdentity> => provisionedDevice(iot(), vehicleId);
const closing = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', resolve));
const nextMessage = (client: MqttClient): Promise<string> => new Promise((resolve) => client.once('message', (_topic, payload) => resolve(payload.toString())));

async function connected(given: DeviceIdentity, change: IClientOptions = {}): Promise<MqttClient> {
  const client = await connectDevice(given, change);
  clients.push(client);
  return client;
}

const statesOf = async (vehicleId: string) => (await eventsOf<ReturnType<typeof report>>(running, 'vehicles')).filter(({ subject, type }) => subject === vehicleId && type === 'vehicles.state-reported');
const dropped = async (reason: string): Promise<number> => (await iot().getStatistics({})).dropped[reason] ?? 0;
const reachable = async (vehicleId: string): Promise<boolean> => (await iot().deliverCommand({ body: { vehicleId, message: command() } })).connected;

test('IOT-04: a second connection of the same vehicle takes over', async () => {
  const own = await device('twice');
  const first = await connected(own);
  const closed = closing(first);
  const second = await connected(own);
  await closed;
  await second.publishAsync(topics.state('twice'), JSON.stringify(report('twice')), { qos: 1 });
  expect(await reachable('twice')).toBe(true);
});

describe('who may say and hear what', () => {
  test("IOT-05: a vehicle that publishes on another's topic, or on no topic of a device, is cut off, and nothing is kept", async () => {
    const intruder = await device('intruder');
    for (const topic of [topics.state('victim'), topics.telemetry('victim'), topics.alerts('victim'), topics.shadow('victim', 'update'), topics.jobs('victim', 'get'), topics.commands('intruder'), topics.unlockKeys, '$SYS/anything']) {
      const client = await connected(intruder);
      const closed = closing(client);
      client.publish(topic, JSON.stringify(report('victim')), { qos: 1 }, () => undefined);
      await closed;
    }
    expect(await statesOf('victim')).toEqual([]);
    expect((await telemetryOf(running)).filter(({ vehicleId }) => vehicleId === 'victim')).toEqual([]);
    expect((await iot().getStatistics({})).refused['publish']).toBeGreaterThanOrEqual(8);
  });

  test('IOT-06: a vehicle hears its own commands, its own thing and the public keys, nothing else', async () => {
    const client = await connected(await device('listener'));
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    for (const topic of [topics.commands('victim'), 'vehicles/+/commands', '#', '$aws/things/#', '$aws/things/+/shadow/get/accepted', topics.shadow('victim', 'get'), topics.state('victim')]) {
      await expect(client.subscribeAsync(topic, { qos: 1 })).rejects.toThrow();
    }
    await client.subscribeAsync([topics.commands('listener'), topics.unlockKeys, '$aws/things/listener/shadow/get/+', '$aws/things/listener/jobs/#', `${topics.registerThing(provisioningTemplate)}/accepted`], { qos: 1 });
    expect(await reachable('listener')).toBe(true);
    await eventually(async () => heard.length === 2);
    expect(heard.sort()).toEqual([topics.unlockKeys, topics.commands('listener')]);
  });

  test('IOT-07: a last will and a retained message do nothing', async () => {
    const own = await device('wilful');
    const client = await connected(own, { will: { topic: topics.unlockKeys, payload: Buffer.from('{"keys":[]}'), qos: 1, retain: true } });
    await client.publishAsync(topics.state('wilful'), JSON.stringify(report('wilful')), { qos: 1, retain: true });
    client.stream.destroy();
    const listener = await connected(await device('listener-2'));
    const message = nextMessage(listener);
    await listener.subscribeAsync(topics.unlockKeys, { qos: 1 });
    expect(JSON.parse(await message)).toEqual(own.unlockKeys);
  });
});

describe('messages', () => {
  test('IOT-08: an acknowledged report is in the event log, in order', async () => {
    const client = await connected(await device('reporter'));
    await Promise.all(Array.from({ length: 200 }, (_, index) => client.publishAsync(topics.state('reporter'), JSON.stringify(report('reporter', index)), { qos: 1 })));
    const events = await statesOf('reporter');
    expect(events.map(({ data }) => data.sequence)).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(events[0]).toMatchObject({ type: 'vehicles.state-reported', source: '/iot', subject: 'reporter' });
  });

  test('IOT-09: what is of no use is acknowledged, counted by its reason, sampled and dropped', async () => {
    const client = await connected(await device('babbler'));
    const good = report('babbler');
    const bad: (string | Buffer)[] = ['', '{', 'null', '[]', '"x"', Buffer.from([0xff, 0xfe]), JSON.stringify({ ...good, batteryPercent: 101 }), JSON.stringify({ ...good, position: { lat: 91, lon: 0 } }), JSON.stringify({ ...good, vehicleId: 'victim' }), JSON.stringify({ ...good, padding: 'x'.repeat(9000) }), '['.repeat(8000)];
    const before = await dropped('oversized');
    for (const payload of bad) await client.publishAsync(topics.state('babbler'), payload, { qos: 1 });
    await client.publishAsync(topics.alerts('babbler'), JSON.stringify({ ...alert('babbler'), kind: 'boredom' }), { qos: 1 });
    await client.publishAsync(topics.telemetry('babbler'), '', { qos: 1 });
    await client.publishAsync('$aws/things/babbler/nothing/here', '{}', { qos: 1 });
    await client.publishAsync(topics.state('babbler'), JSON.stringify(good), { qos: 1 });
    expect(await statesOf('babbler')).toHaveLength(1);
    const statistics = await iot().getStatistics({});
    expect(statistics.dropped).toMatchObject({ 'not-json': 4, 'wrong-shape': 6, 'of-another-vehicle': 1, empty: 1, 'no-such-topic': 1 });
    expect(statistics.dropped['oversized']).toBe(before + 1);
    const shapeless = statistics.samples.filter(({ reason }) => reason === 'wrong-shape');
    expect(shapeless).toHaveLength(3);
    expect(shapeless.at(-1)).toMatchObject({ topic: topics.alerts('babbler'), vehicleId: 'babbler' });
    expect(Math.max(...statistics.samples.map(({ payloadBase64 }) => Buffer.from(payloadBase64, 'base64').length))).toBeLessThanOrEqual(256);
    expect(await running.ports.metrics.scrape()).toMatch(/iot_messages_dropped_total\{reason="oversized"\} \d/);
  });

  test('IOT-10: a packet that announces too much ends the connection; the broker goes on', async () => {
    const own = await device('flood');
    const client = await connected(own);
    await client.publishAsync(topics.telemetry('flood'), Buffer.alloc(64 * 1024, 7), { qos: 1 });
    const closed = closing(client);
    client.publish(topics.telemetry('flood'), 'x'.repeat(100_000), { qos: 1 }, () => undefined);
    await closed;
    expect((await connected(own)).connected).toBe(true);
  });

  test('IOT-10: noise on the port changes nothing', async () => {
    const own = await device('after-noise');
    const port = Number(new URL(own.brokerUrl).port);
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff]), Buffer.alloc(20_000, 0xff)]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(bytes);
      await once(socket, 'close');
    }
    expect((await connected(own)).connected).toBe(true);
  });

  test('IOT-24: telemetry is acknowledged when it is in the log, unread, each vehicle in its share and its order', async () => {
    const names = Array.from({ length: 12 }, (_, index) => `carrier-${index}`);
    const carriers = await Promise.all(names.map(async (name) => connected(await device(name))));
    await Promise.all(carriers.flatMap((client, index) => Array.from({ length: 20 }, (_, count) => client.publishAsync(topics.telemetry(names[index] ?? ''), `payload ${count}`, { qos: 1 }))));
    const entries = (await telemetryOf(running)).filter(({ vehicleId }) => vehicleId.startsWith('carrier-'));
    for (const name of names) {
      const own = entries.filter(({ vehicleId }) => vehicleId === name);
      expect(own.map(({ payload }) => payload)).toEqual(Array.from({ length: 20 }, (_, count) => `payload ${count}`));
      expect(new Set(own.map(({ share }) => share)).size).toBe(1);
    }
    expect(new Set(entries.map(({ share }) => share)).size).toBeGreaterThan(3);
    // Many messages, few events: that is what the frames are for.
    expect((await eventsOf(running, 'telemetry')).length).toBeLessThan(120);
  });

  test('IOT-25: an alert becomes an event at once, as it came', async () => {
    const client = await connected(await device('fallen'));
    const sent = alert('fallen');
    await client.publishAsync(topics.alerts('fallen'), JSON.stringify(sent), { qos: 1 });
    const events = (await eventsOf(running, 'vehicles')).filter(({ type }) => type === 'vehicles.alert-raised');
    expect(events).toMatchObject([{ subject: 'fallen', data: sent }]);
  });

  test('IOT-30: what the event log refuses is not acknowledged: the connection ends, and the vehicle sends it again later', async () => {
    const own = await device('unheard');
    const append = vi.spyOn(running.ports.events, 'append').mockRejectedValue(new Error('no space left on the device'));
    for (const [topic, payload] of [[topics.telemetry('unheard'), 'x'], [topics.state('unheard'), JSON.stringify(report('unheard'))]] as const) {
      const client = await connected(own);
      let acknowledged = false;
      const closed = closing(client);
      client.publish(topic, payload, { qos: 1 }, (error) => (acknowledged = !error));
      await closed;
      expect(acknowledged).toBe(false);
    }
    append.mockRestore();
    const again = await connected(own);
    await again.publishAsync(topics.telemetry('unheard'), 'x', { qos: 1 });
    expect((await telemetryOf(running)).filter(({ vehicleId }) => vehicleId === 'unheard')).toHaveLength(1);
  });
});

test('IOT-11: a command to a vehicle that is away is not kept for it', async () => {
  const own = await device('away');
  expect(await reachable('away')).toBe(false);
  const client = await connected(own, { clean: false });
  const heard: string[] = [];
  client.on('message', (topic) => heard.push(topic));
  await client.subscribeAsync(topics.commands('away'), { qos: 1 });
  expect(await reachable('away')).toBe(true);
  await eventually(async () => heard.length > 0);
  expect(heard).toHaveLength(1);
});

test('IOT-12: the public keys are retained for whoever connects later, and sent to whoever is connected when they change', async () => {
  const { publicJwk } = await running.ports.keys.signingKey('unlock', 'EdDSA');
  const own = await device('key-reader');
  expect(own.unlockKeys?.keys.map(({ kid }) => kid)).toEqual([publicJwk.kid]);
  expect(JSON.stringify(own.unlockKeys)).not.toContain('"d"');
  const client = await connected(own);
  const first = nextMessage(client);
  await client.subscribeAsync(topics.unlockKeys, { qos: 1 });
  expect(JSON.parse(await first)).toEqual(own.unlockKeys);
  const changed = nextMessage(client);
  await iot().publishUnlockKeys({ body: { keys: [{ ...publicJwk }, { kid: 'next', kty: 'OKP' }] } });
  expect((JSON.parse(await changed) as { keys: { kid: string }[] }).keys.map(({ kid }) => kid)).toEqual([publicJwk.kid, 'next']);
  const later = await connected(await device('key-reader-2'));
  const retained = nextMessage(later);
  await later.subscribeAsync(topics.unlockKeys, { qos: 1 });
  expect(JSON.parse(await retained)).toEqual(JSON.parse(await changed));
});

test('IOT-13: the port is remembered, and taken again when the broker comes back; when somebody has it, another one serves', async () => {
  const port = Number(new URL((await device('port-reader')).brokerUrl).port);
  expect((await running.ports.kv.table<{ port: number }>('iot').get('mqtts-port'))?.value).toEqual({ port });
  const door = (wanted: number) => openDoor({ host: '127.0.0.1', port: wanted, shared: false, material: { keyPem: '', certificatePem: '', authorityPem: '', ticketKeys: Buffer.alloc(48) }, logger: running.ports.logger, onConnection: () => undefined, onRefused: () => undefined });
  const other = await door(port);
  expect(other.port).not.toBe(port);
  await other.close();
  const again = await door(other.port);
  expect(again.port).toBe(other.port);
  await again.close();
});

test('IOT-26: staff see who is connected, since when, and with which certificates', async () => {
  const own = await device('seen');
  const client = await connected(own);
  expect(await iot().getDevice({ params: { vehicleId: 'seen' } })).toMatchObject({ connected: true, disconnectedAt: null, certificates: [{ id: own.certificateId, status: 'active', kind: 'device', vehicleId: 'seen' }] });
  await client.endAsync();
  const gone = await eventually(async () => {
    const seen = await iot().getDevice({ params: { vehicleId: 'seen' } });
    return !seen.connected && seen;
  });
  expect(Date.parse(gone.disconnectedAt ?? '')).toBeGreaterThanOrEqual(Date.parse(gone.connectedAt ?? ''));
  const sql = running.database('iot')?.sql;
  await eventually(async () => sql && (await sql`select 1 from things where vehicle_id = 'seen' and connected_at is not null and disconnected_at is not null`).length === 1);
  await expect(iot().getDevice({ params: { vehicleId: 'nobody' } })).rejects.toMatchObject({ code: 'not-found' });
  const listed: string[] = [];
  for (let cursor: string | undefined; ; ) {
    const page = await iot().listDevices({ query: { limit: 3, ...(cursor && { cursor }) } });
    listed.push(...page.items.map(({ vehicleId }) => vehicleId));
    cursor = page.next;
    if (!cursor) break;
  }
  expect(listed).toContain('seen');
  expect(listed).toEqual([...new Set(listed)].sort((one, other) => (one < other ? -1 : 1)));
});

test('IOT-27: the statistics count connections and messages of use', async () => {
  const before = await iot().getStatistics({});
  const client = await connected(await device('counted'));
  await client.publishAsync(topics.telemetry('counted'), 'x', { qos: 1 });
  await client.publishAsync(topics.state('counted'), JSON.stringify(report('counted')), { qos: 1 });
  const after = await iot().getStatistics({});
  expect(after.messagesReceived).toBe(before.messagesReceived + 2);
  expect(after.connected).toBeGreaterThanOrEqual(1);
  expect(after.messagesPerSecond).toBeGreaterThan(0);
});
