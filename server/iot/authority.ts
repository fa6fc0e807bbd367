/** The platform's certificate authority: EC P-256, one root, which signs the broker's certificate and those of devices. */
import 'reflect-metadata';
import { createHash, createPrivateKey, randomBytes, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';
import type { CryptoKey } from 'jose';
import type { Clock } from '../infra/clock/port.ts';
import type { Keys } from '../infra/keys/port.ts';
import { VehicleId } from '../services/vehicle/contract.ts';
import { Problem } from '../wire/problem.ts';

export interface SignedCertificate {
  /** SHA-256 of the DER form, in hexadecimal. */
  id: string;
  pem: string;
  issuedAt: Date;
  expiresAt: Date;
}

/** A request that was signed with the key that it asks for. */
export interface CertificateRequest {
  /** The name that it asks for, when that could be a vehicle's. */
  name: string | undefined;
  publicKey: x509.PublicKey;
  publicKeyHash: Uint8Array;
}

/** Where the authority keeps what it has made of itself. */
export interface OwnCertificates {
  read(purpose: 'authority' | 'broker'): Promise<string | undefined>;
  /** @returns what lies there now: another process may have been first with the authority's */
  write(purpose: 'authority' | 'broker', certificatePem: string): Promise<string>;
}

const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const dayMs = 86_400_000;
const authorityDays = 20 * 365;
const deviceDays = 5 * 365;
const brokerDays = 365;
const brokerRenewalDays = 60;
/** Devices have clocks of their own. */
const backdatedMs = 3_600_000;
const smallestRsaBits = 2048;
const largestRsaBits = 4096;
const authorityName = [{ CN: ['Mobility device authority'] }];

const sha256 = (bytes: ArrayBuffer | Uint8Array): Uint8Array => createHash('sha256').update(new Uint8Array(bytes)).digest();
export const certificateIdOf = (der: ArrayBuffer | Uint8Array): string => Buffer.from(sha256(der)).toString('hex');

function isAcceptableKey({ algorithm }: x509.PublicKey): boolean {
  const { name, namedCurve, modulusLength } = algorithm as { name: string; namedCurve?: string; modulusLength?: number };
  if (name === 'ECDSA') return namedCurve === 'P-256';
  return name.startsWith('RSASSA-PKCS1') && modulusLength !== undefined && modulusLength >= smallestRsaBits && modulusLength <= largestRsaBits;
}

/** @throws Problem `certificate-request-invalid` unless it is PKCS #10 with a key of a kind and size that we sign, signed by that key */
export async function readCertificateRequest(pem: string): Promise<CertificateRequest> {
  try {
    const request = new x509.Pkcs10CertificateRequest(pem);
    if (!isAcceptableKey(request.publicKey)) throw new Error('the key is neither EC P-256 nor RSA with 2048 to 4096 bits');
    if (!(await request.verify())) throw new Error('the signature is not of the key in the request');
    const asked = VehicleId.safeParse(request.subjectName.getField('CN')[0]);
    return { name: asked.data, publicKey: request.publicKey, publicKeyHash: sha256(request.publicKey.rawData) };
  } catch (error) {
    throw new Problem('certificate-request-invalid', error instanceof Error ? error.message : undefined);
  }
}

/** A key pair and its request in one step, for devices that cannot make a key: the platform then knows it, which is why they should. */
export async function makeKeyPair(): Promise<CertificateRequest & { privateKeyPem: string; publicKeyPem: string }> {
  const pair = await crypto.subtle.generateKey({ name: 'ECDSA', namedCurve: 'P-256' }, true, ['sign', 'verify']);
  const publicKey = await x509.PublicKey.create(pair.publicKey);
  const privateKeyPem = x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', pair.privateKey), 'PRIVATE KEY');
  return { name: undefined, publicKey, publicKeyHash: sha256(publicKey.rawData), privateKeyPem, publicKeyPem: publicKey.toString('pem') };
}

export class CertificateAuthority {
  /** Its own certificate, which devices verify the broker with. */
  readonly pem: string;
  readonly #certificate: x509.X509Certificate;
  readonly #signingKey: CryptoKey;
  readonly #clock: Clock;
  readonly #clockAheadMs: number;

  /** @param clockAheadMs how far our clock is set ahead of the machine's, by which TLS judges */
  constructor(pem: string, signingKey: CryptoKey, clock: Clock, clockAheadMs: number) {
    this.pem = pem;
    this.#certificate = new x509.X509Certificate(pem);
    this.#signingKey = signingKey;
    this.#clock = clock;
    this.#clockAheadMs = Math.max(0, clockAheadMs);
  }

  /** For the device in a vehicle: its common name is the vehicle's id. */
  signDevice(vehicleId: string, publicKey: x509.PublicKey): Promise<SignedCertificate> {
    return this.#sign([{ CN: [vehicleId] }, { OU: ['device'] }], publicKey, deviceDays, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]);
  }

  /** For devices that have no vehicle yet. */
  signClaim(publicKey: x509.PublicKey, validForDays: number): Promise<SignedCertificate> {
    return this.#sign([{ CN: ['claim'] }, { OU: ['claim'] }], publicKey, validForDays, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]);
  }

  signBroker(hosts: readonly string[], publicKey: x509.PublicKey): Promise<SignedCertificate> {
    const names = hosts.map((host) => ({ type: isAddress(host) ? ('ip' as const) : ('dns' as const), value: host }));
    return this.#sign([{ CN: [hosts[0] ?? 'localhost'] }, { OU: ['broker'] }], publicKey, brokerDays, [
      new x509.SubjectAlternativeNameExtension(names), new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
    ]);
  }

  async #sign(subject: x509.JsonName, publicKey: x509.PublicKey, days: number, extensions: x509.Extension[]): Promise<SignedCertificate> {
    const nowMs = this.#clock.nowMs();
    const expiresAt = new Date(Math.min(nowMs + days * dayMs, this.#certificate.notAfter.getTime()));
    const certificate = await x509.X509CertificateGenerator.create({
      serialNumber: serialNumber(), subject, issuer: this.#certificate.subject, publicKey, signingKey: this.#signingKey, signingAlgorithm: signing,
      notBefore: new Date(nowMs - backdatedMs - this.#clockAheadMs), notAfter: expiresAt,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true), ...extensions,
        await x509.AuthorityKeyIdentifierExtension.create(this.#certificate), await x509.SubjectKeyIdentifierExtension.create(publicKey),
      ],
    });
    return { id: certificateIdOf(certificate.rawData), pem: `${certificate.toString('pem')}\n`, issuedAt: new Date(nowMs), expiresAt: certificate.notAfter };
  }
}

const isAddress = (host: string): boolean => /^[\d.]+$/.test(host) || host.includes(':');
/** 127 random bits: positive, as the standard wants it. */
const serialNumber = (): string => {
  const bytes = randomBytes(16);
  bytes[0] = ((bytes[0] ?? 0) & 0x7f) | 0x40;
  return bytes.toString('hex');
};

/** The authority of this platform: the same after every start. */
export async function openAuthority(options: { keys: Keys; clock: Clock; clockAheadMs: number; own: OwnCertificates }): Promise<CertificateAuthority> {
  const { keys, clock, clockAheadMs, own } = options;
  const { privateKey, publicJwk } = await keys.signingKey('device-authority', 'ES256');
  const kept = await own.read('authority');
  const isOurs = (pem: string): boolean => {
    const { x, y } = new X509Certificate(pem).publicKey.export({ format: 'jwk' });
    return x === publicJwk.x && y === publicJwk.y;
  };
  if (kept !== undefined && isOurs(kept)) return new CertificateAuthority(kept, privateKey, clock, clockAheadMs);
  const publicKey = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x: publicJwk.x, y: publicJwk.y }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: serialNumber(), name: authorityName, keys: { privateKey, publicKey }, signingAlgorithm: signing,
    notBefore: new Date(clock.nowMs() - dayMs - Math.max(0, clockAheadMs)), notAfter: new Date(clock.nowMs() + authorityDays * dayMs),
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true), new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
      await x509.SubjectKeyIdentifierExtension.create(publicKey),
    ],
  });
  const written = await own.write('authority', `${certificate.toString('pem')}\n`);
  return new CertificateAuthority(written, privateKey, clock, clockAheadMs);
}

