import { once } from 'node:events';
import { connect } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import { v7 } from 'uuid';
import type { CloudEvent } from '../infra/events/port.ts';
import { prometheusMetrics } from '../infra/observability/prometheus.ts';
import { eventually, startModules, type TestProcess } from '../program/testing.ts';
import type { ReportedState } from '../services/vehicle/contract.ts';
import { openBroker } from './broker.ts';
import { topics } from '../../edge/protocol/topics.ts';
import { iotContract } from './contract.ts';
import { iotModule } from './module.ts';

type Credentials = Awaited<ReturnType<ReturnType<typeof clientOf>['issueCredentials']>>;
const clientOf = (process: TestProcess) => process.client(iotContract);

function databaseOf(process: TestProcess) {
  const database = process.database('iot');
  if (!database) throw new Error('iot has no database');
  return database;
}

let running: TestProcess;
const clients: MqttClient[] = [];
beforeAll(async () => {
  running = await startModules([iotModule]);
});
afterEach(async () => {
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
});
afterAll(() => running.dispose());

const credentials = (vehicleId: string) => clientOf(running).issueCredentials({ params: { vehicleId } });

const closing = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', resolve));
const nextMessage = (client: MqttClient): Promise<string> => new Promise((resolve) => client.once('message', (_topic, payload) => resolve(payload.toString())));

function open(given: Credentials, change: IClientOptions = {}): MqttClient {
  const client = mqtt.connect(given.brokerUrl, { clientId: given.clientId, username: given.userName, password: given.password, reconnectPeriod: 0, clean: true, ...change });
  client.on('error', () => undefined);
  clients.push(client);
  return client;
}

async function connected(given: Credentials, change: IClientOptions = {}): Promise<MqttClient> {
  const client = open(given, change);
  await new Promise<void>((resolve, reject) => {
    client.once('connect', () => resolve());
    client.once('close', () => reject(new Error('closed')));
  });
  return client;
}

const refusedAt = async (given: Credentials, change: IClientOptions = {}): Promise<boolean> => connected(given, change).then(() => false, () => true);

const report = (vehicleId: string, sequence = 1): ReportedState => ({
  vehicleId, sequence, reportedAt: new Date().toISOString(), position: { lat: 50.1, lon: 8.6 }, speedMetresPerSecond: 0, odometerMetres: 0, batteryPercent: 80, locked: true, pluggedIn: false, bookingId: null, commandResults: [],
});

async function eventsOf(vehicleId: string): Promise<CloudEvent<ReportedState>[]> {
  const { events } = running.ports;
  const all = await Promise.all(Array.from({ length: events.partitions('vehicles') }, (_, partition) => events.read('vehicles', partition, 0, 10_000)));
  return all.flat().map(({ event }) => event as CloudEvent<ReportedState>).filter(({ subject }) => subject === vehicleId);
}

const counted = async (line: string): Promise<number> => Number(new RegExp(`^${line.replaceAll(/[{}"]/g, '\\$&')} (\\d+)`, 'm').exec(await running.ports.metrics.scrape())?.[1] ?? 0);

describe('who may connect', () => {
  test('IOT-01: a device connects with its own name and secret, and with no other', async () => {
    const own = await credentials('one');
    const other = await credentials('other');
    expect(await refusedAt(own)).toBe(false);
    expect(await refusedAt({ ...own, password: 'wrong' })).toBe(true);
    expect(await refusedAt({ ...own, password: other.password })).toBe(true);
    expect(await refusedAt({ ...own, userName: 'other', password: other.password })).toBe(true);
    expect(await refusedAt({ ...own, clientId: 'unknown', userName: 'unknown' })).toBe(true);
    expect(await refusedAt(own, { username: undefined, password: undefined })).toBe(true);
  });

  test('IOT-02: the secret has 256 bits and is stored as a hash only', async () => {
    const { password } = await credentials('hashed');
    expect(Buffer.from(password, 'base64url')).toHaveLength(32);
    const rows = await databaseOf(running).sql`select * from devices where vehicle_id = 'hashed'`;
    expect(rows[0]?.['secretHash']).toHaveLength(32);
    expect(JSON.stringify(rows)).not.toContain(password);
  });

  test('IOT-03: a new secret ends the connection and the old secret', async () => {
    const old = await credentials('renewed');
    const client = await connected(old);
    const closed = closing(client);
    const fresh = await credentials('renewed');
    await closed;
    expect(await refusedAt(old)).toBe(true);
    expect(await refusedAt(fresh)).toBe(false);
  });

  test('IOT-04: a second connection of the same vehicle takes over', async () => {
    const own = await credentials('twice');
    const first = await connected(own);
    const closed = closing(first);
    const second = await connected(own);
    await closed;
    await second.publishAsync(topics.state('twice'), JSON.stringify(report('twice')), { qos: 1 });
    const { connected: reachable } = await clientOf(running).deliverCommand({ body: { vehicleId: 'twice', message: command() } });
    expect(reachable).toBe(true);
  });
});

