/** Kafka with TLS, users and rights: each user may do what its module has to, and nothing else. */
import 'reflect-metadata';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as x509 from '@peculiar/x509';
import { AclOperations, AclPermissionTypes, type AclOperationValue, Admin, ResourcePatternTypes, ResourceTypes } from '@platformatic/kafka';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { type Place, type RunningEngine, startEngine } from '../../../tools/engines/engine.ts';
import { kafkaBroker } from '../../../tools/engines/kafka.ts';
import { freePort } from '../free-port.ts';
import { eventsOf, idsOf } from './conformance-events.ts';
import { type KafkaEventLogOptions, openKafkaEventLog } from './kafka.ts';
import type { EventLog } from './port.ts';

const prefix = 'mobility.';
const passwords: Record<string, string> = { admin: 'of-admin', booking: 'of-booking', telemetry: 'of-telemetry' };
const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

let folder: string;
let broker: RunningEngine;
const logs: EventLog[] = [];
const caFile = () => join(folder, 'authority.pem');

/** An authority's certificate, and key with certificate of the broker, in PEM. */
async function writeCertificates(): Promise<void> {
  const own = await crypto.subtle.generateKey(signing, true, ['sign', 'verify']);
  const keys = await crypto.subtle.generateKey(signing, true, ['sign', 'verify']);
  const authority = await x509.X509CertificateGenerator.createSelfSigned({ serialNumber: '01', name: 'CN=authority', keys: own, signingAlgorithm: signing, extensions: [new x509.BasicConstraintsExtension(true, 0, true)] });
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: '02', subject: 'CN=kafka', issuer: authority.subject, publicKey: keys.publicKey, signingKey: own.privateKey, signingAlgorithm: signing,
    extensions: [new x509.SubjectAlternativeNameExtension([{ type: 'ip', value: '127.0.0.1' }])],
  });
  const key = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY');
  await writeFile(caFile(), authority.toString('pem'));
  await writeFile(join(folder, 'broker.pem'), `${key}\n${certificate.toString('pem')}\n`);
}

const propertiesFor = ({ port }: Place, controllerPort: number): Record<string, string> => ({
  'listeners': `SASL_SSL://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
  'advertised.listeners': `SASL_SSL://127.0.0.1:${port}`,
  'inter.broker.listener.name': 'SASL_SSL',
  'sasl.enabled.mechanisms': 'SCRAM-SHA-512',
  'sasl.mechanism.inter.broker.protocol': 'SCRAM-SHA-512',
  'listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config': 'org.apache.kafka.common.security.scram.ScramLoginModule required username="admin" password="of-admin";',
  'ssl.keystore.type': 'PEM', 'ssl.keystore.location': join(folder, 'broker.pem'),
  'ssl.truststore.type': 'PEM', 'ssl.truststore.location': caFile(),
  'authorizer.class.name': 'org.apache.kafka.metadata.authorizer.StandardAuthorizer',
  // The controller's listener knows no users.
  'super.users': 'User:admin;User:ANONYMOUS',
});

const signIn = (user: string, password = passwords[user] ?? '') => ({ tls: { caFile: caFile() }, sasl: { mechanism: 'SCRAM-SHA-512' as const, username: user, password } });

async function open(options: Partial<KafkaEventLogOptions>): Promise<EventLog> {
  const log = await openKafkaEventLog({ brokers: [`127.0.0.1:${broker.place.port}`], prefix, partitions: 4, requestTimeoutMs: 3000, ...options });
  logs.push(log);
  return log;
}

/** What the README says that a module needs: to write its own topics, to read those that it hears, as its own groups. */
async function allow(admin: Admin, module: string, hears: readonly string[]): Promise<void> {
  const grant = (resourceType: 2 | 3, resourceName: string, operations: readonly AclOperationValue[], resourcePatternType: 3 | 4 = ResourcePatternTypes.LITERAL) => operations.map((operation) => ({
    resourceType, resourceName, resourcePatternType, principal: `User:${module}`, host: '*', operation, permissionType: AclPermissionTypes.ALLOW,
  }));
  const { READ, WRITE, CREATE, DESCRIBE, DESCRIBE_CONFIGS } = AclOperations;
  await admin.createAcls({
    creations: [
      ...grant(ResourceTypes.TOPIC, `${prefix}${module}s`, [WRITE, CREATE, DESCRIBE]),
      ...hears.flatMap((topic) => [...grant(ResourceTypes.TOPIC, `${prefix}${topic}`, [READ, DESCRIBE]), ...grant(ResourceTypes.TOPIC, `${prefix}${topic}.dead-letter`, [WRITE, CREATE, DESCRIBE])]),
      ...grant(ResourceTypes.GROUP, `${prefix}${module}`, [READ, DESCRIBE, DESCRIBE_CONFIGS], ResourcePatternTypes.PREFIXED),
    ],
  });
}

