import { hkdfSync, X509Certificate } from 'node:crypto';
import type { CommandMessage } from '../../edge/protocol/messages.ts';
import { provisioningTemplate, topics } from '../../edge/protocol/topics.ts';
import type { Tracer } from '../infra/observability/port.ts';
import { defineModule, type ModuleContext } from '../module.ts';
import { Problem } from '../wire/problem.ts';
import { brokerCertificate, type CertificateAuthority, openAuthority, readCertificateRequest } from './authority.ts';
import { openBroker } from './broker.ts';
import { iotContract } from './contract.ts';
import { DeviceCore } from './core.ts';
import { certificateAnswer, findDevice, listDevices } from './directory.ts';
import type { TlsMaterial } from './door.ts';
import { Jobs } from './jobs/jobs.ts';
import { Provisioning } from './provisioning.ts';
import { Registry } from './registry.ts';
import { Shadows } from './shadow/shadows.ts';
import { thingHandlers } from './things.ts';
import { openWorkers } from './workers.ts';
import { dropUnbound, type KeySet, ownCertificates, readUnlockKeys, storeUnlockKeys } from './store.ts';

type Operations = typeof iotContract.operations;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const ticketKeyBytes = 48;

/** The port of last time, so that vehicles find the broker again after a restart. */
async function rememberedPort({ configuration, kv }: ModuleContext): Promise<{ port: number; remember(port: number): Promise<void> }> {
  const table = kv.table<{ port: number }>('iot');
  const remembered = (await table.get('mqtts-port'))?.value.port;
  return {
    port: configuration.MOBILITY_MQTT_PORT || (remembered ?? 0),
    async remember(port) {
      if (port !== remembered) await table.put('mqtts-port', { port });
    },
  };
}

/** Keys that were published, and the current one, which a fresh platform has not published yet. */
async function currentUnlockKeys({ database, keys }: ModuleContext): Promise<KeySet> {
  const stored = await readUnlockKeys(database.sql);
  const { publicJwk, keyId } = await keys.signingKey('unlock', 'EdDSA');
  if (stored.keys.some((key) => key['kid'] === keyId)) return stored;
  const complete = { keys: [...stored.keys, { ...publicJwk }] };
  await storeUnlockKeys(database.sql, complete);
  return complete;
}

/** The name under which vehicles reach the broker. */
const publicHost = ({ HOST, publicUrl }: ModuleContext['configuration']): string => (['0.0.0.0', '::'].includes(HOST) ? new URL(publicUrl).hostname : HOST);

/** What the listener shows today: tickets are sealed with the key of the day. */
async function tlsMaterial({ configuration, keys, clock, database }: ModuleContext, authority: CertificateAuthority): Promise<TlsMaterial> {
  const hosts = [...new Set(['localhost', '127.0.0.1', publicHost(configuration), new URL(configuration.publicUrl).hostname])].filter((host) => !host.startsWith('['));
  const secret = await keys.secret('mqtt-tickets');
  const ticketKeys = new Uint8Array(hkdfSync('sha256', secret, '', `day ${Math.floor(clock.nowMs() / dayMs)}`, ticketKeyBytes));
  const certificate = await brokerCertificate({ authority, keys, clock, own: ownCertificates(database.sql), hosts });
  return { ...certificate, authorityPem: authority.pem, ticketKeys };
}

const bytes = (content: unknown): Uint8Array => Buffer.from(JSON.stringify(content));

/** The parts of the core, put together. */
async function openCore(context: ModuleContext): Promise<{ core: DeviceCore; registry: Registry; shadows: Shadows; jobs: Jobs }> {
  const { database, keys, clock, configuration } = context;
  const authority = await openAuthority({ keys, clock, clockAheadMs: configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000, own: ownCertificates(database.sql) });
  const registry = new Registry({ database, clock, authority, onEnded: (certificateIds) => core.endConnectionsOf(certificateIds) });
  const provisioning = new Provisioning({ registry, clock });
  const shadows = new Shadows(context);
  const jobs = new Jobs({ database, clock, logger: context.logger, send: (vehicleId, messages) => core.send(vehicleId, messages), isConnected: (vehicleId) => core.connectedSinceMs(vehicleId) !== undefined });
  const core = new DeviceCore({
    ...context, registry,
    answer: (asker, topic, payload) => provisioning.handle(asker, topic, payload) ?? shadows.handle(asker.name, topic, payload) ?? jobs.handle(asker.name, topic, payload),
  });
  return { core, registry, shadows, jobs };
}

interface Listener {
  /** Where vehicles connect. */
  url: string;
  close(): Promise<void>;
}

