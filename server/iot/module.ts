import { hkdfSync } from 'node:crypto';
import { provisioningTemplate, topics } from '../../edge/protocol/topics.ts';
import { defineModule, type ModuleContext } from '../module.ts';
import { Problem } from '../wire/problem.ts';
import { brokerCertificate, type CertificateAuthority, openAuthority, readCertificateRequest } from './authority.ts';
import { openBroker } from './broker.ts';
import { iotContract } from './contract.ts';
import { DeviceCore } from './core.ts';
import { certificateAnswer, findDevice, listDevices } from './directory.ts';
import type { TlsMaterial } from './door.ts';
import { isPassword, issuePassword } from './passwords.ts';
import { Provisioning } from './provisioning.ts';
import { Registry } from './registry.ts';
import { dropUnbound, type KeySet, ownCertificates, readUnlockKeys, storeUnlockKeys } from './store.ts';

type Operations = typeof iotContract.operations;

const hourMs = 3_600_000;
const dayMs = 24 * hourMs;
const ticketKeyBytes = 48;

/** Ports of last time, so that vehicles find the broker again after a restart. */
async function rememberedPort({ kv }: ModuleContext, name: string): Promise<{ port: number; remember(port: number): Promise<void> }> {
  const table = kv.table<{ port: number }>('iot');
  const remembered = (await table.get(name))?.value.port;
  return {
    port: remembered ?? 0,
    async remember(port) {
      if (port !== remembered) await table.put(name, { port });
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
async function openCore(context: ModuleContext): Promise<{ core: DeviceCore; registry: Registry }> {
  const { database, keys, clock, configuration } = context;
  const authority = await openAuthority({ keys, clock, clockAheadMs: configuration.MOBILITY_CLOCK_OFFSET_SECONDS * 1000, own: ownCertificates(database.sql) });
  const registry = new Registry({ database, clock, authority, onEnded: (certificateIds) => core.endConnectionsOf(certificateIds) });
  const provisioning = new Provisioning({ registry, clock });
  const core = new DeviceCore({ ...context, registry, answer: (asker, topic, payload) => provisioning.handle(asker, topic, payload) });
  return { core, registry };
}

export const iotModule = defineModule<Operations>({
  name: 'iot',
  contract: iotContract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { database, configuration, clock, logger, events } = context;
    const tlsPort = await rememberedPort(context, 'mqtts-port');
    const plainPort = await rememberedPort(context, 'mqtt-port');
    let unlockKeys = await currentUnlockKeys(context);
    const { core, registry } = await openCore(context);
    const { authority } = registry;
    const material = () => tlsMaterial(context, authority);
    const shown = await material();
    const broker = await core.attach((brokerCore) => openBroker({
      core: brokerCore, host: configuration.HOST, port: configuration.MOBILITY_MQTT_PORT || tlsPort.port, shared: false, material: shown, clock, logger, events, unlockKeys: bytes(unlockKeys),
      plain: { port: plainPort.port, isPassword: (vehicleId, secret) => isPassword(database.sql, vehicleId, secret) },
    }));
    await tlsPort.remember(broker.port);
    await plainPort.remember(broker.plainPort);
    const host = publicHost(configuration);
    const hostInUrl = host.includes(':') ? `[${host}]` : host;
    const brokerUrl = `mqtts://${hostInUrl}:${broker.port}`;
    const hourly = setInterval(() => {
      const work = async () => {
        broker.show(await material());
        await dropUnbound(database.sql, clock.now());
      };
      work().catch((error: unknown) => logger.warn({ error }, 'certificates cannot be looked after; it is tried again in an hour'));
    }, hourMs);

    return {
      handlers: {
        async issueCertificate({ params: { vehicleId }, body }) {
          const { id, pem, expiresAt } = await registry.issueForVehicle(vehicleId, await readCertificateRequest(body.csrPem), body.replaceOthers);
          return { clientId: vehicleId, certificateId: id, certificatePem: pem, authorityPem: authority.pem, brokerUrl, expiresAt: expiresAt.toISOString(), unlockKeys };
        },
        async issueCredentials({ params: { vehicleId } }) {
          const password = await issuePassword(database.sql, vehicleId, clock.now());
          core.endPlain(vehicleId);
          return { clientId: vehicleId, userName: vehicleId, password, brokerUrl: `mqtt://${hostInUrl}:${broker.plainPort}`, unlockKeys };
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
        deliverCommand: async ({ body: { vehicleId, message } }) => ({ connected: core.send(vehicleId, [{ topic: topics.commands(vehicleId), payload: bytes(message) }]) }),
        async publishUnlockKeys({ body }) {
          await storeUnlockKeys(database.sql, body);
          unlockKeys = body;
          core.retainUnlockKeys(bytes(body));
          return undefined;
        },
      },
      async stop() {
        clearInterval(hourly);
        await broker.close();
        await core.stop();
      },
    };
  },
});