/** The broker's key and certificate: the one that is kept, or a new one when that ends soon, lacks a host or has another key. */
export async function brokerCertificate(options: { authority: CertificateAuthority; keys: Keys; clock: Clock; own: OwnCertificates; hosts: readonly string[] }): Promise<{ keyPem: string; certificatePem: string }> {
  const { authority, keys, clock, own, hosts } = options;
  const { privateJwk, publicJwk } = await keys.signingKey('mqtt-broker', 'ES256');
  const keyPem = createPrivateKey({ key: { ...privateJwk }, format: 'jwk' }).export({ type: 'pkcs8', format: 'pem' }).toString();
  const kept = await own.read('broker');
  if (kept !== undefined && isStillGood(new X509Certificate(kept), keyPem, authority.pem, hosts, clock.nowMs())) return { keyPem, certificatePem: kept };
  const key = await crypto.subtle.importKey('jwk', { kty: 'EC', crv: 'P-256', x: publicJwk.x, y: publicJwk.y }, { name: 'ECDSA', namedCurve: 'P-256' }, true, ['verify']);
  const { pem } = await authority.signBroker(hosts, await x509.PublicKey.create(key));
  return { keyPem, certificatePem: await own.write('broker', pem) };
}

function isStillGood(kept: X509Certificate, keyPem: string, authorityPem: string, hosts: readonly string[], nowMs: number): boolean {
  return kept.validToDate.getTime() - nowMs > brokerRenewalDays * dayMs
    && kept.checkPrivateKey(createPrivateKey(keyPem))
    && kept.verify(new X509Certificate(authorityPem).publicKey)
    && hosts.every((host) => (isAddress(host) ? kept.checkIP(host) : kept.checkHost(host)) !== undefined);
}