const adminOf = () => new Admin({ clientId: 'admin', bootstrapBrokers: [`127.0.0.1:${broker.place.port}`], retries: 0, tls: { ca: authority }, sasl: signIn('admin').sasl });
let authority = '';

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'kafka-secure-'));
  await writeCertificates();
  authority = await readFile(caFile(), 'utf8');
  const engine = kafkaBroker({
    propertiesFor,
    formatArguments: Object.entries(passwords).flatMap(([name, password]) => ['--add-scram', `SCRAM-SHA-512=[name=${name},password=${password}]`]),
    async isReady(address) {
      const admin = new Admin({ clientId: 'admin', bootstrapBrokers: [address], retries: 0, connectTimeout: 2000, tls: { ca: authority }, sasl: signIn('admin').sasl });
      try {
        return (await admin.metadata({ topics: [] })).brokers.size > 0;
      } finally {
        await admin.close();
      }
    },
  });
  broker = await startEngine(engine, { folder: join(folder, 'broker'), port: await freePort() });
  const admin = adminOf();
  await allow(admin, 'booking', []);
  await allow(admin, 'telemetry', ['bookings']);
  await admin.close();
}, 180_000);
afterEach(async () => {
  for (const log of logs.splice(0)) await log.close();
});
afterAll(async () => {
  await broker.kill();
  await rm(folder, { recursive: true });
});

describe('Kafka with TLS, SCRAM and rights', () => {
  test('a module writes its own topics, and another reads them as its own group', async () => {
    const booking = await open(signIn('booking'));
    await booking.append('bookings', eventsOf('one', 5));
    const telemetry = await open(signIn('telemetry'));
    const handled: string[] = [];
    telemetry.subscribe({ group: 'telemetry', topics: ['bookings'], handle: async (events) => void handled.push(...idsOf(events)) });
    await expect.poll(() => handled, { timeout: 20_000 }).toEqual(idsOf(eventsOf('one', 5)));
    await expect.poll(() => telemetry.lag('telemetry', 'bookings'), { timeout: 10_000 }).toBe(0);
  });

  test('what it may not write is refused in words, at once', async () => {
    const booking = await open(signIn('booking'));
    await booking.append('bookings', eventsOf('two', 1));
    const telemetry = await open(signIn('telemetry'));
    await expect(telemetry.append('bookings', eventsOf('two', 1))).rejects.toThrow('Kafka does not allow this program to append to bookings');
    await expect(telemetry.append('payments', eventsOf('two', 1))).rejects.toThrow('Kafka does not allow this program to make the topic payments');
  });

  test('by the name of another group, or what is not for it, a module hears nothing', async () => {
    const booking = await open(signIn('booking'));
    await booking.append('bookings', eventsOf('three', 1));
    const heard: string[] = [];
    booking.subscribe({ group: 'booking', topics: ['bookings'], handle: async (events) => void heard.push(...idsOf(events)) });
    const telemetry = await open(signIn('telemetry'));
    telemetry.subscribe({ group: 'booking', topics: ['bookings'], handle: async (events) => void heard.push(...idsOf(events)) });
    const right: string[] = [];
    telemetry.subscribe({ group: 'telemetry-again', topics: ['bookings'], handle: async (events) => void right.push(...idsOf(events)) });
    await expect.poll(() => right, { timeout: 20_000 }).toContain('three/0');
    expect(heard).toEqual([]);
  });

  test('a wrong password, no user, no TLS and an authority that nobody trusts: none is let in', async () => {
    await expect(open(signIn('booking', 'wrong'))).rejects.toThrow('no Kafka broker answers');
    await expect(open({ tls: { caFile: caFile() } })).rejects.toThrow();
    await expect(open({})).rejects.toThrow();
    await expect(open({ ...signIn('booking'), tls: {} })).rejects.toThrow('no Kafka broker answers');
  });
});
