import 'reflect-metadata';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer } from 'node:tls';
import { PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { Aedes } from 'aedes';
import { generateKeyPair, exportJWK, SignJWT } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { v7 } from 'uuid';
import { iotContract } from '../../server/iot/contract.ts';
import { eventually } from '../../server/program/testing.ts';
import type { AlertMessage, ReportedState } from '../protocol/messages.ts';
import type { UpdateJobDocument } from '../protocol/bundle.ts';
import type { AgentStorage } from '../storage/port.ts';
import type { UpdateOutcome, Updater } from '../update/port.ts';
import { collisionDetector } from '../detection/collision.ts';
import { type Garage, leapingClock, openGarage, type Puppet } from './testing/agents.ts';
import type { Agent } from './agent.ts';

let garage: Garage;
beforeAll(async () => {
  garage = await openGarage();
});
afterAll(() => garage.dispose());

const iot = () => garage.running.client(iotContract);
const numbersOf = (rows: readonly { sequence: number }[]) => rows.map(({ sequence }) => sequence);

function rideFor(agent: Agent, body: Puppet, clock: ReturnType<typeof leapingClock>, seconds: number): void {
  for (let second = 0; second < seconds; second++) {
    clock.leap(1000);
    body.state = { ...body.state, odometerMetres: body.state.odometerMetres + 5 };
    body.ride(5, clock.nowMs());
    agent.advance();
  }
}

describe('telemetry', () => {
  test('EDGE-10: a record a second in motion, one a minute when parked, one at once when something happens', async () => {
    const clock = leapingClock();
    const storage = garage.storage('rhythm');
    const { agent, body } = garage.agent({ identity: await garage.identity('rhythm'), storage, clock });
    rideFor(agent, body, clock, 30);
    agent.close();
    const sampled = storage.recordsAfter(0, 100).length;
    expect([sampled >= 28, sampled <= 34]).toEqual([true, true]);
    const parked = garage.agent({ identity: await garage.identity('parked'), storage: garage.storage('parked'), clock });
    for (let second = 0; second < 600; second++) {
      clock.leap(1000);
      parked.agent.advance();
    }
    parked.agent.close();
    // Ten a minute apart, and those that state reports bring with them.
    expect(garage.storage('parked').recordsAfter(0, 100).length).toBeLessThanOrEqual(22);
  });

  test('EDGE-11: what was sampled without a network arrives whole and in order, before what comes after it', async () => {
    const clock = leapingClock();
    const { agent, body } = garage.agent({ identity: await garage.identity('tunnel'), storage: garage.storage('tunnel'), clock });
    rideFor(agent, body, clock, 1200);
    agent.connect();
    await eventually(async () => agent.isConnected);
    rideFor(agent, body, clock, 2);
    await eventually(async () => {
      agent.advance();
      return agent.isTelemetrySent;
    });
    const numbers = numbersOf(await garage.records('tunnel'));
    expect(numbers.length).toBeGreaterThanOrEqual(1200);
    expect(numbers).toEqual(Array.from({ length: numbers.length }, (_, index) => index + 1));
  });

  test('EDGE-22: a day of records has room, also when five a second are wanted', async () => {
    const clock = leapingClock();
    const storage = garage.storage('room');
    storage.saveDocument('configuration', '{"telemetryMovingSeconds":0.2}');
    const limits = new Set<number>();
    const watched = new Proxy(storage, {
      get(target, name: keyof AgentStorage) {
        if (name !== 'addRecords') return target[name].bind(target);
        return (...[records, keepAtMost]: Parameters<AgentStorage['addRecords']>) => {
          limits.add(keepAtMost);
          return target.addRecords(records, keepAtMost);
        };
      },
    });
    const { agent, body } = garage.agent({ identity: await garage.identity('room'), storage: watched, clock });
    rideFor(agent, body, clock, 3);
    agent.close();
    expect([...limits]).toEqual([5 * 86_400 * 1.25]);
  });

  test('EDGE-12: a number is never used twice, also when the power goes before the disk has the record', async () => {
    const clock = leapingClock();
    const identity = await garage.identity('cut');
    const storage = garage.storage('cut');
    const first = garage.agent({ identity, storage, clock });
    rideFor(first.agent, first.body, clock, 3);
    const used = storage.recordsAfter(0, 100).length;
    // The power goes: nothing is closed.
    const second = garage.agent({ identity, storage, clock });
    rideFor(second.agent, second.body, clock, 3);
    second.agent.close();
    const numbers = numbersOf(storage.recordsAfter(0, 5000));
    expect(new Set(numbers).size).toBe(numbers.length);
    expect(numbers.some((number) => number > 1000)).toBe(true);
    expect(used).toBeGreaterThan(0);
  });
});

describe('alerts', () => {
  test('EDGE-15: an impact is told at once, once, with the motion before it; also later when there is no network', async () => {
    const clock = leapingClock();
    const storage = garage.storage('impact');
    const { agent, body } = garage.agent({ identity: await garage.identity('impact'), storage, clock, detectors: { collision: collisionDetector() } });
    body.ride(6, clock.nowMs());
    const feel = (fromMs: number, count: number, g: number) => {
      for (let index = 0; index < count; index++) body.motion({ timeMs: fromMs + index * 10, accelerationG: [g, 0, 1], rotationDegreesPerSecond: [0, 0, 0] });
    };
    feel(0, 200, 0);
    feel(2000, 6, -9);
    body.ride(0, clock.nowMs());
    feel(2060, 60, 0);
    expect(agent.unsentMessages).toBeGreaterThan(0);
    agent.connect();
    const alerts = await eventually(async () => {
      const found = await garage.eventsOf('vehicles', 'vehicles.alert-raised', 'impact');
      return found.length > 0 && agent.unsentMessages === 0 && found;
    });
    expect(alerts).toHaveLength(1);
    const alert = alerts[0]?.data as AlertMessage;
    expect(alert).toMatchObject({ kind: 'collision', decidedBy: 'rule', vehicleId: 'impact', speedMetresPerSecond: 6 });
    expect(alert.peakG).toBeGreaterThan(9);
    expect(alert.motion?.length).toBeGreaterThan(200);
    expect(alert.motion?.filter(({ accelerationG }) => accelerationG[0] < -8).length).toBeGreaterThanOrEqual(1);
  });
});

describe('the clock', () => {
  async function tokenAt(issuedAtMs: number, vehicleId: string) {
    const { privateKey, publicKey } = await generateKeyPair('EdDSA', { extractable: true });
    const issuedAt = Math.floor(issuedAtMs / 1000);
    const token = await new SignJWT({ bookingId: v7() }).setProtectedHeader({ alg: 'EdDSA', kid: 'k', typ: 'unlock+jwt' }).setSubject(v7()).setAudience(vehicleId).setJti(v7()).setIssuedAt(issuedAt).setExpirationTime(issuedAt + 60).sign(privateKey);
    return { token, keys: { keys: [{ ...(await exportJWK(publicKey)), kid: 'k' }] } };
  }

  test('EDGE-30: a clock a year behind or ahead is set by what the platform says; until then records say that they are unsure', async () => {
    for (const [name, aheadMs] of [['behind', -365 * 86_400_000], ['ahead', 365 * 86_400_000]] as const) {
      const clock = leapingClock(aheadMs);
      const { agent } = garage.agent({ identity: await garage.identity(name), storage: garage.storage(name), clock });
      agent.report();
      agent.connect();
      await eventually(async () => agent.clock.isSure);
      // What is due each minute still is, whichever way the time of day was set.
      const { sequence } = agent.memory;
      for (let minute = 0; minute < 5; minute++) {
        agent.advance();
        clock.leap(60_000);
      }
      expect(agent.memory.sequence).toBeGreaterThanOrEqual(sequence + 4);
      await eventually(async () => {
        agent.advance();
        return (await garage.records(name)).some(({ clockUnsure }) => !clockUnsure);
      });
      const records = await garage.records(name);
      expect(records[0]?.clockUnsure).toBe(true);
      expect(Math.abs((records.findLast(({ clockUnsure }) => !clockUnsure)?.timeMs ?? 0) - Date.now())).toBeLessThan(400_000);
    }
  });

  test('EDGE-31: a clock that is behind is moved on by the moment of a token that the platform has signed; an older token then does not open', async () => {
    const { agent } = garage.agent({ identity: await garage.identity('dead-battery'), storage: garage.storage('dead-battery'), clock: leapingClock(-Date.now() + 1000) });
    const now = await tokenAt(Date.now(), 'dead-battery');
    agent.useUnlockKeys(now.keys);
    expect(await agent.presentToken(now.token)).toMatchObject({ accepted: true });
    const before = await tokenAt(Date.now() - 3_600_000, 'dead-battery');
    agent.useUnlockKeys(before.keys);
    expect(await agent.presentToken(before.token)).toEqual({ accepted: false, reason: 'expired' });
  });
});

describe('shadow', () => {
  test('EDGE-40: the vehicle reports itself, and takes the configuration that is wanted, also after a power cut', async () => {
    const clock = leapingClock();
    const identity = await garage.identity('shadow');
    const storage = garage.storage('shadow');
    const { agent } = garage.agent({ identity, storage, clock, trustsOwnClock: true });
    agent.connect();
    const reported = async () => (await iot().getShadow({ params: { vehicleId: 'shadow' }, query: {} })).state.reported;
    await eventually(async () => (await reported().catch(() => undefined))?.['bootCount'] === 1);
    await iot().updateDesired({ params: { vehicleId: 'shadow' }, query: {}, body: { desired: { configuration: { telemetryMovingSeconds: 5, nonsense: true } } } });
    await eventually(async () => JSON.stringify((await reported())?.['configuration']) === '{"telemetryMovingSeconds":5}');
    agent.close();
    await iot().updateDesired({ params: { vehicleId: 'shadow' }, query: {}, body: { desired: { configuration: { telemetryParkedSeconds: 120 } } } });
    const again = garage.agent({ identity, storage, clock, trustsOwnClock: true });
    again.agent.connect();
    await eventually(async () => {
      const { telemetryMovingSeconds, telemetryParkedSeconds } = ((await reported())?.['configuration'] ?? {}) as Record<string, number>;
      return telemetryMovingSeconds === 5 && telemetryParkedSeconds === 120;
    });
    expect(storage.document('configuration')).toContain('120');
    again.agent.close();
  });
});

describe('jobs', () => {
  const document: UpdateJobDocument = { operation: 'update', manifest: 'signed', archiveUrl: 'http://localhost/archive' };

  function updaterWith(outcomes: (UpdateOutcome | 'restart-needed')[]): Updater & { ran: string[]; healthy: number } {
    return {
      ran: [], healthy: 0,
      async run({ manifest }, report) {
        this.ran.push(manifest);
        await report({ step: 'downloading' });
        return outcomes.shift() ?? { status: 'FAILED', details: {} };
      },
      pendingOutcome: () => undefined,
      async markHealthy() {
        this.healthy += 1;
      },
      installed: () => ({ software: { version: '1.0.0', slot: 'a' }, models: {}, zonesVersion: undefined }),
    };
  }

  test('EDGE-41: a job that waited is done when the vehicle comes, and its outcome told; a document that is no update is rejected', async () => {
    await iot().createJob({ params: { jobId: 'edge-odd' }, body: { document: { operation: 'dance' }, vehicleIds: ['worker'] } });
    await iot().createJob({ params: { jobId: 'edge-1' }, body: { document, vehicleIds: ['worker'] } });
    const updater = updaterWith([{ status: 'SUCCEEDED', details: { version: '2.0.0' } }]);
    const { agent } = garage.agent({ identity: await garage.identity('worker'), storage: garage.storage('worker'), updater });
    agent.connect();
    const executionOf = async (jobId: string) => (await iot().listJobExecutions({ params: { jobId }, query: {} })).items[0];
    await eventually(async () => (await executionOf('edge-1'))?.status === 'SUCCEEDED');
    expect(await executionOf('edge-1')).toMatchObject({ statusDetails: { version: '2.0.0' } });
    expect(await executionOf('edge-odd')).toMatchObject({ status: 'REJECTED' });
    expect([updater.ran, updater.healthy]).toEqual([['signed'], 1]);
    await iot().createJob({ params: { jobId: 'edge-2' }, body: { document, vehicleIds: ['worker'] } });
    await eventually(async () => (await executionOf('edge-2'))?.status === 'FAILED');
  });

  test('EDGE-42: new firmware asks for a start, is marked healthy when it has connected, and only then says how it went', async () => {
    await iot().createJob({ params: { jobId: 'edge-firmware' }, body: { document, vehicleIds: ['phoenix'] } });
    const identity = await garage.identity('phoenix');
    const storage = garage.storage('phoenix');
    let restarts = 0;
    const before = garage.agent({ identity, storage, updater: updaterWith(['restart-needed']), onRestartNeeded: () => void (restarts += 1) });
    before.agent.connect();
    await eventually(async () => restarts === 1);
    before.agent.close();
    expect((await iot().listJobExecutions({ params: { jobId: 'edge-firmware' }, query: {} })).items[0]?.status).toBe('IN_PROGRESS');
    const updater = updaterWith([{ status: 'SUCCEEDED', details: {} }]);
    const after = garage.agent({ identity, storage, updater });
    after.agent.connect();
    await eventually(async () => (await iot().listJobExecutions({ params: { jobId: 'edge-firmware' }, query: {} })).items[0]?.status === 'SUCCEEDED');
    expect(updater.healthy).toBe(1);
  });
});

describe('commands', () => {
  test('EDGE-05: a moving vehicle is not disabled; a disabled one does not open until it is enabled', async () => {
    const clock = leapingClock();
    const { agent, body } = garage.agent({ identity: await garage.identity('disabled'), storage: garage.storage('disabled'), clock, trustsOwnClock: true });
    agent.connect();
    await eventually(async () => agent.isConnected);
    const send = async (kind: 'disable' | 'enable' | 'unlock' | 'locate') => {
      const commandId = v7();
      await iot().deliverCommand({ body: { vehicleId: 'disabled', message: { commandId, kind, bookingId: kind === 'unlock' ? v7() : null, riderId: null, issuedAt: clock.now().toISOString(), expiresAt: new Date(clock.nowMs() + 60_000).toISOString() } } });
      return eventually(async () => {
        const reports = (await garage.eventsOf('vehicles', 'vehicles.state-reported', 'disabled')).map(({ data }) => data as ReportedState);
        return reports.flatMap(({ commandResults }) => commandResults).find((result) => result.commandId === commandId);
      });
    };
    body.ride(4, clock.nowMs());
    expect(await send('disable')).toMatchObject({ outcome: 'refused', reason: 'moving' });
    body.ride(0, clock.nowMs());
    expect(await send('disable')).toMatchObject({ outcome: 'done' });
    expect(await send('unlock')).toMatchObject({ outcome: 'refused', reason: 'disabled' });
    expect(await send('locate')).toMatchObject({ outcome: 'done' });
    // On a tow, without a fix: only the wheels say it.
    body.state = { ...body.state, wheelSpeedMetresPerSecond: 4 };
    expect(await send('enable')).toMatchObject({ outcome: 'refused', reason: 'moving' });
    body.state = { ...body.state, wheelSpeedMetresPerSecond: 0 };
    expect(await send('enable')).toMatchObject({ outcome: 'done' });
    expect(await send('unlock')).toMatchObject({ outcome: 'done' });
    body.ride(4, clock.nowMs());
    body.state = { ...body.state, wheelSpeedMetresPerSecond: 0 };
    expect(await send('disable')).toMatchObject({ outcome: 'refused', reason: 'moving' });
    // The garage swallowed the satellites; what the last fix said is long ago.
    clock.leap(10_000);
    expect(await send('disable')).toMatchObject({ outcome: 'done' });
    expect(body.done).toEqual(['disabled', 'signal', 'enabled', 'unlocked', 'disabled']);
  });
});

describe('faults', () => {
  /** A disk that takes nothing while it is full; what is on it can be read. */
  function fillable(storage: AgentStorage): { storage: AgentStorage; fill(isFull: boolean): void } {
    let full = false;
    const writing: readonly (keyof AgentStorage)[] = ['write', 'forget', 'saveDocument', 'addRecords', 'acknowledgeRecords'];
    const proxy = new Proxy(storage, {
      get(target, name: keyof AgentStorage) {
        if (!full || !writing.includes(name)) return target[name].bind(target);
        return () => {
          throw new Error('database or disk is full');
        };
      },
    });
    return { storage: proxy, fill: (isFull) => void (full = isFull) };
  }

  test('EDGE-25: on a full disk the agent goes on and says so once; reports wait in memory and arrive, and are on the disk when there is room again', async () => {
    const clock = leapingClock();
    const disk = fillable(garage.storage('full'));
    const troubles: string[] = [];
    const { agent, body } = garage.agent({ identity: await garage.identity('full'), storage: disk.storage, clock, onTrouble: (trouble) => troubles.push(trouble) });
    disk.fill(true);
    rideFor(agent, body, clock, 20);
    agent.report();
    const lastHeld = agent.memory.sequence;
    expect(troubles.filter((trouble) => trouble.includes('the disk takes nothing'))).toHaveLength(1);
    expect(troubles.filter((trouble) => trouble.includes('telemetry cannot be written'))).toHaveLength(1);
    expect(disk.storage.unsent('state')).not.toContain(lastHeld);
    agent.connect();
    const numbersHeard = async () => (await garage.eventsOf('vehicles', 'vehicles.state-reported', 'full')).map(({ data }) => (data as ReportedState).sequence);
    // Heard there, and told so here.
    await eventually(async () => (await numbersHeard()).includes(lastHeld) && agent.unsentMessages === 0);
    agent.disconnect();
    agent.report();
    const afterwards = agent.memory.sequence;
    disk.fill(false);
    agent.report();
    expect(disk.storage.unsent('state')).toEqual([afterwards, afterwards + 1]);
    rideFor(agent, body, clock, 10);
    agent.close();
    expect(numbersOf(disk.storage.recordsAfter(0, 1000))).toContain(1);
  });

  test('EDGE-26: telemetry that a full disk does not take is given up from the oldest on beyond a thousand, and what is left arrives', async () => {
    const clock = leapingClock();
    const disk = fillable(garage.storage('flood'));
    const { agent, body } = garage.agent({ identity: await garage.identity('flood'), storage: disk.storage, clock });
    disk.fill(true);
    rideFor(agent, body, clock, 1500);
    disk.fill(false);
    rideFor(agent, body, clock, 10);
    agent.close();
    const kept = numbersOf(disk.storage.recordsAfter(0, 5000));
    expect([kept.length > 1000, kept.length < 1100]).toEqual([true, true]);
    expect(kept).toEqual(Array.from({ length: kept.length }, (_, index) => (kept[0] ?? 0) + index));
    expect(agent.droppedRecords).toBe((kept[0] ?? 0) - 1);
  });

  test('EDGE-45: what is no key set, no command and no answer changes nothing, and the agent stays up', async () => {
    const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
    const authorityPem = (await X509CertificateGenerator.createSelfSigned({ name: 'CN=localhost', keys, signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' }, extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])] })).toString('pem');
    const broker = await Aedes.createBroker();
    const server = createServer({ cert: authorityPem, key: PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY') }, broker.handle);
    await once(server.listen(0, 'localhost'), 'listening');
    const brokerUrl = `mqtts://localhost:${(server.address() as AddressInfo).port}`;
    const storage = garage.storage('rubbish');
    const { agent } = garage.agent({ identity: { ...(await garage.identity('rubbish')), brokerUrl, authorityPem }, storage });
    const old = JSON.stringify({ keys: [{ kid: 'old' }] });
    agent.useUnlockKeys(JSON.parse(old));
    agent.connect();
    await eventually(async () => agent.isConnected);
    const send = (topic: string, payload: string | Buffer) => new Promise<void>((resolve, reject) => broker.publish({ cmd: 'publish', topic, payload, qos: 1, retain: false, dup: false }, (error) => (error ? reject(error) : resolve())));
    const things = ['shadow/update/delta', 'shadow/get/accepted', 'shadow/get/rejected', 'jobs/notify-next', 'jobs/start-next/accepted'].map((rest) => `$aws/things/rubbish/${rest}`);
    for (const topic of ['vehicles/rubbish/commands', 'platform/unlock-keys', ...things]) {
      for (const payload of ['', 'null', '3', '{', '[]', '"x"', '{"keys":3}', '{"state":{"configuration":{"telemetryMovingSeconds":"soon"}}}', Buffer.from([0xff, 0, 0xfe])]) await send(topic, payload);
    }
    // In order: when the command has been obeyed, all of that has been heard.
    const commandId = v7();
    await send('vehicles/rubbish/commands', JSON.stringify({ commandId, kind: 'locate', bookingId: null, riderId: null, issuedAt: new Date().toISOString(), expiresAt: new Date(Date.now() + 60_000).toISOString() }));
    await eventually(async () => agent.memory.executed.length > 0);
    expect(agent.memory.executed).toEqual([{ commandId, outcome: 'done' }]);
    expect([agent.isConnected, storage.document('unlock-keys'), storage.document('configuration')]).toEqual([true, old, undefined]);
    agent.close();
    await new Promise<void>((resolve) => broker.close(() => server.close(() => resolve())));
  });
});
