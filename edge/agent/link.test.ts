import 'reflect-metadata';
import { once } from 'node:events';
import { type AddressInfo, createServer as createTcpServer, type Socket } from 'node:net';
import { createServer, type TLSSocket } from 'node:tls';
import { BasicConstraintsExtension, ExtendedKeyUsage, ExtendedKeyUsageExtension, PemConverter, SubjectAlternativeNameExtension, X509CertificateGenerator } from '@peculiar/x509';
import { Aedes } from 'aedes';
import { afterEach, expect, test } from 'vitest';
import type { Identity } from '../storage/port.ts';
import { VehicleClock } from './clock.ts';
import { DeviceLink, openClient, type Validity } from './link.ts';

const yearMs = 365 * 86_400_000;
const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const keyPair = () => crypto.subtle.generateKey(signing, true, ['sign', 'verify']);
const privatePem = async ({ privateKey }: Awaited<ReturnType<typeof keyPair>>) => PemConverter.encode(await crypto.subtle.exportKey('pkcs8', privateKey), 'PRIVATE KEY');
const servers: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of servers.splice(0)) await close();
});

async function newAuthority() {
  const keys = await keyPair();
  // Older than any of the clocks here.
  const certificate = await X509CertificateGenerator.createSelfSigned({ name: 'CN=authority', keys, signingAlgorithm: signing, notBefore: new Date(0), notAfter: new Date(Date.now() + 20 * yearMs), extensions: [new BasicConstraintsExtension(true)] });
  return { keys, certificate };
}
type Authority = Awaited<ReturnType<typeof newAuthority>>;

interface Shown {
  fromMs: number;
  toMs: number;
  host?: string;
  usage?: ExtendedKeyUsage;
}

/** A broker that shows such a certificate. @returns who a vehicle would be towards it */
async function broker({ keys, certificate }: Authority, { fromMs, toMs, host = 'localhost', usage = ExtendedKeyUsage.serverAuth }: Shown): Promise<Identity> {
  const own = await keyPair();
  const cert = (await X509CertificateGenerator.create({
    subject: `CN=${host}`, issuer: certificate.subject, publicKey: own.publicKey, signingKey: keys.privateKey, signingAlgorithm: signing, notBefore: new Date(fromMs), notAfter: new Date(toMs),
    extensions: [new SubjectAlternativeNameExtension([{ type: 'dns', value: host }]), new ExtendedKeyUsageExtension([usage])],
  })).toString('pem');
  const key = await privatePem(own);
  const mqtt = await Aedes.createBroker();
  const sockets = new Set<TLSSocket>();
  const server = createServer({ cert, key }, (socket) => {
    sockets.add(socket.on('error', () => undefined));
    mqtt.handle(socket);
  });
  await once(server.listen(0, 'localhost'), 'listening');
  servers.push(() => new Promise((resolve) => {
    for (const socket of sockets) socket.destroy();
    mqtt.close(() => server.close(() => resolve()));
  }));
  return { vehicleId: 'v', brokerUrl: `mqtts://localhost:${(server.address() as AddressInfo).port}`, certificatePem: cert, privateKeyPem: key, authorityPem: certificate.toString('pem') };
}

async function outcome(identity: Identity, validity: Validity): Promise<unknown> {
  const client = openClient(identity, 'v', validity);
  try {
    return await new Promise((resolve) => client.once('connect', () => resolve('connected')).once('error', (error) => resolve('code' in error ? error.code : error)));
  } finally {
    client.end(true);
  }
}

/** As an agent's clock judges that has not heard what time it is, but that it is not earlier than this. */
const unsure = (atLeastMs = 0): Validity => {
  const clock = new VehicleClock({ nowMs: () => 1000, now: () => new Date(1000) }, atLeastMs, false);
  return (fromMs, toMs) => clock.isWithin(fromMs, toMs);
};
const sure: Validity = (fromMs, toMs) => fromMs <= Date.now() && Date.now() <= toMs;

test('EDGE-32: who does not know the time finds the broker although its certificate is, by the clock of the machine, not valid yet or any more', async () => {
  const authority = await newAuthority();
  const notYet = await broker(authority, { fromMs: Date.now() + yearMs, toMs: Date.now() + 2 * yearMs });
  const over = await broker(authority, { fromMs: Date.now() - 2 * yearMs, toMs: Date.now() - yearMs });
  const valid = await broker(authority, { fromMs: Date.now() - yearMs, toMs: Date.now() + yearMs });
  expect([await outcome(notYet, unsure()), await outcome(over, unsure()), await outcome(valid, unsure()), await outcome(valid, sure)]).toEqual(['connected', 'connected', 'connected', 'connected']);
  expect([await outcome(notYet, sure), await outcome(over, sure)]).toEqual(['ERR_NOT_THE_BROKER', 'ERR_NOT_THE_BROKER']);
  // It ended before something that this vehicle is certain of.
  expect(await outcome(over, unsure(Date.now() - yearMs + 60_000))).toBe('ERR_NOT_THE_BROKER');
});

test('EDGE-32: nothing but the dates is forgiven: another authority, another host, a certificate of a vehicle', async () => {
  const [authority, other] = [await newAuthority(), await newAuthority()];
  for (const dates of [{ fromMs: Date.now() - 2 * yearMs, toMs: Date.now() - yearMs }, { fromMs: Date.now() - yearMs, toMs: Date.now() + yearMs }]) {
    const foreign = { ...(await broker(other, dates)), authorityPem: authority.certificate.toString('pem') };
    const elsewhere = await broker(authority, { ...dates, host: 'elsewhere.example' });
    const vehicle = await broker(authority, { ...dates, usage: ExtendedKeyUsage.clientAuth });
    for (const identity of [foreign, elsewhere, vehicle]) expect(await outcome(identity, unsure())).toBe('ERR_NOT_THE_BROKER');
  }
});

test('a link that is cut before the broker has answered leaves no timer behind, which would keep its process alive for half a minute', async () => {
  const sockets = new Set<Socket>();
  const silent = createTcpServer((socket) => void sockets.add(socket));
  await once(silent.listen(0, 'localhost'), 'listening');
  servers.push(() => new Promise((resolve) => {
    for (const socket of sockets) socket.destroy();
    silent.close(() => resolve());
  }));
  const timers = () => process.getActiveResourcesInfo().filter((name) => name === 'Timeout').length;
  const before = timers();
  const told = () => undefined;
  const link = new DeviceLink({
    identity: { vehicleId: 'v', brokerUrl: `mqtts://localhost:${(silent.address() as AddressInfo).port}`, certificatePem: '', privateKeyPem: '', authorityPem: '' },
    subscriptions: [], random: () => 0, validity: sure, events: { connected: told, disconnected: told, message: told, refused: told },
  });
  link.connect();
  await once(silent, 'connection');
  expect(timers()).toBeGreaterThan(before);
  link.disconnect();
  await expect.poll(timers).toBe(before);
});
