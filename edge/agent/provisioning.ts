/**
 * How a vehicle gets its certificate: the first by a claim that came with it from the factory, the next by the one before.
 * The private key is made here and never leaves.
 */
import 'reflect-metadata';
import { randomBytes, X509Certificate } from 'node:crypto';
import { Pkcs10CertificateRequestGenerator, PemConverter } from '@peculiar/x509';
import type { MqttClient } from 'mqtt';
import { provisioningTemplate, topics } from '../protocol/topics.ts';
import type { AgentStorage, Identity } from '../storage/port.ts';
import { openClient, type Validity } from './link.ts';

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
const answerTimeoutMs = 20_000;

/** A new key pair, and the request for a certificate of that name. PEM. */
export async function certificateRequest(commonName: string): Promise<{ privateKeyPem: string; csrPem: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const request = await Pkcs10CertificateRequestGenerator.create({ name: [{ CN: [commonName] }], keys, signingAlgorithm: algorithm });
  return { privateKeyPem: PemConverter.encode(await crypto.subtle.exportKey('pkcs8', keys.privateKey), 'PRIVATE KEY'), csrPem: request.toString('pem') };
}

/** Asked for, but not certain to be of use yet. */
interface Pending {
  /** The certificate that asks for it: what was left of another request is of no use to this one. */
  askedWith: string;
  privateKeyPem: string;
  csrPem: string;
  certificatePem?: string;
  ownershipToken?: string;
}

/** The platform said no; asking again in the same way is of no use. */
export class ProvisioningRefused extends Error {
  override name = 'ProvisioningRefused';
}

/** What is no object says nothing: the answer is then incomplete. */
function objectIn(payload: Buffer): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(payload.toString());
    return typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : {};
  } catch {
    return {};
  }
}

