import { once } from 'node:events';
import type { Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions, type TLSSocket } from 'node:tls';
import type { MqttClient } from 'mqtt';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { systemClock } from '../infra/clock/system.ts';
import { eventually, startModules, type TestProcess } from '../program/testing.ts';
import { topics } from '../../edge/protocol/topics.ts';
import { brokerCertificate, openAuthority } from './authority.ts';
import { HandshakeQueue } from './door.ts';
import { iotContract } from './contract.ts';
import { iotModule } from './module.ts';
import { ownCertificates } from './store.ts';
import { certificateRequest, claimingDevice, connectDevice, type DeviceIdentity, foreignCertificate, provisionedDevice } from './testing/device.ts';

const dayMs = 86_400_000;
let offsetMs = 0;
const clock = { nowMs: () => systemClock().nowMs() + offsetMs, now: () => new Date(systemClock().nowMs() + offsetMs) };
let running: TestProcess;
const clients: MqttClient[] = [];
beforeAll(async () => {
  running = await startModules([iotModule], { clock });
});
afterEach(async () => {
  offsetMs = 0;
  await Promise.all(clients.splice(0).map((client) => client.endAsync(true)));
});
afterAll(() => running.dispose());

const iot = () => running.client(iotContract);
const closing = (client: MqttClient): Promise<void> => new Promise((resolve) => client.once('close', resolve));
const sql = () => {
  const database = running.database('iot');
  if (!database) throw new Error('iot has no database');
  return database.sql;
};

async function connected(given: DeviceIdentity): Promise<MqttClient> {
  const client = await connectDevice(given);
  clients.push(client);
  return client;
}
const isRefused = (given: DeviceIdentity): Promise<boolean> => connected(given).then(() => false, () => true);
const statusOf = async (id: string): Promise<unknown> => (await sql()`select status from certificates where id = ${id}`)[0]?.['status'];

/** Asks on a reserved topic. @returns the answer, and whether it was accepted */
async function ask(client: MqttClient, topic: string, request: unknown): Promise<{ accepted: boolean; answer: Record<string, string> }> {
  await client.subscribeAsync([`${topic}/accepted`, `${topic}/rejected`], { qos: 1 });
  const answered = new Promise<{ accepted: boolean; answer: Record<string, string> }>((resolve) => {
    const listen = (heard: string, payload: Uint8Array): void => {
      if (!heard.startsWith(`${topic}/`)) return;
      client.off('message', listen);
      resolve({ accepted: heard.endsWith('/accepted'), answer: JSON.parse(Buffer.from(payload).toString()) as Record<string, string> });
    };
    client.on('message', listen);
  });
  await client.publishAsync(topic, typeof request === 'string' ? request : JSON.stringify(request), { qos: 1 });
  return answered;
}

const createTopic = topics.createCertificateFromCsr;
const registerTopic = topics.registerThing('vehicle');
const register = (client: MqttClient, token: string | undefined, vehicleId: string) => ask(client, registerTopic, { certificateOwnershipToken: token, parameters: { VehicleId: vehicleId } });

/** As a new device does it: a certificate by claim, not registered yet. */
async function pendingDevice(claim: DeviceIdentity, client: MqttClient, vehicleId: string): Promise<DeviceIdentity & { token: string | undefined }> {
  const { csrPem, privateKeyPem } = await certificateRequest(vehicleId);
  const { accepted, answer } = await ask(client, createTopic, { certificateSigningRequest: csrPem });
  expect(accepted).toBe(true);
  return { ...claim, clientId: vehicleId, certificateId: answer['certificateId'] ?? '', certificatePem: answer['certificatePem'] ?? '', privateKeyPem, token: answer['certificateOwnershipToken'] };
}

