/** Certificates over MQTT, with the topics and documents of AWS IoT's fleet provisioning: by claim the first one, by certificate the next. */
import { createHash, randomBytes } from 'node:crypto';
import { z } from 'zod';
import { topics } from '../../edge/protocol/topics.ts';
import type { Clock } from '../infra/clock/port.ts';
import { VehicleId } from '../services/vehicle/contract.ts';
import { Problem } from '../wire/problem.ts';
import { type CertificateRequest, makeKeyPair, readCertificateRequest } from './authority.ts';
import type { Asker } from './core.ts';
import { createCertificateTopic, registerTopic } from './domain/policy.ts';
import type { Registry } from './registry.ts';
import type { ThingMessage } from './thing-messages.ts';

/** An answer on `/rejected`, as AWS IoT words it. */
class Rejection extends Error {
  readonly statusCode: number;
  readonly errorCode: string;

  constructor(statusCode: number, errorCode: string, message: string) {
    super(message);
    this.statusCode = statusCode;
    this.errorCode = errorCode;
  }
}

const CsrRequest = z.object({ certificateSigningRequest: z.string().max(20_000) });
const RegisterRequest = z.object({ certificateOwnershipToken: z.string().max(200), parameters: z.object({ VehicleId }) });
const tokenBytes = 32;
/** Time to answer twice over a bad network; whoever misses it asks for another certificate. */
const tokenValidForMs = 15 * 60_000;
const refusals = {
  token: { statusCode: 403, errorCode: 'InvalidCertificateOwnershipToken', message: 'The token is unknown, used, too old, or was given to another' },
  name: { statusCode: 400, errorCode: 'InvalidParameters', message: 'The certificate was made out to another vehicle' },
  taken: { statusCode: 409, errorCode: 'ResourceConflict', message: 'The vehicle has a certificate that is in use; staff have to revoke it first' },
};

const hashOf = (token: string): Uint8Array => createHash('sha256').update(token).digest();

function read<T>(schema: z.ZodType<T>, payload: Uint8Array): T {
  let value: unknown;
  try {
    value = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload));
  } catch {
    throw new Rejection(400, 'InvalidPayload', 'The payload is no JSON');
  }
  const parsed = schema.safeParse(value);
  if (!parsed.success) throw new Rejection(400, 'InvalidPayload', parsed.error.issues.map(({ path, message }) => `${path.join('.')}: ${message}`).join('; '));
  return parsed.data;
}

export class Provisioning {
  readonly #registry: Registry;
  readonly #clock: Clock;

  constructor({ registry, clock }: { registry: Registry; clock: Clock }) {
    this.#registry = registry;
    this.#clock = clock;
  }

  /** Accepted or rejected, never thrown for what a device sent. @returns undefined when the topic is none of this service */
  handle(asker: Asker, topic: string, payload: Uint8Array): Promise<readonly ThingMessage[]> | undefined {
    if (topic === topics.createCertificateFromCsr) return this.#answer(topic, () => this.#createFromCsr(asker, payload));
    if (topic === createCertificateTopic) return this.#answer(topic, () => this.#create(asker));
    if (topic === registerTopic) return this.#answer(topic, () => this.#register(asker, payload));
    return undefined;
  }

  async #answer(topic: string, work: () => Promise<object>): Promise<readonly ThingMessage[]> {
    const message = (end: string, content: object): ThingMessage[] => [{ topic: `${topic}/${end}`, payload: Buffer.from(JSON.stringify(content)) }];
    try {
      return message('accepted', await work());
    } catch (error) {
      if (error instanceof Rejection) return message('rejected', { statusCode: error.statusCode, errorCode: error.errorCode, errorMessage: error.message });
      if (error instanceof Problem) return message('rejected', { statusCode: 400, errorCode: 'InvalidCertificateSigningRequest', errorMessage: error.message });
      throw error;
    }
  }

  async #createFromCsr(asker: Asker, payload: Uint8Array): Promise<object> {
    const request = await readCertificateRequest(read(CsrRequest, payload).certificateSigningRequest);
    return this.#issue(asker, request);
  }

  async #create(asker: Asker): Promise<object> {
    const pair = await makeKeyPair();
    return { ...(await this.#issue(asker, pair)), privateKey: pair.privateKeyPem };
  }

  /** Who has a certificate gets one for itself; who has a claim, one for the name in its request, or else its client id. */
  async #issue(asker: Asker, request: CertificateRequest): Promise<{ certificateId: string; certificatePem: string; certificateOwnershipToken: string }> {
    const secret = randomBytes(tokenBytes).toString('base64url');
    const token = { hash: hashOf(secret), expiresAt: new Date(this.#clock.nowMs() + tokenValidForMs) };
    const { id, pem } = asker.kind === 'device'
      ? await this.#registry.issueSuccessor(asker.name, asker.certificateId, request, token)
      : await this.#registry.issuePending(request.name ?? asker.name, asker.certificateId, request, token);
    return { certificateId: id, certificatePem: pem, certificateOwnershipToken: secret };
  }

  async #register(asker: Asker, payload: Uint8Array): Promise<object> {
    const { certificateOwnershipToken, parameters } = read(RegisterRequest, payload);
    const outcome = await this.#registry.bind(hashOf(certificateOwnershipToken), asker.certificateId, parameters.VehicleId);
    if (outcome !== 'bound') {
      const { statusCode, errorCode, message } = refusals[outcome];
      throw new Rejection(statusCode, errorCode, message);
    }
    return { thingName: parameters.VehicleId, deviceConfiguration: {} };
  }
}
