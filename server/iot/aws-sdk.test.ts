/** The official device SDK of AWS IoT, unchanged, against our broker: shadows, jobs and fleet provisioning. */
import { once } from 'node:events';
import { iot, iotidentity, iotjobs, iotshadow, mqtt } from 'aws-iot-device-sdk-v2';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually, startModules, type TestProcess } from '../program/testing.ts';
import type { Client } from '../wire/contract.ts';
import { iotContract } from './contract.ts';
import { iotModule } from './module.ts';
import { certificateRequest, claimingDevice, type DeviceIdentity, provisionedDevice } from './testing/device.ts';

const { JobStatus } = iotjobs.model;
const thing = 'aws-thing';
let running: TestProcess;
let core: Client<typeof iotContract.operations>;
const open: mqtt.MqttClientConnection[] = [];

async function connect(device: DeviceIdentity): Promise<mqtt.MqttClientConnection> {
  const { hostname, port } = new URL(device.brokerUrl);
  const config = iot.AwsIotMqttConnectionConfigBuilder.new_mtls_builder(device.certificatePem, device.privateKeyPem)
    .with_certificate_authority(device.authorityPem).with_endpoint(hostname).with_port(Number(port)).with_client_id(device.clientId).with_clean_session(true).build();
  const connection = new mqtt.MqttClient().new_connection(config);
  await connection.connect();
  open.push(connection);
  return connection;
}

let connection: mqtt.MqttClientConnection;

beforeAll(async () => {
  running = await startModules([iotModule]);
  core = running.client(iotContract);
  connection = await connect(await provisionedDevice(core, thing));
});
afterAll(async () => {
  for (const each of open) await each.disconnect();
  await running.dispose();
});

const options = { maxRequestResponseSubscriptions: 12, maxStreamingSubscriptions: 4, operationTimeoutInSeconds: 10 };

describe('shadow', () => {
  test('IOT-50: the SDK gets, updates and deletes a shadow, classic and named', async () => {
    const shadows = iotshadow.IotShadowClientv2.newFromMqtt311(connection, options);
    try {
      await expect(shadows.getShadow({ thingName: thing })).rejects.toMatchObject({ modeledError: { code: 404 } });
      const first = await shadows.updateShadow({ thingName: thing, state: { desired: { light: 'on' }, reported: { light: 'off', colour: { red: 1 } } } });
      expect(first).toMatchObject({ version: 1, state: { desired: { light: 'on' } } });
      expect(first.metadata?.reported).toMatchObject({ colour: { red: { timestamp: expect.any(Number) as number } } });
      expect(await shadows.getShadow({ thingName: thing })).toMatchObject({ version: 1, state: { desired: { light: 'on' }, reported: { light: 'off', colour: { red: 1 } }, delta: { light: 'on' } } });
      await shadows.updateNamedShadow({ thingName: thing, shadowName: 'seat', state: { reported: { heated: true } } });
      expect(await shadows.getNamedShadow({ thingName: thing, shadowName: 'seat' })).toMatchObject({ version: 1, state: { reported: { heated: true } } });
      await shadows.deleteShadow({ thingName: thing });
      await expect(shadows.getShadow({ thingName: thing })).rejects.toMatchObject({ modeledError: { code: 404 } });
      // The version goes on where it was.
      expect(await shadows.updateShadow({ thingName: thing, state: { reported: { light: 'off' } } })).toMatchObject({ version: 2 });
    } finally {
      shadows.close();
    }
  });

  test('IOT-52: an update with another version is a conflict, and changes nothing', async () => {
    const shadows = iotshadow.IotShadowClientv2.newFromMqtt311(connection, options);
    try {
      const { version } = await shadows.updateNamedShadow({ thingName: thing, shadowName: 'versions', state: { reported: { a: 1 } } });
      await expect(shadows.updateNamedShadow({ thingName: thing, shadowName: 'versions', version: 99, state: { reported: { a: 2 } } })).rejects.toMatchObject({ modeledError: { code: 409 } });
      expect(await shadows.updateNamedShadow({ thingName: thing, shadowName: 'versions', ...(version !== undefined && { version }), state: { reported: { a: 3 } } })).toMatchObject({ version: 2 });
    } finally {
      shadows.close();
    }
  });

  test('IOT-53: what staff want reaches the device as a delta and as documents', async () => {
    const shadows = iotshadow.IotShadowClientv2.newFromMqtt311(connection, options);
    const deltas = shadows.createNamedShadowDeltaUpdatedStream({ thingName: thing, shadowName: 'pace' });
    const documents = shadows.createNamedShadowUpdatedStream({ thingName: thing, shadowName: 'pace' });
    const [heard, seen]: [iotshadow.model.ShadowDeltaUpdatedEvent[], iotshadow.model.ShadowUpdatedEvent[]] = [[], []];
    deltas.on('incomingPublish', ({ message }) => heard.push(message));
    documents.on('incomingPublish', ({ message }) => seen.push(message));
    const established = [deltas, documents].map((stream) => once(stream, 'subscriptionStatus'));
    deltas.open();
    documents.open();
    await Promise.all(established);
    try {
      await core.updateDesired({ params: { vehicleId: thing }, query: { name: 'pace' }, body: { desired: { seconds: 5 } } });
      await eventually(async () => heard.length === 1 && seen.length === 1);
      expect(heard[0]).toMatchObject({ state: { seconds: 5 }, version: 1, metadata: { seconds: { timestamp: expect.any(Number) as number } } });
      expect(seen[0]).toMatchObject({ current: { version: 1, state: { desired: { seconds: 5 } } } });
      await shadows.updateNamedShadow({ thingName: thing, shadowName: 'pace', state: { reported: { seconds: 5 } } });
      await eventually(async () => seen.length === 2);
      expect(heard).toHaveLength(1);
      expect((await core.getShadow({ params: { vehicleId: thing }, query: { name: 'pace' } })).state).toEqual({ desired: { seconds: 5 }, reported: { seconds: 5 } });
    } finally {
      deltas.close();
      documents.close();
      shadows.close();
    }
  });
});