describe('who may connect', () => {
  test('IOT-01: a device connects with its own certificate under its own name, and in no other way', async () => {
    const own = await provisionedDevice(iot(), 'one');
    const other = await provisionedDevice(iot(), 'other');
    expect(await isRefused(own)).toBe(false);
    expect(await isRefused({ ...own, clientId: 'other' })).toBe(true);
    expect(await isRefused({ ...other, clientId: 'one' })).toBe(true);
    expect(await isRefused({ ...own, certificatePem: '', privateKeyPem: '' })).toBe(true);
    expect(await isRefused({ ...own, ...(await foreignCertificate('one')) })).toBe(true);
    expect(await isRefused({ ...own, ...(await foreignCertificate('one', { expired: true })) })).toBe(true);
    expect((await iot().getStatistics({})).refused).toMatchObject({ name: 2, handshake: 1, certificate: 2 });
  });

  test('IOT-01: a device trusts a broker that our authority vouches for, under the name that it dials', async () => {
    const own = await provisionedDevice(iot(), 'careful');
    const port = Number(new URL(own.brokerUrl).port);
    expect(await isRefused({ ...own, brokerUrl: `mqtts://localhost:${port}` })).toBe(false);
    expect(await isRefused({ ...own, authorityPem: (await foreignCertificate('root')).certificatePem })).toBe(true);
  });

  test('IOT-15: an expired certificate of ours does not open a connection, by the clock of TLS or by ours', async () => {
    offsetMs = -6 * 365 * dayMs;
    const old = await provisionedDevice(iot(), 'old');
    offsetMs = 0;
    expect(await isRefused(old)).toBe(true);
    const own = await provisionedDevice(iot(), 'ageing');
    offsetMs = 6 * 365 * dayMs;
    expect(await isRefused(own)).toBe(true);
    expect((await iot().getStatistics({})).refused['expired']).toBe(1);
  });

  test('IOT-15: revoking ends the connection at once, and the certificate opens no other', async () => {
    const own = await provisionedDevice(iot(), 'stolen');
    const closed = closing(await connected(own));
    expect(await iot().revokeCertificate({ params: { certificateId: own.certificateId } })).toMatchObject({ id: own.certificateId, status: 'revoked' });
    await closed;
    expect(await isRefused(own)).toBe(true);
    expect((await iot().getStatistics({})).refused['revoked']).toBe(1);
    await expect(iot().revokeCertificate({ params: { certificateId: 'f'.repeat(64) } })).rejects.toMatchObject({ code: 'not-found' });
  });

  test('IOT-15: a certificate that replaces the others ends them and their connections; one that does not works beside them', async () => {
    const first = await provisionedDevice(iot(), 'rebuilt');
    const beside = await provisionedDevice(iot(), 'rebuilt');
    expect(await isRefused(first)).toBe(false);
    const closed = closing(await connected(beside));
    const replacing = await provisionedDevice(iot(), 'rebuilt', true);
    await closed;
    expect([await isRefused(first), await isRefused(beside), await isRefused(replacing)]).toEqual([true, true, false]);
    expect(await statusOf(beside.certificateId)).toBe('inactive');
  });

  test('IOT-15: a certificate that we have signed but do not know opens nothing', async () => {
    const own = await provisionedDevice(iot(), 'forgotten');
    await sql()`delete from certificates where id = ${own.certificateId}`;
    expect(await isRefused(own)).toBe(true);
  });

  test('IOT-16: only a request that was signed by its own key, of a kind and size that we take, is signed', async () => {
    const { csrPem } = await certificateRequest('picky');
    const bytes = Buffer.from(csrPem.replaceAll(/-----.*-----|\s/g, ''), 'base64');
    bytes[bytes.length - 1] = (bytes.at(-1) ?? 0) ^ 1;
    const forged = `-----BEGIN CERTIFICATE REQUEST-----\n${bytes.toString('base64')}\n-----END CERTIFICATE REQUEST-----`;
    for (const bad of [forged, '', 'no request', csrPem.slice(0, 200), await certificateRequest('weak', { name: 'RSASSA-PKCS1-v1_5', modulusLength: 1024 }), await certificateRequest('odd', { name: 'ECDSA', namedCurve: 'P-384' })]) {
      await expect(iot().issueCertificate({ params: { vehicleId: 'picky' }, body: { csrPem: typeof bad === 'string' ? bad : bad.csrPem } })).rejects.toMatchObject({ code: 'certificate-request-invalid' });
    }
    const strong = await certificateRequest('strong', { name: 'RSASSA-PKCS1-v1_5', modulusLength: 2048 });
    const issued = await iot().issueCertificate({ params: { vehicleId: 'strong' }, body: { csrPem: strong.csrPem } });
    expect(await isRefused({ ...issued, privateKeyPem: strong.privateKeyPem })).toBe(false);
  });
});

