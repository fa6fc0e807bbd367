/** Certificates of vehicles for a load, through the public API. */
import { generateKeyPairSync } from 'node:crypto';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import type { ApiUser } from '../../tests/journeys/program.ts';
import type { LoadSetup, LoadVehicle } from './load.ts';

const issuingAtOnce = 8;

/** One key for all, so that only certificates have to be made. */
export async function issueCertificates(admin: ApiUser, connections: number): Promise<LoadSetup> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  const keyPem = privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
  const signing = await crypto.subtle.importKey('pkcs8', privateKey.export({ type: 'pkcs8', format: 'der' }), algorithm, true, ['sign']);
  const jwk = await crypto.subtle.exportKey('jwk', signing);
  const verifying = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x: jwk.x ?? '', y: jwk.y ?? '' }, algorithm, true, ['verify']);
  const request = await x509.Pkcs10CertificateRequestGenerator.create({ name: 'CN=bench', keys: { privateKey: signing, publicKey: verifying }, signingAlgorithm: algorithm });
  const csrPem = request.toString('pem');
  const vehicles: LoadVehicle[] = [];
  let broker = new URL('mqtts://localhost:0');
  let authorityPem = '';
  let next = 0;
  await Promise.all(Array.from({ length: issuingAtOnce }, async () => {
    for (let index = next++; index < connections; index = next++) {
      const { status, body } = await admin.post<{ certificatePem: string; authorityPem: string; brokerUrl: string }>(`/v1/vehicles/bench-${index}/device-certificates`, { csrPem });
      if (status !== 201) throw new Error(`certificate: ${status} ${JSON.stringify(body)}`);
      vehicles.push({ vehicleId: `bench-${index}`, certificatePem: body.certificatePem });
      broker = new URL(body.brokerUrl);
      authorityPem = body.authorityPem;
    }
  }));
  return { host: broker.hostname, port: Number(broker.port), authorityPem, keyPem, vehicles };
}