describe('jobs', () => {
  test('IOT-60: the SDK finds, starts, describes and finishes a job, and hears of it', async () => {
    const jobs = iotjobs.IotJobsClientv2.newFromMqtt311(connection, options);
    const next = jobs.createNextJobExecutionChangedStream({ thingName: thing });
    const heard: iotjobs.model.NextJobExecutionChangedEvent[] = [];
    next.on('incomingPublish', ({ message }) => heard.push(message));
    const established = once(next, 'subscriptionStatus');
    next.open();
    await established;
    try {
      expect(await jobs.startNextPendingJobExecution({ thingName: thing })).not.toHaveProperty('execution.jobId');
      await core.createJob({ params: { jobId: 'job-1' }, body: { document: { operation: 'blink' }, vehicleIds: [thing] } });
      await eventually(async () => heard.some(({ execution }) => execution?.jobId === 'job-1'));
      expect(await jobs.getPendingJobExecutions({ thingName: thing })).toMatchObject({ queuedJobs: [{ jobId: 'job-1', versionNumber: 1 }], inProgressJobs: [] });
      const { execution } = await jobs.startNextPendingJobExecution({ thingName: thing });
      expect(execution).toMatchObject({ jobId: 'job-1', status: 'IN_PROGRESS', versionNumber: 2, jobDocument: { operation: 'blink' } });
      expect(await jobs.describeJobExecution({ thingName: thing, jobId: 'job-1' })).toMatchObject({ execution: { jobId: 'job-1', status: 'IN_PROGRESS' } });
      await expect(jobs.updateJobExecution({ thingName: thing, jobId: 'job-1', status: JobStatus.SUCCEEDED, expectedVersion: 9 })).rejects.toMatchObject({ modeledError: { code: 'VersionMismatch', executionState: { versionNumber: 2 } } });
      await jobs.updateJobExecution({ thingName: thing, jobId: 'job-1', status: JobStatus.SUCCEEDED, expectedVersion: 2, statusDetails: { blinked: 'twice' } });
      await expect(jobs.updateJobExecution({ thingName: thing, jobId: 'job-1', status: JobStatus.FAILED })).rejects.toMatchObject({ modeledError: { code: 'TerminalStateReached' } });
      await expect(jobs.describeJobExecution({ thingName: thing, jobId: 'job-none' })).rejects.toMatchObject({ modeledError: { code: 'ResourceNotFound' } });
      expect((await core.listJobExecutions({ params: { jobId: 'job-1' }, query: {} })).items).toMatchObject([{ vehicleId: thing, status: 'SUCCEEDED', statusDetails: { blinked: 'twice' } }]);
    } finally {
      next.close();
      jobs.close();
    }
  });
});

describe('fleet provisioning', () => {
  test('IOT-17: the SDK provisions a new thing with a claim certificate', async () => {
    const claim = await connect(await claimingDevice(core, 'sdk-claim'));
    const identity = iotidentity.IotIdentityClientv2.newFromMqtt311(claim, options);
    try {
      const { csrPem, privateKeyPem } = await certificateRequest('from-the-factory');
      const { certificatePem = '', certificateId = '', certificateOwnershipToken = '' } = await identity.createCertificateFromCsr({ certificateSigningRequest: csrPem });
      const registered = await identity.registerThing({ templateName: 'vehicle', certificateOwnershipToken, parameters: { VehicleId: 'from-the-factory' } });
      expect(registered).toMatchObject({ thingName: 'from-the-factory' });
      await expect(identity.registerThing({ templateName: 'vehicle', certificateOwnershipToken: 'made up', parameters: { VehicleId: 'another' } })).rejects.toMatchObject({ modeledError: { statusCode: 403 } });
      const known = await claimingDevice(core, 'unused');
      await connect({ ...known, clientId: 'from-the-factory', certificateId, certificatePem, privateKeyPem });
      expect(await eventually(async () => (await core.getDevice({ params: { vehicleId: 'from-the-factory' } })).connected)).toBe(true);
    } finally {
      identity.close();
    }
  });
});