const command = () => ({ commandId: v7(), kind: 'locate' as const, bookingId: null, riderId: null, issuedAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 60_000).toISOString() });

describe('who may say and hear what', () => {
  test("IOT-05: a vehicle that publishes another's state, or anything else, is cut off, and nothing is kept", async () => {
    await credentials('victim');
    for (const topic of [topics.state('victim'), topics.commands('intruder'), topics.unlockKeys, '$SYS/anything']) {
      const client = await connected(await credentials('intruder'));
      const closed = closing(client);
      client.publish(topic, JSON.stringify(report('victim')), { qos: 1 }, () => undefined);
      await closed;
    }
    expect(await eventsOf('victim')).toEqual([]);
  });

  test('IOT-06: a vehicle hears its own commands and the public keys, nothing else', async () => {
    const own = await credentials('listener');
    const client = await connected(own);
    const heard: string[] = [];
    client.on('message', (topic) => heard.push(topic));
    for (const topic of [topics.commands('victim'), 'vehicles/+/commands', '#', topics.state('victim')]) {
      await expect(client.subscribeAsync(topic, { qos: 1 })).rejects.toThrow();
    }
    await client.subscribeAsync([topics.commands('listener'), topics.unlockKeys], { qos: 1 });
    await clientOf(running).deliverCommand({ body: { vehicleId: 'listener', message: command() } });
    await eventually(async () => heard.length === 2);
    expect(heard.sort()).toEqual([topics.unlockKeys, topics.commands('listener')]);
  });

  test('IOT-07: a last will and a retained message do nothing', async () => {
    const own = await credentials('wilful');
    const client = await connected(own, { will: { topic: topics.unlockKeys, payload: Buffer.from('{"keys":[]}'), qos: 1, retain: true } });
    await client.publishAsync(topics.state('wilful'), JSON.stringify(report('wilful')), { qos: 1, retain: true });
    client.stream.destroy();
    const listener = await connected(await credentials('listener-2'));
    const message = nextMessage(listener);
    await listener.subscribeAsync(topics.unlockKeys, { qos: 1 });
    const payload = await message;
    expect(JSON.parse(payload)).toEqual(own.unlockKeys);
  });
});