describe('provisioning by claim', () => {
  test('IOT-17: a claim asks for a certificate, and may do nothing else; the answer is for the asker alone', async () => {
    const claim = await claimingDevice(iot(), 'factory-1');
    const client = await connected(claim);
    // The same claim in another device, and a name that a vehicle has: both stay.
    const vehicle = await connected(await provisionedDevice(iot(), 'factory-2'));
    const neighbour = await connected({ ...claim, clientId: 'factory-2' });
    const overheard: string[] = [];
    await neighbour.subscribeAsync([`${createTopic}/accepted`, `${registerTopic}/accepted`], { qos: 1 });
    neighbour.on('message', (topic) => overheard.push(topic));
    const device = await pendingDevice(claim, client, 'claimed-1');
    expect(await isRefused(device)).toBe(true);
    expect((await iot().getStatistics({})).refused['pending']).toBe(1);
    expect(await register(client, device.token, 'claimed-1')).toMatchObject({ accepted: true, answer: { thingName: 'claimed-1' } });
    expect(await isRefused(device)).toBe(false);
    expect(overheard).toEqual([]);
    expect(vehicle.connected).toBe(true);
    for (const filter of [topics.commands('factory-1'), topics.unlockKeys, '$aws/things/factory-1/#']) await expect(client.subscribeAsync(filter, { qos: 1 })).rejects.toThrow();
    for (const topic of [topics.state('factory-1'), topics.telemetry('factory-1'), topics.shadow('factory-1', 'get')]) {
      const rogue = await connected(claim);
      const closed = closing(rogue);
      rogue.publish(topic, '{}', { qos: 1 }, () => undefined);
      await closed;
    }
    expect((await sql()`select provisioned_by from things where vehicle_id = 'claimed-1'`)[0]?.['provisionedBy']).toBe(claim.certificateId);
  });

  test('IOT-18: the token works once, for its asker, for the vehicle that the request named, for a quarter of an hour', async () => {
    const claim = await claimingDevice(iot(), 'factory-3');
    const client = await connected(claim);
    const stranger = await connected(await claimingDevice(iot(), 'factory-4'));
    const device = await pendingDevice(claim, client, 'claimed-2');
    const rejected = (errorCode: string) => ({ accepted: false, answer: { errorCode } });
    expect(await register(client, 'guessed', 'claimed-2')).toMatchObject(rejected('InvalidCertificateOwnershipToken'));
    expect(await register(stranger, device.token, 'claimed-2')).toMatchObject(rejected('InvalidCertificateOwnershipToken'));
    expect(await register(client, device.token, 'claimed-2')).toMatchObject({ accepted: true });
    expect(await register(client, device.token, 'claimed-2')).toMatchObject(rejected('InvalidCertificateOwnershipToken'));
    const other = await pendingDevice(claim, client, 'claimed-3');
    expect(await register(client, other.token, 'claimed-4')).toMatchObject(rejected('InvalidParameters'));
    const late = await pendingDevice(claim, client, 'claimed-5');
    offsetMs = 16 * 60_000;
    expect(await register(client, late.token, 'claimed-5')).toMatchObject(rejected('InvalidCertificateOwnershipToken'));
    expect([await isRefused(other), await isRefused(late)]).toEqual([true, true]);
    expect(JSON.stringify(await sql()`select * from certificates where id = ${late.certificateId}`)).not.toContain(late.token ?? 'no token');
  });

  test('IOT-18: what is no request is rejected as AWS IoT does, and the connection stays', async () => {
    const client = await connected(await claimingDevice(iot(), 'factory-5'));
    for (const request of ['', '{', '[]', {}, { certificateSigningRequest: 7 }]) expect(await ask(client, createTopic, request)).toMatchObject({ accepted: false, answer: { statusCode: 400, errorCode: 'InvalidPayload' } });
    expect(await ask(client, createTopic, { certificateSigningRequest: 'x' })).toMatchObject({ accepted: false, answer: { statusCode: 400, errorCode: 'InvalidCertificateSigningRequest' } });
    expect(await ask(client, registerTopic, { certificateOwnershipToken: 'x', parameters: { VehicleId: 'a/b' } })).toMatchObject({ accepted: false, answer: { errorCode: 'InvalidPayload' } });
    expect(client.connected).toBe(true);
  });

  test('IOT-19: a claim does not replace a certificate that is in use; one that was never used it does', async () => {
    const claim = await claimingDevice(iot(), 'factory-6');
    const client = await connected(claim);
    const lost = await pendingDevice(claim, client, 'claimed-6');
    await register(client, lost.token, 'claimed-6');
    // The power went before the device had kept it.
    const second = await pendingDevice(claim, client, 'claimed-6');
    expect(await register(client, second.token, 'claimed-6')).toMatchObject({ accepted: true });
    expect([await isRefused(lost), await isRefused(second)]).toEqual([true, false]);
    await eventually(async () => (await sql()`select 1 from certificates where id = ${second.certificateId} and used_at is not null`).length === 1);
    const impostor = await pendingDevice(claim, client, 'claimed-6');
    expect(await register(client, impostor.token, 'claimed-6')).toMatchObject({ accepted: false, answer: { statusCode: 409, errorCode: 'ResourceConflict' } });
    expect([await isRefused(impostor), await isRefused(second)]).toEqual([true, false]);
  });

  test('IOT-17: for a device that cannot make a key, the platform makes the pair; its name is the client id', async () => {
    const claim = await claimingDevice(iot(), 'claimed-7');
    const client = await connected(claim);
    const { accepted, answer } = await ask(client, '$aws/certificates/create/json', '');
    expect(accepted).toBe(true);
    await register(client, answer['certificateOwnershipToken'], 'claimed-7');
    expect(await isRefused({ ...claim, certificatePem: answer['certificatePem'] ?? '', privateKeyPem: answer['privateKey'] ?? '' })).toBe(false);
  });
});

