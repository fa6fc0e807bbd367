/** Devices for tests: keys, certificate requests, certificates of ours and of others, and connections with the `mqtt` client. */
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import mqtt, { type IClientOptions, type MqttClient } from 'mqtt';
import type { CryptoKey } from 'jose';
import { systemClock } from '../../infra/clock/system.ts';
import type { Client } from '../../wire/contract.ts';
import { iotContract } from '../contract.ts';

/** What a device connects with. */
export interface DeviceIdentity {
  clientId: string;
  brokerUrl: string;
  certificateId: string;
  certificatePem: string;
  privateKeyPem: string;
  authorityPem: string;
  unlockKeys?: { keys: Record<string, unknown>[] };
}

type Iot = Client<typeof iotContract.operations>;
const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };

/** A key pair of its own and the request for a certificate. @param commonName what it asks to be called */
export async function certificateRequest(commonName: string, key: { name: string; namedCurve?: string; modulusLength?: number } = signing): Promise<{ csrPem: string; privateKeyPem: string }> {
  const algorithm = { ...key, hash: 'SHA-256', publicExponent: new Uint8Array([1, 0, 1]) };
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as { privateKey: CryptoKey; publicKey: CryptoKey };
  const csr = await x509.Pkcs10CertificateRequestGenerator.create({ name: [{ CN: [commonName] }], keys, signingAlgorithm: algorithm });
  return { csrPem: csr.toString('pem'), privateKeyPem: x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY') };
}

/** A device as staff provision it. */
export async function provisionedDevice(iot: Iot, vehicleId: string, replaceOthers = false): Promise<DeviceIdentity> {
  const { csrPem, privateKeyPem } = await certificateRequest(vehicleId);
  return { ...(await iot.issueCertificate({ params: { vehicleId }, body: { csrPem, replaceOthers } })), privateKeyPem };
}

/** A device that has only a claim yet. */
export async function claimingDevice(iot: Iot, clientId: string): Promise<DeviceIdentity> {
  const { csrPem, privateKeyPem } = await certificateRequest('claim');
  return { clientId, ...(await iot.issueClaim({ body: { csrPem, name: 'for tests' } })), privateKeyPem };
}

/** The same names by nobody's authority. @param expired ended yesterday */
export async function foreignCertificate(commonName: string, { expired = false }: { expired?: boolean } = {}): Promise<{ certificatePem: string; privateKeyPem: string }> {
  const keys = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const dayMs = 86_400_000;
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: '01', name: [{ CN: [commonName] }, { OU: ['device'] }], keys, signingAlgorithm: signing,
    notBefore: systemClock(-2 * dayMs).now(), notAfter: systemClock(expired ? -dayMs : dayMs).now(),
  });
  return { certificatePem: certificate.toString('pem'), privateKeyPem: x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY') };
}

/** Begins to connect, once. */
export function openDevice(device: DeviceIdentity, change: IClientOptions = {}): MqttClient {
  const client = mqtt.connect(device.brokerUrl, {
    clientId: device.clientId, cert: device.certificatePem, key: device.privateKeyPem, ca: device.authorityPem, reconnectPeriod: 0, clean: true, ...change,
  });
  client.on('error', () => undefined);
  return client;
}

/** @throws when it is refused */
export async function connectDevice(device: DeviceIdentity, change: IClientOptions = {}): Promise<MqttClient> {
  const client = openDevice(device, change);
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve());
      client.once('error', reject);
      client.once('close', () => reject(new Error('closed')));
    });
  } catch (error) {
    client.end(true);
    throw error;
  }
  return client;
}