describe('reports', () => {
  test('IOT-08: an acknowledged report is in the event log, in order', async () => {
    const client = await connected(await credentials('reporter'));
    await Promise.all(Array.from({ length: 200 }, (_, index) => client.publishAsync(topics.state('reporter'), JSON.stringify(report('reporter', index)), { qos: 1 })));
    const events = await eventsOf('reporter');
    expect(events.map(({ data }) => data.sequence)).toEqual(Array.from({ length: 200 }, (_, index) => index));
    expect(events[0]).toMatchObject({ type: 'vehicles.state-reported', source: '/iot', subject: 'reporter' });
  });

  test('IOT-09: what is no report is acknowledged, counted and dropped', async () => {
    const client = await connected(await credentials('babbler'));
    const good = report('babbler');
    const bad: (string | Buffer)[] = ['', '{', 'null', '[]', '"x"', Buffer.from([0xff, 0xfe]), JSON.stringify({ ...good, batteryPercent: 101 }), JSON.stringify({ ...good, position: { lat: 91, lon: 0 } }), JSON.stringify({ ...good, vehicleId: 'victim' }), JSON.stringify({ ...good, padding: 'x'.repeat(9000) }), '['.repeat(8000)];
    const before = await counted('iot_reports_dropped_total{reason="oversized"}');
    for (const payload of bad) await client.publishAsync(topics.state('babbler'), payload, { qos: 1 });
    await client.publishAsync(topics.state('babbler'), JSON.stringify(good), { qos: 1 });
    expect(await eventsOf('babbler')).toHaveLength(1);
    expect(await counted('iot_reports_dropped_total{reason="oversized"}')).toBe(before + 1);
  });

  test('IOT-10: a packet that announces too much ends the connection; the broker goes on', async () => {
    const own = await credentials('flood');
    const client = await connected(own);
    const closed = closing(client);
    client.publish(topics.state('flood'), 'x'.repeat(100_000), { qos: 1 }, () => undefined);
    await closed;
    expect(await refusedAt(own)).toBe(false);
  });

  test('IOT-10: noise on the port changes nothing', async () => {
    const own = await credentials('after-noise');
    const port = Number(new URL(own.brokerUrl).port);
    for (const bytes of [Buffer.from('GET / HTTP/1.1\r\n\r\n'), Buffer.from([0x10, 0xff, 0xff, 0xff, 0xff]), Buffer.from([0x30, 0x00]), Buffer.alloc(20_000, 0xff)]) {
      const socket = connect(port, '127.0.0.1');
      socket.on('error', () => undefined);
      socket.write(bytes);
      await once(socket, 'close');
    }
    expect(await refusedAt(own)).toBe(false);
  });
});

test('IOT-11: a command to a vehicle that is away is not kept for it', async () => {
  const own = await credentials('away');
  expect(await clientOf(running).deliverCommand({ body: { vehicleId: 'away', message: command() } })).toEqual({ connected: false });
  const client = await connected(own, { clean: false });
  const heard: string[] = [];
  client.on('message', (topic) => heard.push(topic));
  await client.subscribeAsync(topics.commands('away'), { qos: 1 });
  const { connected: reachable } = await clientOf(running).deliverCommand({ body: { vehicleId: 'away', message: command() } });
  expect(reachable).toBe(true);
  await eventually(async () => heard.length > 0);
  expect(heard).toHaveLength(1);
});

test('IOT-12: the public keys are retained for whoever connects later, also after they change', async () => {
  const { publicJwk } = await running.ports.keys.signingKey('unlock', 'EdDSA');
  const own = await credentials('key-reader');
  expect(own.unlockKeys.keys.map(({ kid }) => kid)).toEqual([publicJwk.kid]);
  expect(JSON.stringify(own.unlockKeys)).not.toContain('"d"');
  await clientOf(running).publishUnlockKeys({ body: { keys: [{ ...publicJwk }, { kid: 'next', kty: 'OKP' }] } });
  const client = await connected(own);
  const message = nextMessage(client);
  await client.subscribeAsync(topics.unlockKeys, { qos: 1 });
  const payload = await message;
  expect((JSON.parse(payload) as Credentials['unlockKeys']).keys.map(({ kid }) => kid)).toEqual([publicJwk.kid, 'next']);
});

test('IOT-13: the port is remembered, and taken again when the broker comes back', async () => {
  const port = Number(new URL((await credentials('port-reader')).brokerUrl).port);
  expect((await running.ports.kv.table<{ port: number }>('iot').get('mqtt-port'))?.value).toEqual({ port });
  const { logger, clock } = running.ports;
  const options = { host: '127.0.0.1', logger, clock, authenticate: async () => true, accept: async () => undefined };
  // Taken by the running one: another is better than none.
  const other = await openBroker({ ...options, metrics: prometheusMetrics(), port });
  expect(other.port).not.toBe(port);
  await other.close();
  const again = await openBroker({ ...options, metrics: prometheusMetrics(), port: other.port });
  expect(again.port).toBe(other.port);
  await again.close();
});