test('IOT-20: a device gets its next certificate over its connection; the old one ends when the new one is used, not before', async () => {
  const old = await provisionedDevice(iot(), 'rotating');
  const client = await connected(old);
  const { csrPem, privateKeyPem } = await certificateRequest('rotating');
  const { answer } = await ask(client, createTopic, { certificateSigningRequest: csrPem });
  const next = { ...old, certificateId: answer['certificateId'] ?? '', certificatePem: answer['certificatePem'] ?? '', privateKeyPem };
  expect(await register(client, answer['certificateOwnershipToken'], 'rotating')).toMatchObject({ accepted: true, answer: { thingName: 'rotating' } });
  await client.endAsync();
  expect(await isRefused(old)).toBe(false);
  expect(await statusOf(old.certificateId)).toBe('active');
  expect(await isRefused(next)).toBe(false);
  expect(await statusOf(old.certificateId)).toBe('inactive');
  expect([await isRefused(old), await isRefused(next)]).toEqual([true, false]);
});

test('IOT-20: of several next certificates that were not used yet, the last one counts', async () => {
  const old = await provisionedDevice(iot(), 'undecided');
  const client = await connected(old);
  const issued: DeviceIdentity[] = [];
  for (let count = 0; count < 2; count++) {
    const { csrPem, privateKeyPem } = await certificateRequest('undecided');
    const { answer } = await ask(client, createTopic, { certificateSigningRequest: csrPem });
    issued.push({ ...old, certificatePem: answer['certificatePem'] ?? '', privateKeyPem });
  }
  const [first, last] = issued as [DeviceIdentity, DeviceIdentity];
  expect([await isRefused(first), await isRefused(old), await isRefused(last), await isRefused(old)]).toEqual([true, false, false, true]);
});

test('IOT-14: who asks for ever more certificates is cut off', async () => {
  const client = await connected(await claimingDevice(iot(), 'greedy'));
  const closed = closing(client);
  for (let count = 0; count < 21; count++) client.publish(createTopic, '{}', { qos: 1 }, () => undefined);
  await closed;
  expect((await iot().getStatistics({})).refused['flood']).toBe(1);
});

test('IOT-20: a device cannot register for another vehicle, and gets none in the name of another', async () => {
  const client = await connected(await provisionedDevice(iot(), 'ambitious'));
  const { csrPem, privateKeyPem } = await certificateRequest('victim');
  const { answer } = await ask(client, createTopic, { certificateSigningRequest: csrPem });
  expect(await register(client, answer['certificateOwnershipToken'], 'victim')).toMatchObject({ accepted: false, answer: { errorCode: 'InvalidParameters' } });
  const own = await provisionedDevice(iot(), 'ambitious');
  expect(await isRefused({ ...own, clientId: 'victim', certificatePem: answer['certificatePem'] ?? '', privateKeyPem })).toBe(true);
});

