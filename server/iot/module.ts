import { createHash, randomBytes, timingSafeEqual } from 'node:crypto';
import { defineModule, type ModuleContext } from '../module.ts';
import { openBroker } from './broker.ts';
import { iotContract } from './contract.ts';
import { Intake } from './intake.ts';
import { findSecretHash, type KeySet, readUnlockKeys, storeDevice, storeUnlockKeys } from './store.ts';

type Operations = typeof iotContract.operations;

const secretBytes = 32;
const hashOf = (secret: Uint8Array | string): Uint8Array => createHash('sha256').update(secret).digest();

/** The port of last time, so that vehicles find the broker again after a restart. */
async function portOf({ configuration, kv }: ModuleContext): Promise<{ port: number; remember(port: number): Promise<void> }> {
  const table = kv.table<{ port: number }>('iot');
  const remembered = (await table.get('mqtt-port'))?.value.port;
  return {
    port: configuration.MOBILITY_MQTT_PORT || (remembered ?? 0),
    async remember(port) {
      if (port !== remembered) await table.put('mqtt-port', { port });
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

export const iotModule = defineModule<Operations>({
  name: 'iot',
  contract: iotContract,
  needs: [],
  migrations: new URL('./migrations/', import.meta.url),
  async start(context) {
    const { database, configuration, clock, logger, metrics } = context;
    const intake = new Intake(context);
    const { port, remember } = await portOf(context);
    let unlockKeys = await currentUnlockKeys(context);
    const broker = await openBroker({
      host: configuration.HOST, port, clock, logger, metrics,
      async authenticate(vehicleId, secret) {
        const known = await findSecretHash(database.sql, vehicleId);
        return known !== undefined && timingSafeEqual(known, hashOf(secret));
      },
      accept: (vehicleId, payload) => intake.accept(vehicleId, payload),
    });
    await remember(broker.port);
    await broker.retainUnlockKeys(unlockKeys);
    const reachable = ['0.0.0.0', '::'].includes(configuration.HOST) ? new URL(configuration.publicUrl).hostname : configuration.HOST;
    const brokerUrl = `mqtt://${reachable.includes(':') ? `[${reachable}]` : reachable}:${broker.port}`;

    return {
      handlers: {
        async issueCredentials({ params: { vehicleId } }) {
          const password = randomBytes(secretBytes).toString('base64url');
          await storeDevice(database.sql, { vehicleId, secretHash: hashOf(password), issuedAt: clock.now() });
          broker.disconnect(vehicleId);
          return { clientId: vehicleId, userName: vehicleId, password, brokerUrl, unlockKeys };
        },
        deliverCommand: async ({ body }) => ({ connected: await broker.deliver(body.vehicleId, body.message) }),
        async publishUnlockKeys({ body }) {
          await storeUnlockKeys(database.sql, body);
          unlockKeys = body;
          await broker.retainUnlockKeys(body);
          return undefined;
        },
      },
      async stop() {
        await broker.close();
        await intake.settled();
      },
    };
  },
});