/** One question and its answer on `/accepted` or `/rejected`. @throws ProvisioningRefused; Error when no answer came */
async function ask(client: MqttClient, topic: string, request: object): Promise<Record<string, unknown>> {
  await client.subscribeAsync([`${topic}/accepted`, `${topic}/rejected`], { qos: 1 });
  let forget = (): void => undefined;
  try {
    return await new Promise<Record<string, unknown>>((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no answer on ${topic}`)), answerTimeoutMs);
      const onClose = () => reject(new Error('the connection was lost'));
      const onMessage = (heard: string, payload: Buffer) => {
        if (!heard.startsWith(`${topic}/`)) return;
        const answer = objectIn(payload);
        if (heard.endsWith('/accepted')) resolve(answer);
        else reject(new ProvisioningRefused(typeof answer['errorMessage'] === 'string' ? answer['errorMessage'] : 'refused'));
      };
      client.on('message', onMessage).on('close', onClose);
      forget = () => {
        clearTimeout(timer);
        client.off('message', onMessage).off('close', onClose);
      };
      client.publishAsync(topic, JSON.stringify(request), { qos: 1 }).catch(reject);
    });
  } finally {
    forget();
  }
}

/** The machine's clock is right: what TLS itself has judged stands. */
const asTlsSays: Validity = () => false;

async function connected(identity: Identity, clientId: string, validity: Validity): Promise<MqttClient> {
  const client = openClient(identity, clientId, validity);
  try {
    await new Promise<void>((resolve, reject) => {
      client.once('connect', () => resolve()).once('error', reject).once('close', () => reject(new Error('the broker closed the connection')));
    });
  } catch (error) {
    client.on('error', () => undefined).end(true);
    throw error;
  }
  // What goes wrong later shows as `close`.
  client.on('error', () => undefined);
  return client;
}

const text = (value: unknown): string => {
  if (typeof value !== 'string') throw new Error('the answer of the platform is incomplete');
  return value;
};

/** Each step is on the disk before the next: a power cut goes on where it was, with the same key. */
class Steps {
  readonly #storage: AgentStorage;

  constructor(storage: AgentStorage) {
    this.#storage = storage;
  }

  async begun({ vehicleId, certificatePem }: Identity): Promise<Pending> {
    const askedWith = new X509Certificate(certificatePem).fingerprint256;
    const kept = this.#storage.document('provisioning');
    const pending = kept === undefined ? undefined : (JSON.parse(kept) as Pending);
    return pending?.askedWith === askedWith ? pending : this.keep({ askedWith, ...(await certificateRequest(vehicleId)) });
  }

  keep(pending: Pending): Pending {
    this.#storage.saveDocument('provisioning', JSON.stringify(pending));
    return pending;
  }

  end(): void {
    this.#storage.saveDocument('provisioning', undefined);
  }
}

async function issued(client: MqttClient, steps: Steps, pending: Pending): Promise<Pending> {
  if (pending.certificatePem !== undefined) return pending;
  const answer = await ask(client, topics.createCertificateFromCsr, { certificateSigningRequest: pending.csrPem });
  return steps.keep({ ...pending, certificatePem: text(answer['certificatePem']), ownershipToken: text(answer['certificateOwnershipToken']) });
}

/**
 * The first certificate of a vehicle.
 * @param claim with the vehicle's id; its certificate and key are the claim's
 * @param validity what is known of the time, when the machine's clock may be wrong
 * @throws ProvisioningRefused; Error when the platform cannot be reached: call it again
 */
export async function provisionByClaim(claim: Identity, storage: AgentStorage, validity = asTlsSays): Promise<Identity> {
  const { vehicleId } = claim;
  const steps = new Steps(storage);
  const client = await connected(claim, `claim-${vehicleId}-${randomBytes(4).toString('hex')}`.slice(0, 80), validity);
  try {
    const pending = await issued(client, steps, await steps.begun(claim));
    await ask(client, topics.registerThing(provisioningTemplate), { certificateOwnershipToken: pending.ownershipToken, parameters: { VehicleId: vehicleId } });
    const identity = { ...claim, certificatePem: text(pending.certificatePem), privateKeyPem: pending.privateKeyPem };
    storage.saveDocument('identity', JSON.stringify(identity));
    steps.end();
    return identity;
  } catch (error) {
    // A token that ran out while the power was away: begin anew, with a new key.
    if (error instanceof ProvisioningRefused) steps.end();
    throw error;
  } finally {
    await client.endAsync(true);
  }
}

const renewBeforeMs = 30 * 24 * 3_600_000;

/** Whether it is time to ask for the next certificate. */
export const isNearItsEnd = (identity: Identity, nowMs: number): boolean => Date.parse(new X509Certificate(identity.certificatePem).validTo) - nowMs < renewBeforeMs;

/**
 * The next certificate of a vehicle that has one. It is kept beside the present one until a connection with it has worked: then the
 * platform ends the old one, and so does the vehicle.
 * @param validity as for the first one
 */
export async function renewCertificate(identity: Identity, storage: AgentStorage, validity = asTlsSays): Promise<Identity> {
  const steps = new Steps(storage);
  const client = await connected(identity, identity.vehicleId, validity);
  let next: Identity;
  try {
    const pending = await issued(client, steps, await steps.begun(identity));
    next = { ...identity, certificatePem: text(pending.certificatePem), privateKeyPem: pending.privateKeyPem };
    storage.saveDocument('next-identity', JSON.stringify(next));
  } finally {
    await client.endAsync(true);
  }
  const trial = await connected(next, identity.vehicleId, validity);
  await trial.endAsync(true);
  storage.saveDocument('identity', JSON.stringify(next));
  storage.saveDocument('next-identity', undefined);
  steps.end();
  return next;
}

/** Who the vehicle is, after whatever a power cut left: the certificate that was being tried, if there is one. */
export function storedIdentities(storage: AgentStorage): Identity[] {
  return (['next-identity', 'identity'] as const).flatMap((name) => {
    const kept = storage.document(name);
    return kept === undefined ? [] : [JSON.parse(kept) as Identity];
  });
}
