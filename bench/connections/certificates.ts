/** Certificates for a load: thousands in a second, all with one key pair, from one template. */
import 'reflect-metadata';
import { createPrivateKey, type KeyObject, sign, X509Certificate } from 'node:crypto';
import * as x509 from '@peculiar/x509';

/** What every load process needs to make the certificate of any vehicle. */
export interface LoadAuthority {
  authorityPem: string;
  authorityKeyPem: string;
  deviceKeyPem: string;
  /** DER of the certificate of `vehicleNameOf(0)`. */
  templateBase64: string;
  brokerCertificatePem: string;
  brokerKeyPem: string;
}

const signing = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
/** All of one length, so that one can be put in the place of another. */
export const vehicleNameOf = (index: number): string => `load-${String(index).padStart(7, '0')}`;

export async function makeLoadAuthority(): Promise<LoadAuthority> {
  const [own, broker, device] = await Promise.all([0, 1, 2].map(() => crypto.subtle.generateKey(signing, true, ['sign', 'verify'])));
  if (!own || !broker || !device) throw new Error('no keys');
  const pemOf = async (key: (typeof own)['privateKey']) => x509.PemConverter.encode(await crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');
  const authority = await x509.X509CertificateGenerator.createSelfSigned({ serialNumber: '01', name: [{ CN: ['load'] }], keys: own, signingAlgorithm: signing, extensions: [new x509.BasicConstraintsExtension(true, 0, true)] });
  const issued = (subject: x509.JsonName, publicKey: (typeof own)['publicKey'], extensions: x509.Extension[]) =>
    x509.X509CertificateGenerator.create({ serialNumber: '02', subject, issuer: authority.subject, publicKey, signingKey: own.privateKey, signingAlgorithm: signing, extensions });
  const brokerCertificate = await issued([{ CN: ['localhost'] }], broker.publicKey, [new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: 'localhost' }])]);
  const template = await issued([{ CN: [vehicleNameOf(0)] }, { OU: ['device'] }], device.publicKey, [new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth])]);
  return {
    authorityPem: authority.toString('pem'), authorityKeyPem: await pemOf(own.privateKey), deviceKeyPem: await pemOf(device.privateKey),
    templateBase64: Buffer.from(template.rawData).toString('base64'), brokerCertificatePem: brokerCertificate.toString('pem'), brokerKeyPem: await pemOf(broker.privateKey),
  };
}

function der(tag: number, content: Uint8Array): Buffer {
  const { length } = content;
  const header = length < 0x80 ? [tag, length] : length < 0x100 ? [tag, 0x81, length] : [tag, 0x82, length >> 8, length & 0xff];
  return Buffer.concat([Buffer.from(header), content]);
}

/** The end of the element that begins at `offset`. */
function endOf(bytes: Buffer, offset: number): number {
  const first = bytes[offset + 1] ?? 0;
  const more = first & 0x7f;
  return first < 0x80 ? offset + 2 + first : offset + 2 + more + bytes.readUIntBE(offset + 2, more);
}

/** Makes the certificates of vehicles by changing the name in a template and signing that again. */
export class CertificatePress {
  readonly #signed: Buffer;
  readonly #algorithm: Buffer;
  readonly #nameAt: number;
  readonly #key: KeyObject;

  constructor({ templateBase64, authorityKeyPem }: LoadAuthority) {
    const template = Buffer.from(templateBase64, 'base64');
    const begin = (template[1] ?? 0) < 0x80 ? 2 : 2 + ((template[1] ?? 0) & 0x7f);
    const signedEnd = endOf(template, begin);
    this.#signed = template.subarray(begin, signedEnd);
    this.#algorithm = template.subarray(signedEnd, endOf(template, signedEnd));
    this.#nameAt = this.#signed.lastIndexOf(vehicleNameOf(0));
    this.#key = createPrivateKey(authorityKeyPem);
  }

  pem(vehicle: number): string {
    const signed = Buffer.from(this.#signed);
    signed.write(vehicleNameOf(vehicle), this.#nameAt, 'latin1');
    const signature = sign('sha256', signed, this.#key);
    return new X509Certificate(der(0x30, Buffer.concat([signed, this.#algorithm, der(0x03, Buffer.concat([Buffer.from([0]), signature]))]))).toString();
  }
}