/** Opens the broker: here, or in as many processes as the configuration says. */
async function openListener(context: ModuleContext, parts: { core: DeviceCore; registry: Registry; unlockKeys(): KeySet }): Promise<Listener> {
  const { configuration, database, clock, logger, tracer, events } = context;
  const { core, registry } = parts;
  const { port, remember } = await rememberedPort(context);
  let material = await tlsMaterial(context, registry.authority);
  const begin = () => ({ host: configuration.HOST, material, unlockKeys: bytes(parts.unlockKeys()) });
  context.metrics.gauge('mobility_certificate_expiry_timestamp_seconds', 'When a certificate of the platform runs out, as a Unix time', () =>
    Object.entries({ authority: registry.authority.pem, broker: material.certificatePem }).map(([certificate, pem]) => ({ labels: { certificate }, value: new X509Certificate(pem).validToDate.getTime() / 1000 })));
  const desk = core.desk();
  const workers = configuration.MOBILITY_IOT_WORKERS === 0 ? undefined : await openWorkers({
    count: configuration.MOBILITY_IOT_WORKERS, core, logger, port,
    begin: () => ({ ...begin(), configuration }),
  });
  desk.broker = workers ? undefined : await openBroker({ ...begin(), core: desk, port, shared: false, clock, logger, tracer, events });
  const broker = workers ?? desk.broker;
  await remember(broker?.port ?? 0);
  const hourly = setInterval(() => {
    const work = async () => {
      material = await tlsMaterial(context, registry.authority);
      broker?.show(material);
      await dropUnbound(database.sql, clock.now());
    };
    work().catch((error: unknown) => logger.warn({ error }, 'certificates cannot be looked after; it is tried again in an hour'));
  }, hourMs);
  const host = publicHost(configuration);
  const hostInUrl = host.includes(':') ? `[${host}]` : host;
  return {
    url: `mqtts://${hostInUrl}:${broker?.port}`,
    async close() {
      clearInterval(hourly);
      await broker?.close();
    },
  };
}

/** @returns whether the vehicle is connected */
function sendCommand(tracer: Tracer, core: DeviceCore, { vehicleId, message }: { vehicleId: string; message: CommandMessage }): boolean {
  const template = topics.commands('{vehicleId}');
  const span = tracer.open(`send ${template}`, {
    kind: 'producer',
    attributes: { 'messaging.system': 'mqtt', 'messaging.operation.type': 'send', 'messaging.destination.template': template, 'messaging.message.id': message.commandId, 'mobility.vehicle.id': vehicleId },
  });
  const connected = core.send(vehicleId, [{ topic: topics.commands(vehicleId), payload: bytes({ ...message, traceparent: span.traceparent }) }]);
  span.set({ 'mobility.vehicle.connected': connected });
  span.end();
  return connected;
}

export const iotModule = defineModule<Operations>({
  name: 'iot',
  contract: iotContract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { database } = context;
    let unlockKeys = await currentUnlockKeys(context);
    const { core, registry, shadows, jobs } = await openCore(context);
    const { authority } = registry;
    const listener = await openListener(context, { core, registry, unlockKeys: () => unlockKeys });
    const brokerUrl = listener.url;

    return {
      handlers: {
        async issueCertificate({ params: { vehicleId }, body }) {
          const { id, pem, expiresAt } = await registry.issueForVehicle(vehicleId, await readCertificateRequest(body.csrPem), body.replaceOthers);
          return { clientId: vehicleId, certificateId: id, certificatePem: pem, authorityPem: authority.pem, brokerUrl, expiresAt: expiresAt.toISOString(), unlockKeys };
        },
        async issueClaim({ body }) {
          const { id, pem, expiresAt } = await registry.issueClaim(body.name, await readCertificateRequest(body.csrPem), body.validForDays);
          return { certificateId: id, certificatePem: pem, authorityPem: authority.pem, brokerUrl, expiresAt: expiresAt.toISOString(), template: provisioningTemplate };
        },
        revokeCertificate: async ({ params }) => certificateAnswer(await registry.revoke(params.certificateId)),
        listDevices: ({ query }) => listDevices(database, core, query),
        async getDevice({ params: { vehicleId } }) {
          const device = await findDevice(database, core, vehicleId);
          if (!device) throw new Problem('not-found', 'This vehicle has no device.');
          return device;
        },
        getStatistics: () => core.statistics(),
        deliverCommand: async ({ body }) => ({ connected: sendCommand(context.tracer, core, body) }),
        async publishUnlockKeys({ body }) {
          await storeUnlockKeys(database.sql, body);
          unlockKeys = body;
          core.retainUnlockKeys(bytes(body));
          return undefined;
        },
        ...thingHandlers({ shadows, jobs, core }),
      },
      async stop() {
        await listener.close();
        await core.stop();
      },
    };
  },
});