describe('the listener', () => {
  const tlsOptions = (given: DeviceIdentity): ConnectionOptions => ({ host: '127.0.0.1', port: Number(new URL(given.brokerUrl).port), cert: given.certificatePem, key: given.privateKeyPem, ca: given.authorityPem });

  test('IOT-23: who comes back resumes its session, which is checked as any other; versions before TLS 1.2 are refused', async () => {
    const own = await provisionedDevice(iot(), 'resuming');
    const first = connectTls(tlsOptions(own));
    const [session] = (await once(first, 'session')) as [Buffer];
    first.destroy();
    const again = await connectDevice(own, { session } as never);
    clients.push(again);
    expect((again.stream as TLSSocket).isSessionReused()).toBe(true);
    await iot().revokeCertificate({ params: { certificateId: own.certificateId } });
    await expect(connectDevice(own, { session } as never)).rejects.toThrow();
    const outdated = connectTls({ ...tlsOptions(own), maxVersion: 'TLSv1.1', minVersion: 'TLSv1.1' });
    await expect(once(outdated, 'secureConnect')).rejects.toThrow();
  });

  test('IOT-22: handshakes begin a few in a turn, in the order of arrival, with only so many under way', async () => {
    const begun: number[] = [];
    const perTurn: number[] = [];
    const sockets = Array.from({ length: 600 }, () => ({ destroyed: false }) as Socket);
    const queue = new HandshakeQueue((socket) => begun.push(sockets.indexOf(socket)));
    for (const socket of sockets) queue.add(socket);
    for (let turn = 0; turn < 100; turn++) {
      const before = begun.length;
      await new Promise((resume) => setImmediate(resume));
      perTurn.push(begun.length - before);
    }
    expect(Math.max(...perTurn)).toBeLessThanOrEqual(8);
    expect(begun).toHaveLength(256);
    for (let count = 0; count < 600; count++) queue.ended();
    await eventually(async () => begun.length === 600);
    expect(begun).toEqual(sockets.map((_, index) => index));
  });

  test('IOT-22: hundreds that come at once all get in, while those who are connected are served', async () => {
    const own = await provisionedDevice(iot(), 'served');
    const client = await connected(own);
    const crowd = await provisionedDevice(iot(), 'crowd');
    let inside = 0;
    const sockets = Array.from({ length: 300 }, () => connectTls(tlsOptions(crowd)).on('session', () => (inside += 1)).on('error', () => undefined));
    let published = 0;
    while (inside < 300) {
      await client.publishAsync(topics.telemetry('served'), 'still here', { qos: 1 });
      published += 1;
    }
    for (const socket of sockets) socket.destroy();
    expect(published).toBeGreaterThan(5);
  });
});

test('IOT-21: authority, certificates and port are the same after a restart; the certificate of the broker is renewed before it ends', async () => {
  const own = await provisionedDevice(iot(), 'patient');
  const before = await sql()`select purpose, certificate_pem from own_certificates order by purpose`;
  expect(before.map((row) => row['purpose'])).toEqual(['authority', 'broker']);
  expect((await running.ports.kv.table<{ port: number }>('iot').get('mqtts-port'))?.value).toEqual({ port: Number(new URL(own.brokerUrl).port) });
  const { keys } = running.ports;
  const options = { keys, clock, own: ownCertificates(sql()), hosts: ['localhost', '127.0.0.1'] };
  const authority = await openAuthority({ ...options, clockAheadMs: 0 });
  expect(authority.pem).toBe(own.authorityPem);
  const kept = await brokerCertificate({ ...options, authority });
  expect(kept.certificatePem).toBe(before[1]?.['certificatePem']);
  expect((await brokerCertificate({ ...options, authority, hosts: ['localhost', 'broker.example'] })).certificatePem).not.toBe(kept.certificatePem);
  const renamed = await brokerCertificate({ ...options, authority });
  offsetMs = 310 * dayMs;
  expect((await brokerCertificate({ ...options, authority })).certificatePem).not.toBe(renamed.certificatePem);
});

test('IOT-31: while the database is away, who is known gets in and is heard; who is not is asked to come again', async () => {
  const known = await provisionedDevice(iot(), 'known');
  const unknown = await provisionedDevice(iot(), 'unknown');
  expect(await isRefused(known)).toBe(false);
  await sql()`alter table certificates rename to certificates_away`;
  try {
    const client = await connected(known);
    await client.publishAsync(topics.telemetry('known'), 'x', { qos: 1 });
    await expect(connectDevice(unknown)).rejects.toMatchObject({ code: 3 });
  } finally {
    await sql()`alter table certificates_away rename to certificates`;
  }
  expect(await isRefused(unknown)).toBe(false);
});
